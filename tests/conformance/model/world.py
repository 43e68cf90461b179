"""One database, one broker, and the actors between them: what the model's rules act on.

One service publishes and consumes its own events, and what its effects cause, so that one
database has all of the kernel's tables at work.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from shared.events import TOPICS, Caused, Event, Received
from shared.events.cpd import CpdCredited
from shared.events.membership import (
    NetworkClosed,
    NetworkRenamed,
    PersonProfile,
    PersonProfileErased,
)
from shared.events.vocabulary import CpdSource, Strand
from shared.messaging import Effects, Transaction, faults, parking, republish
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.failures import AWAY
from shared.messaging.relay import Relay
from shared.settings import Settings
from tests.conformance.model.actors import NO_END, Actor, Lock, rest, settle, step
from tests.standin import Broker, StandInReader

SERVICE: Final = "cpd"
PUBLISHER: Final = "membership"
"""Whose topics the relay compares with the journal."""
GROUP: Final = f"aspire.{SERVICE}"
KEYS: Final = [UUID(int=n) for n in range(1, 4)]
PERSON: Final = UUID(int=9)
OTHERS: Final = ("command", "replay", "discard", "resend")
EMPTY: Final = """
TRUNCATE stream, event, outbox, checkpoint, inbox, position, set_aside, parked, discarded, stop
    RESTART IDENTITY;
UPDATE shard SET owner = NULL
"""
"""Of a database with the kernel's tables."""

LEDGER: Final = """
CREATE TABLE ledger (
    number   bigint GENERATED ALWAYS AS IDENTITY,
    topic    text   NOT NULL,
    key      text   NOT NULL,
    sequence bigint NOT NULL,
    id       uuid   NOT NULL
)
"""


@dataclass
class World:
    """What there is in one run; `close` ends it, and `fresh` empties the database before it."""

    pool: asyncpg.Pool
    watching: asyncpg.Connection
    settings: Settings
    broker: Broker = field(default_factory=lambda: Broker(step))
    actors: dict[str, Actor] = field(default_factory=dict)
    readers: dict[str, StandInReader] = field(default_factory=dict)
    poison: set[str] = field(default_factory=set)
    """Names that the effects fail for, until they are mended."""
    said: dict[str, bool] = field(default_factory=dict)
    """Every event's name by which it is known here, and whether its command has returned."""
    parked: list[tuple[str, str]] = field(default_factory=list)
    """Topics and keys, as they were after the last step."""
    effects: Effects = field(init=False)

    def __post_init__(self) -> None:
        self.broker.balances = False
        for topic in TOPICS.values():
            self.broker.create(topic.name, 1, compacted=topic.compacted)
        self.effects = effects_of(self.poison)
        faults.arm(step)

    def take_runs(self) -> None:
        """An effect takes all of a key's next events at once, in consumers yet to begin."""
        self.effects = effects_of(self.poison, runs=True)

    async def fresh(self) -> None:
        await self.watching.execute(f"TRUNCATE ledger RESTART IDENTITY; {EMPTY}")

    async def close(self) -> None:
        """Kills everybody."""
        for name in list(self.actors):
            await self.kill(name)
        faults.arm(None)

    # Actors

    async def go(self, name: str, steps: int) -> str:
        """Has an actor go on, begun where it is not there; answers where it stands then."""
        if name not in self.actors:
            self._begin(name)
        self.actors[name].go(steps)
        await self.settle()
        return self.actors[name].at if name in self.actors else "its end"

    async def settle(self) -> None:
        """Waits until all stand still, forgets those that have ended, and raises their errors."""
        await settle(list(self.actors.values()), self.watching)
        for name, actor in list(self.actors.items()):
            if actor.ended:
                del self.actors[name]
                actor.task.result()

    async def kill(self, name: str) -> None:
        """Ends an actor where it is; a consumer's two tasks end together."""
        number = name.rpartition(" ")[2]
        twins = (f"consumer {number}", f"moves {number}")
        for each in twins if name in twins else (name,):
            if each in self.actors:
                await self.actors.pop(each).die()
        if name in twins and number in self.readers:
            self.broker.leave(GROUP, self.readers.pop(number))

    def give_all_to(self, number: str) -> None:
        """The broker gives every partition to one consumer, which learns it when it goes on."""
        members = self.broker.group(GROUP).members
        self.broker.move(GROUP, lambda _: members.index(self.readers[number]))

    @property
    def others(self) -> list[str]:
        """Commands and operators' acts under way."""
        return [each for each in self.actors if each.split()[0] in OTHERS]

    @property
    def transactions(self) -> list[str]:
        """Those who stand still in a transaction."""
        return [name for name, actor in self.actors.items() if actor.in_transaction]

    async def end_transaction(self, name: str) -> None:
        """The database ends the transaction that an actor stands still in."""
        connection = self.actors[name].connection
        assert connection is not None
        await self.watching.execute(
            "SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid()
        )
        while not connection.is_closed():
            await asyncio.sleep(0)
        await self.settle()

    def act(self, name: str, life: Coroutine[Any, Any, Any]) -> None:
        """Begins an actor."""
        self.actors[name] = Actor(name, life)

    def _begin(self, name: str) -> None:
        kind, _, number = name.partition(" ")
        if kind == "relay":
            self.act(name, self._relay())
            return
        consumer = Consumer(
            SERVICE, self.effects, self.pool, self.settings, client=self.broker.client
        )
        consumer._seeking = Lock()
        reader = self.broker.client.reader(group_id=GROUP)
        reader.subscribe(
            [topic.name for topic in self.effects.topics], listener=consumer._subscriber._listener
        )
        consumer._subscriber.consumer = reader
        reader.join()
        self.readers[number] = reader
        self.act(f"consumer {number}", self._consume(consumer, reader))
        self.act(f"moves {number}", _coordinate(reader))

    async def _relay(self) -> None:
        relay = Relay(PUBLISHER, self.pool, self.settings, self.broker.client)
        while True:
            await relay._send_all()
            rest()
            await step("sent")

    async def _consume(self, consumer: Consumer, reader: StandInReader) -> None:
        while True:
            found = await reader.getmany(max_records=self.settings.batch_size)
            records: Sequence[ConsumerRecord] = [r for each in found.values() for r in each]
            if records:
                await consumer._consume(records)
            else:
                rest()
            await step("consumed")

    # Commands and operators

    async def say(self, events: Sequence[Event], names: Sequence[str], *, commit: bool) -> None:
        """A command with its events."""
        self.said |= dict.fromkeys(names, False)
        async with acquire(self.pool) as connection:
            transaction = connection.transaction()
            await transaction.start()
            command = Transaction(connection, "user:model")
            command.record(*events)
            try:
                await command.append()
                if commit:
                    await transaction.commit()
                    self.said |= dict.fromkeys(names, True)
                else:
                    await transaction.rollback()
            except (KafkaError, *AWAY):
                return

    async def replay(self, topic: str, key: str) -> None:
        try:
            await parking.replay(self.pool, SERVICE, self.effects, topic, key, "user:ada")
        except (parking.NothingParked, *AWAY):
            return

    async def discard(self) -> None:
        """The first that is parked."""
        try:
            async with acquire(self.pool) as connection:
                parked = await parking.parked(connection)
            if parked:
                await parking.discard(self.pool, parked[0].parked_id, "user:ada", "of no use")
        except (parking.NothingParked, *AWAY):
            return

    async def resend(self) -> None:
        """Everything in the journal is to be sent once more."""
        compacted = [topic.name for topic in TOPICS.values() if topic.compacted]
        with suppress(*AWAY):
            last = await self.pool.fetchval("SELECT coalesce(max(position), 0) FROM event")
            await republish._queue(self.pool, 0, last, compacted)

    async def calm(self) -> None:
        """Whoever is under way dies; then one of each works until all is done."""
        for name in list(self.actors):
            await self.kill(name)
        self.broker.fates.clear()
        self.broker.deliver_late()
        self.poison.clear()
        for _ in range(50):
            await self._work()
            if not await self.watching.fetchval(
                "SELECT count(*) FROM outbox"
            ) and not await self.watching.fetchval("SELECT count(*) FROM parked"):
                break
        await self._work()

    async def _work(self) -> None:
        await self.go("relay 1", NO_END)
        await self.go("consumer 1", 0)
        self.broker.move(GROUP, lambda number: number)
        await self.go("moves 1", NO_END)
        await self.go("consumer 1", NO_END)
        for row in await self.watching.fetch("SELECT DISTINCT topic, key FROM parked"):
            await self.replay(row["topic"], row["key"])


async def _coordinate(reader: StandInReader) -> None:
    while True:
        if not await reader.coordinate():
            rest()
        await step("moved")


def said(key: str | UUID, kind: str, name: str) -> Event:
    """An event of one of the kinds that the model knows."""
    key = UUID(str(key))
    if key == PERSON:
        if kind == "unused":
            return PersonProfileErased(person_id=key)
        return PersonProfile(person_id=key, name=name)
    if kind == "unused":
        return NetworkClosed(network_id=key, closed_on=date(2026, 9, 1))
    return NetworkRenamed(network_id=key, name=name)


def effects_of(poison: set[str], *, runs: bool = False) -> Effects:
    """They write into the ledger, fail for what is poison, and a network's cause credits."""
    effects = Effects()

    async def write(tx: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
        await tx.execute(
            """
            INSERT INTO ledger (topic, key, sequence, id)
            SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[])
            """,
            [event.topic for event in events],
            [event.key for event in events],
            [event.sequence for event in events],
            [event.id for event in events],
        )
        names = defaultdict(list)
        for event in events:
            names[getattr(event.data, "name", "")].append(event)
        if not poison.isdisjoint(names):
            raise ValueError("poison")

    async def rename(
        tx: asyncpg.Connection, events: Sequence[Received[NetworkRenamed]]
    ) -> list[Caused]:
        await write(tx, events)
        return [Caused(event, _credit(event.data.network_id)) for event in events]

    effects.on(NetworkRenamed, runs=runs)(rename)
    for kind in (PersonProfile, PersonProfileErased, CpdCredited):
        effects.on(kind, runs=runs)(write)
    return effects


def _credit(key: UUID) -> CpdCredited:
    return CpdCredited(
        person_id=key,
        credit_id=key,
        hours=Decimal(1),
        strand=Strand.LEADERSHIP,
        source=CpdSource.OWN_RECORD,
        source_id=key,
        school_id=None,
        earned_on=date(2026, 9, 1),
    )
