"""Publishing: a transaction collects its events and appends them once, as its last statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg

from shared.events import Caused, Event
from shared.messaging import faults
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
        traceparent = current_traceparent()
        facts = [Fact(event, None, traceparent) for event in events]
        appended = await append(self.connection, facts, self.actor)
        await faults.reach("after_append_before_commit")
        return appended


class Fact(NamedTuple):
    """An event to append: its id (None: a new one) and the trace in which it happened."""

    event: Event
    id: UUID | None
    traceparent: str | None


async def append(connection: asyncpg.Connection, facts: Sequence[Fact], actor: str) -> int:
    """Appends facts in their order; answers how many were new, for an id is appended once.

    Raises:
        asyncpg.CheckViolationError: a payload is larger than 512 KiB.
    """
    if not facts:
        return 0
    appended: int = await connection.fetchval(
        "SELECT append_events($1, $2, $3, $4, $5, $6, $7, $8)",
        [fact.id for fact in facts],
        [fact.event.topic.name for fact in facts],
        [fact.event.key for fact in facts],
        [fact.event.type for fact in facts],
        [fact.event.payload() for fact in facts],
        [fact.event.topic.compacted for fact in facts],
        [fact.traceparent for fact in facts],
        actor,
    )
    return appended


def identified(caused: Iterable[Caused]) -> list[Fact]:
    """Gives each event an id that follows from its cause, type, key and number.

    A service that reads its causes again makes the same ids, so it says nothing twice. The event
    belongs to the trace of its cause.
    """
    numbers: dict[tuple[UUID, str, str], int] = {}
    facts: list[Fact] = []
    for each in caused:
        of = (each.cause.id, each.event.type, each.event.key)
        numbers[of] = number = numbers.get(of, 0) + 1
        name = f"{each.cause.id}/{each.event.type}/{each.event.key}/{number}"
        facts.append(Fact(each.event, uuid5(CAUSED, name), each.cause.traceparent))
    return facts
