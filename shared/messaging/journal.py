"""Publishing: a transaction collects its events and appends them once, as its last statement."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
from opentelemetry.trace import SpanKind

from shared.events import Caused, Event
from shared.messaging import faults
from shared.problems import Refused
from shared.telemetry import current_traceparent, span

CREATING = {"messaging.operation.type": "create", "messaging.operation.name": "append"}
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
        """Appends what was recorded to the journal and the outbox; answers how many events.

        Raises:
            NoCommandsTaken: the journal has not been compared with the topics on this server.
        """
        events, self._events = self._events, []
        appending = span("append to journal", SpanKind.PRODUCER, CREATING)
        with refusing(), appending if events else nullcontext():
            # What follows from an event is below its append.
            traceparent = current_traceparent()
            facts = [Fact(event, None, traceparent) for event in events]
            appended = await append(self.connection, facts, self.actor)
        await faults.reach("after_append_before_commit")
        return appended


class NoCommandsTaken(Refused):
    """The journal may lack facts that consumers know, or has not been compared with them yet."""

    status = 503
    title = "The service takes no commands at the moment"


@contextmanager
def refusing() -> Iterator[None]:
    """Has an append that the database refuses be refused in words, as a command is.

    Raises:
        NoCommandsTaken: the journal has not been compared with the topics on this server.
    """
    try:
        yield
    except asyncpg.ObjectNotInPrerequisiteStateError as refusal:
        raise NoCommandsTaken(
            f"{refusal.args[0]} Nothing was changed, and what is there can be read. Send the "
            "request again later, with the same Idempotency-Key.",
            headers={"Retry-After": "5"},
        ) from refusal


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


async def forget(connection: asyncpg.Connection, topic: str, keys: Sequence[str]) -> None:
    """Deletes what the journal has of keys on a compacted topic, and never sends it again.

    The events go first: that waits for a republishing that queues them in the same moment, and the
    second statement sees what it has queued.
    """
    rows = await connection.fetch(
        "DELETE FROM event WHERE topic = $1 AND key = ANY ($2) RETURNING position", topic, keys
    )
    await connection.execute(
        "DELETE FROM outbox WHERE position = ANY ($1)", [row["position"] for row in rows]
    )
