"""Waves: the first event of every key, then the second of every key, each grouped by type.

So the order of a key holds, and a batch costs a few statements for each type, not for each event.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from shared.events import Caused
from shared.messaging import faults
from shared.messaging.effects import Effect, Effects
from shared.messaging.failures import FaultIsOurs, describe, is_about_data, is_ours, signature
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
    failed: list[Parking] = field(default_factory=list)
    caused: list[Caused] = field(default_factory=list)
    _failed_keys: set[tuple[str, str]] = field(default_factory=set)

    async def apply(self, queues: Sequence[Sequence[Entry]]) -> None:
        """Applies every queue, the events of one key, in its order."""
        queues = [queue for queue in queues if queue]
        number = 0
        while queues:
            await self._wave([queue[number] for queue in queues])
            number += 1
            queues = [queue for queue in queues if number < len(queue)]
            if queues:
                await faults.reach("between_waves")

    async def _wave(self, heads: Sequence[Entry]) -> None:
        by_type: dict[str, list[Entry]] = defaultdict(list)
        for entry in heads:
            if (entry.record.topic, entry.key) in self._failed_keys:
                self.failed.append(Parking(entry, EARLIER_IS_PARKED, EARLIER_IS_PARKED))
            elif entry.event is None or entry.type is None:
                self.without_effect += 1
            else:
                by_type[entry.type].append(entry)
        for event_type in sorted(by_type):
            effect = self.effects.of(event_type)
            if effect is not None:
                await self._call(effect, by_type[event_type])

    async def _call(self, effect: Effect, entries: Sequence[Entry]) -> None:
        if not self.careful:
            self.caused += await self._caused(effect, entries)
            self.applied += entries
            return
        try:
            async with self.connection.transaction():
                caused = await self._caused(effect, entries)
        except Exception as error:
            if is_ours(error):
                raise FaultIsOurs(f"{_name(effect)}: {describe(error)}") from error
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
        self.failed.append(
            Parking(entry, f"{name}: {describe(error)}", f"{name}: {signature(error)}")
        )


def _name(effect: Effect) -> str:
    return getattr(effect, "__name__", type(effect).__name__)
