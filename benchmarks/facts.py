"""The events that are sent around: four facts of a school's membership, and what they change."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import cache
from multiprocessing import get_context
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from shared.events import Event, Received
from shared.events.membership import (
    MembershipPaused,
    MembershipResumed,
    SchoolJoined,
    SchoolMovedNetwork,
    StartingPoint,
)
from shared.events.vocabulary import Framework, Judgement, Pathway
from shared.messaging import Effects
from shared.messaging.partitioning import partition_of
from shared.messaging.records import Outgoing
from shared.settings import Settings

TOPIC = "aspire.membership"
SCHOOLS = 24_000
TRACEPARENT = f"00-{'4b' * 16}-{'00f0' * 4}-00"

HAPPENED: dict[type[Event], str] = {
    SchoolJoined: "joined_on",
    SchoolMovedNetwork: "moved_on",
    MembershipPaused: "paused_on",
    MembershipResumed: "resumed_on",
}

TABLES = """
CREATE TABLE fact (
    school_id     uuid   NOT NULL,
    sequence      bigint NOT NULL,
    type          text   NOT NULL,
    membership_id uuid   NOT NULL,
    happened_on   date   NOT NULL
);
CREATE TABLE tally (
    type  text   NOT NULL,
    day   date   NOT NULL,
    facts bigint NOT NULL,
    PRIMARY KEY (type, day)
);
"""

Change = tuple[UUID, int, str, UUID, date]


@cache
def school(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"school {number}")


def fact(school_id: UUID, number: int) -> Event:
    """The school's fact of that number, from 0; the four types take turns."""
    membership_id = network_id = UUID(int=school_id.int ^ 1)
    day = date(2026, 9, 1 + number % 28)
    match number % 4:
        case 0:
            return SchoolJoined(
                school_id=school_id, membership_id=membership_id, network_id=network_id,
                pathway=Pathway.CONNECT, joined_on=day, ends_on=day,
                starting_point=StartingPoint(
                    framework=Framework.OVERALL_GRADE, judgement=Judgement.GOOD
                ),
            )  # fmt: skip
        case 1:
            return SchoolMovedNetwork(
                school_id=school_id, membership_id=membership_id, from_network_id=network_id,
                to_network_id=membership_id, moved_on=day,
            )  # fmt: skip
        case 2:
            return MembershipPaused(school_id=school_id, membership_id=membership_id, paused_on=day)
        case _:
            return MembershipResumed(
                school_id=school_id, membership_id=membership_id, resumed_on=day
            )


def change(data: Any, sequence: int) -> Change:
    """The row that a fact makes."""
    kind = type(data)
    happened_on = getattr(data, HAPPENED[kind])
    return data.school_id, sequence, kind.type, data.membership_id, happened_on


async def write(tx: asyncpg.Connection, changes: Sequence[Change]) -> None:
    """What the facts of one type change: a row each, and a sum by day. Ours and the reference's."""
    await tx.copy_records_to_table(
        "fact",
        records=changes,
        columns=["school_id", "sequence", "type", "membership_id", "happened_on"],
    )
    days = Counter(each[4] for each in changes)
    await tx.execute(
        """
        INSERT INTO tally AS t (type, day, facts)
        SELECT $1, * FROM unnest($2::date[], $3::bigint[])
        ON CONFLICT (type, day) DO UPDATE SET facts = t.facts + excluded.facts
        """,
        changes[0][2],
        list(days),
        list(days.values()),
    )


def effects(written: Callable[[int], None] = lambda _: None) -> Effects:
    """The same as effects of a service; `written` hears how many events each call had."""
    registered = Effects()

    async def apply(tx: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
        await write(tx, [change(event.data, event.sequence) for event in events])
        written(len(events))

    for kind in HAPPENED:
        registered.on(kind, runs=True)(apply)
    return registered


def mixed(schools: int, each: int) -> Iterable[Outgoing]:
    """The first facts of all schools, then their second, and so on."""
    for number in range(each):
        for of in range(schools):
            yield outgoing(school(of), number, fact(school(of), number))


def runs(schools: int, each: int) -> Iterable[Outgoing]:
    """All facts of one school, then of the next: it joined, then is paused again and again."""
    for of in range(schools):
        for number in range(each):
            yield outgoing(school(of), number, fact(school(of), 2 if number else 0))


def outgoing(key: UUID, number: int, event: Event) -> Outgoing:
    return Outgoing(
        0, uuid4(), TOPIC, str(key), number + 1, event.type, event.payload(), TRACEPARENT,
        datetime.now(UTC),
    )  # fmt: skip


Events = Callable[[int, int], Iterable[Outgoing]]
"""`mixed` or `runs`: takes how many schools, and how many events of each."""


async def fill_at_once(*wanted: tuple[Settings, Events, int, int]) -> None:
    """Fills several topics, each in a process of its own: ten million events take many minutes."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(wanted), mp_context=get_context("spawn")) as processes:
        await asyncio.gather(*(loop.run_in_executor(processes, _fill, *each) for each in wanted))


def _fill(settings: Settings, events: Events, schools: int, each: int) -> None:
    uvloop.run(fill(settings, events(schools, each)))


async def fill(settings: Settings, events: Iterable[Outgoing]) -> None:
    """Puts events on the topic, as the relay would have."""
    topic = settings.topic_prefix + TOPIC
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, enable_idempotence=True, max_batch_size=256 * 1024
    )
    await producer.start()
    batches: dict[int, Any] = {}
    for event in events:
        key = event.key.encode()
        number = partition_of(key, settings.partitions)
        content = {"key": key, "value": event.value, "headers": event.headers(key), "timestamp": 1}
        if number not in batches or batches[number].append(**content) is None:
            if number in batches:
                await producer.send_batch(batches[number], topic, partition=number)
            batches[number] = producer.create_batch()
            batches[number].append(**content)
    for number, batch in batches.items():
        await producer.send_batch(batch, topic, partition=number)
    await producer.stop()
