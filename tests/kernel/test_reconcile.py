"""A database came back older: its facts are copied from the topics, and it goes on after them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.database import create_pool
from shared.events import Caused, Received, cpd
from shared.events.membership import (
    NetworkEstablished,
    NetworkRenamed,
    PersonProfile,
    PersonProfileErased,
)
from shared.events.vocabulary import CpdSource, Strand
from shared.messaging import Effects, checkpoints, reconcile
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.reconcile import Fact
from shared.messaging.relay import Relay
from tests.conftest import Database, eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working
from tests.kernel.older import older, unreachable
from tests.kernel.topics import records_of

pytestmark = pytest.mark.bad_day


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messaging.consumer.ALARM_SECONDS", 0.3)


async def test_goes_on_after_the_copied_facts_as_if_nothing_had_been(
    flow: Flow, infra: Infra
) -> None:
    key, new = uuid4(), uuid4()
    events = history(9, key)
    await flow.publish(*events[:3])
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_sent()
        async with older(infra, flow.publisher):
            await flow.publish(*events[3:6], *history(2, new))
            await flow.until_sent()
            lost = await journal(flow)
        await eventually(lambda: stopped(flow))
        facts = await missing(flow)
        assert {(fact.key, fact.sequence, fact.obstacle) for fact in facts} == {
            (str(key), 4, None), (str(key), 5, None), (str(key), 6, None),
            (str(new), 1, None), (str(new), 2, None),
        }  # fmt: skip
        assert await stopped(flow)
        await accept(flow)
        assert await journal(flow) == lost
        await flow.publish(*events[6:], NetworkRenamed(network_id=new, name="later"))
        await flow.until_ledger_has(12)
    assert await flow.kernel.ledger(key) == list(range(1, 10))
    assert await flow.kernel.ledger(new) == [1, 2, 3]
    assert await flow.kernel.parked() == []
    assert await missing(flow) == []
    stop = await flow.publisher.fetchrow("SELECT * FROM stop WHERE part = 'api'")
    assert stop is not None
    assert (stop["resumed_by"], stop["resumed_because"]) == ("user:ada", "a backup")
    actors = await flow.publisher.fetch("SELECT DISTINCT actor FROM event ORDER BY actor")
    assert [row["actor"] for row in actors] == ["reconciled by user:ada", "user:test"]


async def test_a_fact_that_does_not_follow_is_named_and_left(flow: Flow, infra: Infra) -> None:
    key = uuid4()
    events = history(6, key)
    await flow.publish(*events[:2])
    await flow.relay_all()
    async with older(infra, flow.publisher):
        await flow.publish(*events[2:5])
        await flow.publisher.execute("DELETE FROM outbox WHERE position = 4")  # it is lost for good
        await flow.relay_all()
    # Another event had the lost one's sequence before that was noticed.
    async with acquire(flow.publisher) as connection:
        await checkpoints.trust(connection)
    await flow.publish(events[5])
    facts = await accept(flow)
    assert [(fact.sequence, fact.obstacle) for fact in facts] == [
        (3, "another event has its sequence"),
        (5, "an event before it is missing"),
    ]
    assert await missing(flow) == []
    await flow.relay_all()


async def test_what_the_journal_cannot_hold_is_named_and_left(flow: Flow) -> None:
    twice, large, odd = sorted((uuid4() for _ in range(3)), key=str)
    for key in (twice, large, odd):
        await flow.publish(*history(1, key))
    await flow.relay_all()
    stranger = uuid4()
    await send(flow, twice, 2, stranger)
    await send(flow, twice, 3, stranger)
    await send(flow, twice, 4)
    await send(flow, large, 2, odd="0" + 600 * 1024 * " ")
    await send(flow, odd, 2, odd="NaN")
    found = [(each.key, each.sequence, each.obstacle) for each in await accept(flow)]
    assert found == [
        (str(twice), 2, None),
        (str(twice), 3, "another event has its id"),
        (str(twice), 4, "an event before it is missing"),
        (str(large), 2, "it is larger than 512 KiB"),
        (str(odd), 2, "PostgreSQL does not take it for JSON"),
    ]
    assert await flow.publisher.fetchval("SELECT max(sequence) FROM event") == 2
    assert await missing(flow) == []


async def test_erasures_are_learned_again_and_no_earlier_profile_comes_back(
    flow: Flow, infra: Infra
) -> None:
    erased, renamed = uuid4(), uuid4()
    await flow.publish(PersonProfile(person_id=erased, name="Bea"))
    await flow.relay_all()
    async with older(infra, flow.publisher):
        await flow.publish(PersonProfile(person_id=erased, name="Beatrice"))
        await flow.publish(PersonProfile(person_id=renamed, name="Ann"))
        await flow.publish(PersonProfile(person_id=renamed, name="Anne"))
        await flow.relay_all()
        await flow.publisher.execute("DELETE FROM event WHERE key = $1", str(erased))
        await flow.publish(PersonProfileErased(person_id=erased))
        await flow.relay_all()
    await accept(flow)
    rows = await flow.publisher.fetch("SELECT key, sequence, payload FROM event ORDER BY sequence")
    assert [(row["key"], row["sequence"]) for row in rows] == [(str(renamed), 2), (str(erased), 3)]
    assert rows[1]["payload"] is None


@pytest_asyncio.fixture
async def crediting(database: Database) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(await database("cpd"), "crediting", max_size=6)
    yield pool
    await pool.close()


async def test_what_effects_had_published_is_not_published_twice(
    flow: Flow, infra: Infra, crediting: asyncpg.Pool
) -> None:
    """The consuming service's own database is the older one: it reads again from where that is."""
    relay = Relay("cpd", crediting, flow.settings)
    consumer = Consumer("cpd", credits_for_networks(), crediting, flow.settings, relay.wake)
    async with working(flow.relay()), working(relay), working(consumer):
        await flow.publish(*history(1))
        await eventually(lambda: sent(crediting, 1))
        async with older(infra, crediting):
            for _ in range(3):
                await flow.publish(*history(1))
            await eventually(lambda: sent(crediting, 4))
        await flow.publish(*history(1))
        await eventually(lambda: says(consumer, "aspire reconcile cpd"))
        assert await crediting.fetchval("SELECT count(*) FROM event") == 1
        await accept(flow, "cpd", crediting)
        await eventually(lambda: sent(crediting, 5))
        await eventually(lambda: taken(crediting, 5))
    found = await records_of(flow.settings, "aspire.cpd")
    assert len(found) == len({dict(record.headers)["ce_id"] for record in found}) == 5
    assert await crediting.fetchval("SELECT max(sequence) FROM stream") == 1


async def test_a_consumer_with_nothing_to_do_reads_again_what_its_older_database_lacks(
    flow: Flow, infra: Infra
) -> None:
    async with working(flow.relay()), working(flow.consumer()):
        await flow.publish(*history(1))
        await flow.until_ledger_has(1)
        async with older(infra, flow.kernel.pool):
            await flow.publish(*history(4))
            await flow.until_ledger_has(5)
        await eventually(lambda: taken(flow.kernel.pool, 5))
    assert await flow.count() == 5


async def test_what_is_read_again_is_what_is_still_ours_when_the_database_is_back(
    flow: Flow, infra: Infra
) -> None:
    one, two = flow.consumer(), flow.consumer()
    await flow.publish(*history(2))
    await flow.relay_all()
    async with working(one), AsyncExitStack() as stack:
        await flow.until_ledger_has(2)
        async with unreachable(infra, flow.kernel.pool):
            again = asyncio.create_task(one._seek())
            await eventually(lambda: says(one, "where to go on"))
            await stack.enter_async_context(working(two))
            await eventually(lambda: shares(one, flow.settings.partitions))
        await again
        await flow.publish(*(history(1)[0] for _ in range(20)))
        await flow.relay_all()
        await flow.until_ledger_has(22)


async def send(
    flow: Flow, key: UUID, sequence: int, event_id: UUID | None = None, odd: str = "0"
) -> None:
    """What a stranger sends: a fact of ours, with a field that is not."""
    body = f'{{"network_id": "{key}", "name": "{sequence}", "odd": {odd}}}'
    producer = AIOKafkaProducer(bootstrap_servers=flow.settings.kafka)
    await producer.start()
    await producer.send_and_wait(
        flow.settings.topic_prefix + "aspire.membership",
        body.encode(),
        key=str(key).encode(),
        headers=[
            ("ce_id", str(event_id or uuid4()).encode()),
            ("ce_type", NetworkRenamed.type.encode()),
            ("ce_sequence", str(sequence).zfill(12).encode()),
            ("ce_time", b"2026-09-01T09:00:00Z"),
        ],
    )
    await producer.stop()


async def missing(flow: Flow) -> list[Fact]:
    facts: list[Fact] = []
    await reconcile.missing("membership", flow.publisher, flow.settings, facts.append)
    return facts


async def accept(
    flow: Flow, service: str = "membership", pool: asyncpg.Pool | None = None
) -> list[Fact]:
    facts: list[Fact] = []
    await reconcile.accept(
        service, pool or flow.publisher, flow.settings, "user:ada", "a backup", facts.append
    )
    return facts


def credits_for_networks() -> Effects:
    """An effect that makes an event of each that it takes."""
    effects = Effects()

    async def credit(_: asyncpg.Connection, events: Sequence[Received]) -> list[Caused]:  # type: ignore[type-arg]
        return [Caused(event, credited(UUID(event.key))) for event in events]

    effects.on(NetworkEstablished)(credit)
    return effects


async def journal(flow: Flow) -> list[asyncpg.Record]:
    return await flow.publisher.fetch(
        "SELECT id, topic, key, sequence, type, payload::text, headers, recorded_at"
        " FROM event ORDER BY key, sequence"
    )


async def stopped(flow: Flow) -> bool:
    return bool(
        await flow.publisher.fetchval("SELECT EXISTS (SELECT FROM stop WHERE resumed_at IS NULL)")
    )


async def sent(pool: asyncpg.Pool, count: int) -> bool:
    try:
        return bool(
            await pool.fetchval("SELECT count(*) FROM event") == count
            and not await pool.fetchval("SELECT count(*) FROM outbox")
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def taken(pool: asyncpg.Pool, count: int) -> bool:
    try:
        return bool(await pool.fetchval("SELECT sum(sequence) FROM inbox") == count)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def shares(consumer: Consumer, partitions: int) -> bool:
    """Whether another one has some of the partitions of the two topics."""
    reader = consumer._subscriber.consumer
    return reader is not None and 0 < len(reader.assignment()) < 2 * partitions


async def says(part: Consumer, text: str) -> bool:
    return text in (part.trouble or "")


def credited(person: UUID) -> cpd.CpdCredited:
    return cpd.CpdCredited(
        person_id=person, credit_id=person, hours="1", strand=Strand.LEADERSHIP,
        source=CpdSource.OWN_RECORD, source_id=person, school_id=person, earned_on="2026-09-01",
    )  # fmt: skip
