"""The kernel by itself: a ledger of what took effect, and records made by hand or by the relay."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from shared.events.membership import (
    NetworkEstablished,
    NetworkRenamed,
    PersonProfile,
    PersonProfileErased,
)
from shared.events.vocabulary import Region
from shared.messaging import Caused, Effects, Received, batch
from shared.messaging.batch import Outcome
from shared.messaging.records import Outgoing, Record

LEDGER = """
CREATE TABLE ledger (
    number   bigint GENERATED ALWAYS AS IDENTITY,
    key      text   NOT NULL,
    sequence bigint NOT NULL,
    id       uuid   NOT NULL,
    name     text,
    CONSTRAINT no_poison CHECK (name <> 'poison')
)
"""


def ledger_effects(*, runs: bool = False) -> Effects:
    """Effects that write down every event; a network named «poison» breaks a constraint."""
    effects = Effects()

    async def write(
        tx: asyncpg.Connection, events: Sequence[Received[Any]]
    ) -> Sequence[Caused] | None:
        await tx.execute(
            """
            INSERT INTO ledger (key, sequence, id, name)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[])
            """,
            [event.key for event in events],
            [event.sequence for event in events],
            [event.id for event in events],
            [getattr(event.data, "name", None) for event in events],
        )
        return None

    for kind in (NetworkEstablished, NetworkRenamed, PersonProfile, PersonProfileErased):
        effects.on(kind, runs=runs)(write)
    return effects


@dataclass
class Kernel:
    """A database with the kernel's tables, and a consumer's inside without Kafka."""

    pool: asyncpg.Pool
    dsn: str
    effects: Effects = field(default_factory=ledger_effects)

    async def take(self, *records: Record) -> Outcome:
        return await batch.take(self.pool, "cpd", self.effects, records)

    async def ledger(self, key: UUID | None = None) -> list[int]:
        """The sequences that took effect, in the order in which they did."""
        rows = await self.pool.fetch("SELECT key, sequence FROM ledger ORDER BY number")
        return [row["sequence"] for row in rows if key is None or row["key"] == str(key)]

    async def parked(self) -> list[tuple[int | None, str]]:
        rows = await self.pool.fetch("SELECT sequence, reason FROM parked ORDER BY parked_id")
        return [(row["sequence"], row["reason"]) for row in rows]


@dataclass
class Stream:
    """Makes the records of one key, one after the other, as the relay would send them."""

    key: UUID = field(default_factory=uuid4)
    partition: int = 0
    offset: int = 0
    sequence: int = 0

    def next(self, name: str = "North", **changes: Any) -> Record:
        self.sequence += 1
        event = (
            NetworkEstablished(
                network_id=self.key,
                name=name,
                region=Region.LONDON,
                established_on=date(2026, 9, 1),
            )
            if self.sequence == 1
            else NetworkRenamed(network_id=self.key, name=name)
        )
        return self.record(event, self.sequence, **changes)

    def record(
        self,
        event: Any,
        sequence: int,
        event_id: UUID | None = None,
        value: bytes | None = None,
    ) -> Record:
        self.offset += 1
        outgoing = Outgoing(
            0, event_id or uuid4(), event.topic.name, event.key, sequence, event.type,
            event.payload(), None, datetime(2026, 11, 25, 9, tzinfo=UTC),
        )  # fmt: skip
        return Record(
            event.topic.name,
            self.partition,
            self.offset,
            event.key.encode(),
            outgoing.headers(event.key.encode()),
            value if value is not None else outgoing.value,
        )

    def record_without_key(self) -> Record:
        """One that nobody can put into any order."""
        record = self.next()
        return Record(record.topic, record.partition, record.offset, None, (), record.value)

    def again(self, record: Record) -> Record:
        """The same event under a new offset, as after a lost acknowledgement."""
        self.offset += 1
        return Record(
            record.topic, self.partition, self.offset, record.key, record.headers, record.value
        )


def payload_of(record: Record) -> Any:
    return json.loads(record.value or b"null")


HEAL = "ALTER TABLE ledger DROP CONSTRAINT no_poison"
"""Mends what makes «poison» fail."""
