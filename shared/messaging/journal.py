"""Publishing: a transaction collects its events and appends them once, as its last statement."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg

from shared.events import Caused, Event
from shared.telemetry import current_traceparent

CAUSED = uuid5(NAMESPACE_URL, "https://aspire.example/caused")


@dataclass(slots=True)
class Transaction:
    """A database transaction of a command, the actor it is done for, and the events it makes.

    Whoever opened it calls `append` as the last statement before the commit, and wakes the relay
    after it.
    """

    connection: asyncpg.Connection
    actor: str
    _events: list[Event] = field(default_factory=list, init=False)

    def record(self, *events: Event) -> None:
        """Collects events to be published when, and only when, this transaction commits."""
        self._events.extend(events)

    async def append(self) -> int:
        """Appends what was recorded to the journal and the outbox; answers how many events."""
        events, self._events = self._events, []
        return await append(self.connection, [(None, event) for event in events], self.actor)


async def append(
    connection: asyncpg.Connection, events: Iterable[tuple[UUID | None, Event]], actor: str
) -> int:
    """Appends events, each with its id (None: a new one); answers how many were new.

    Raises:
        asyncpg.CheckViolationError: a payload is larger than 512 KiB.
    """
    ids, topics, keys, types, payloads, compacted = [], [], [], [], [], []
    for event_id, event in events:
        ids.append(event_id)
        topics.append(event.topic.name)
        keys.append(event.key)
        types.append(event.type)
        payloads.append(event.payload())
        compacted.append(event.topic.compacted)
    if not ids:
        return 0
    traceparent = current_traceparent()
    headers = f'{{"traceparent": "{traceparent}"}}' if traceparent else "{}"
    appended: int = await connection.fetchval(
        "SELECT append_events($1, $2, $3, $4, $5, $6, $7, $8)",
        ids, topics, keys, types, payloads, compacted, headers, actor,
    )  # fmt: skip
    return appended


def identified(caused: Iterable[Caused]) -> list[tuple[UUID, Event]]:
    """Gives each event an id that follows from its cause, type, key and number.

    A service that reads its causes again makes the same ids, and `append` takes an id once.
    """
    numbers: dict[tuple[UUID, str, str], int] = {}
    events: list[tuple[UUID, Event]] = []
    for each in caused:
        of = (each.cause.id, each.event.type, each.event.key)
        numbers[of] = number = numbers.get(of, 0) + 1
        name = f"{each.cause.id}/{each.event.type}/{each.event.key}/{number}"
        events.append((uuid5(CAUSED, name), each.event))
    return events
