"""Waves: the first event of every key, then the second of every key, each grouped by type.

So the order of a key holds, and a batch costs a few statements for each type, not for each event.
Where an effect takes runs, it has all of a key's next events at once that are of its type.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from shared.discretion import told
from shared.events import EVENT_TYPES, Caused
from shared.messaging import faults
from shared.messaging.effects import Effect, Effects
from shared.messaging.failures import FaultIsOurs, is_about_data, is_ours, signature
from shared.messaging.inbox import Parking
from shared.messaging.plan import EARLIER_IS_PARKED
from shared.messaging.records import Entry

MAX_PAYLOAD_BYTES = 512 * 1024
"""As the journal's own constraint says."""


@dataclass(slots=True)
class Waves:
    """Applies the queues of a batch's keys.

    Not `careful`, an effect's error ends it. Careful, each call runs under a savepoint, and where
    one fails for its data the culprits are found by halving; they and the later events of their
    keys are in `failed`, with the reasons.
    """

    connection: asyncpg.Connection
    effects: Effects
    careful: bool
    applied: list[Entry] = field(default_factory=list)
    without_effect: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    """How many events were of types that this release does not know."""
    failed: list[Parking] = field(default_factory=list)
    caused: list[Caused] = field(default_factory=list)
    _failed_keys: set[tuple[str, str]] = field(default_factory=set)

    async def apply(self, queues: Sequence[Sequence[Entry]]) -> None:
        """Applies every queue, the events of one key, in its order."""
        waiting = [(queue, 0) for queue in queues if queue]
        while waiting:
            by_type: dict[str, list[Entry]] = defaultdict(list)
            left = []
            for queue, at in waiting:
                end = self._next(queue, at, by_type)
                if end < len(queue):
                    left.append((queue, end))
            for event_type in sorted(by_type):
                await self._call(self._effect(event_type), by_type[event_type])
            waiting = left
            if waiting:
                await faults.reach("between_waves")

    def _next(self, queue: Sequence[Entry], at: int, by_type: dict[str, list[Entry]]) -> int:
        """Adds what the next call may have of a queue; answers where the rest of it begins."""
        if self._failed_keys and not self._without_failed(queue[at:]):
            return len(queue)
        while (entry := queue[at]).event is None or entry.type is None:
            self.without_effect += 1
            if entry.type is not None and entry.type not in EVENT_TYPES:
                self.unknown[entry.type] += 1
            at += 1
            if at == len(queue):
                return at
        chosen = by_type[entry.type]
        chosen.append(entry)
        at += 1
        if entry.type in self.effects.taking_runs:
            while at < len(queue) and queue[at].type == entry.type and queue[at].event is not None:
                chosen.append(queue[at])
                at += 1
        return at

    def _effect(self, event_type: str) -> Effect:
        effect = self.effects.of(event_type)
        assert effect is not None  # or its body would not have been read
        return effect

    async def _call(self, effect: Effect, entries: Sequence[Entry]) -> None:
        if not self.careful:
            self.caused += await self._caused(effect, entries)
            self.applied += entries
            return
        entries = self._without_failed(entries)
        if not entries:
            return
        try:
            async with self.connection.transaction():
                caused = await self._caused(effect, entries)
        except Exception as error:
            if is_ours(error):
                raise FaultIsOurs(f"{_name(effect)}: {told(error)}") from error
            if not is_about_data(error):
                raise
            if len(entries) == 1:
                self._fail(entries[0], effect, error)
                return
            middle = len(entries) // 2
            await self._call(effect, entries[:middle])
            await self._call(effect, entries[middle:])
        else:
            self.caused += caused
            self.applied += entries

    def _without_failed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Holds back the events that follow one of their key that failed."""
        ready = []
        for entry in entries:
            if (entry.record.topic, entry.key) in self._failed_keys:
                self.failed.append(Parking(entry, EARLIER_IS_PARKED, EARLIER_IS_PARKED))
            else:
                ready.append(entry)
        return ready

    async def _caused(self, effect: Effect, entries: Sequence[Entry]) -> list[Caused]:
        events = [entry.event for entry in entries if entry.event is not None]
        caused = list(await effect(self.connection, events) or ())
        for each in caused:
            size = len((each.event.payload() or "").encode())
            if size > MAX_PAYLOAD_BYTES:
                raise ValueError(f"causes a {each.event.type} of {size} bytes; 524288 is the most")
        return caused

    def _fail(self, entry: Entry, effect: Effect, error: Exception) -> None:
        name = _name(effect)
        self._failed_keys.add((entry.record.topic, entry.key))
        self.failed.append(Parking(entry, f"{name}: {told(error)}", f"{name}: {signature(error)}"))


def _name(effect: Effect) -> str:
    return getattr(effect, "__name__", type(effect).__name__)
