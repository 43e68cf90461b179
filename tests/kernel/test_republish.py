"""Kafka is lost: the journals fill another one, and no consumer notices a difference."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.database import create_pool
from shared.events.membership import PersonProfile, PersonProfileErased
from shared.messaging import Transaction, cluster, journal, republish
from shared.messaging.connections import acquire
from shared.messaging.republish import Progress
from tests.conftest import Database
from tests.infra import EmbeddedServer, Infra
from tests.kernel.flow import Flow, armed, history, working
from tests.kernel.ledger import LEDGER, Kernel
from tests.kernel.topics import lose_topics, records_of

pytestmark = pytest.mark.bad_day


@pytest.fixture(autouse=True)
def quick(flow: Flow) -> None:
    flow.settings = flow.settings.model_copy(
        update={"relay_delivery_seconds": 2, "metadata_max_age_seconds": 0.5}
    )


async def test_a_kafka_that_is_lost_under_load_is_filled_from_the_journal(
    flow: Flow, infra: Infra, database: Database
) -> None:
    async with working(flow.relay()), working(flow.consumer()):
        async with load(flow):
            await flow.until_ledger_has(30)
            await infra.broker.lose()
            await infra.broker.start()
            await republish_all(flow)
        await until_ledger_is_the_journal(flow)
    assert await flow.kernel.pool.fetchval("SELECT count(*) FROM set_aside") == 0
    async with joining_later(flow, database) as later, working(flow.consumer(later)):
        await until_ledger_is_the_journal(flow, later)


async def test_an_older_copy_of_kafka_is_filled_up_to_the_newest_event(
    flow: Flow, infra: Infra, tmp_path: Path, database: Database
) -> None:
    if not isinstance(infra.broker, EmbeddedServer):
        pytest.skip("only an embedded Kafka has a folder to copy")
    key = uuid4()
    events = history(30, key)
    async with working(flow.consumer()):
        await flow.publish(*events[:10])
        await flow.relay_all()
        await infra.broker.kill()
        shutil.copytree(infra.broker.folder, tmp_path / "older")
        await infra.broker.start()
        await flow.publish(*events[10:20])
        await flow.relay_all()
        await flow.until_ledger_has(20)
        await infra.broker.lose()
        shutil.copytree(tmp_path / "older", infra.broker.folder)
        await infra.broker.start()
        assert len(await records_of(flow.settings)) == 10
        await flow.publish(*events[20:])
        await republish_all(flow)
        await until_ledger_is_the_journal(flow)
    assert await flow.kernel.ledger(key) == list(range(1, 31))
    async with joining_later(flow, database) as later, working(flow.consumer(later)):
        await until_ledger_is_the_journal(flow, later)


async def test_a_topic_that_was_filled_past_the_old_offsets_while_a_consumer_slept_is_read_anew(
    flow: Flow, infra: Infra
) -> None:
    flow.settings = flow.settings.model_copy(update={"partitions": 1, "topic_prefix": "r1."})
    await cluster.create_topics(flow.settings)
    await flow.publish(*history(5))
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(5)
    await lose_topics(flow.settings)
    # By a relay that knows nothing of the old Kafka: where the first key's last event was, there
    # is now one of the second key.
    await flow.publisher.execute("DELETE FROM checkpoint")
    await flow.publish(*history(20))
    await flow.relay_all()
    await republish_all(flow)
    async with working(flow.consumer()):
        await until_ledger_is_the_journal(flow)


async def test_sends_the_same_ids_and_sequences_in_the_order_of_each_key(flow: Flow) -> None:
    one, two = history(3), history(2)
    await flow.publish(one[0], two[0], one[1])
    await flow.publish(two[1], one[2])
    await flow.relay_all()
    before = await records_of(flow.settings)
    await lose_topics(flow.settings)
    seen: list[Progress] = []
    assert await republish_all(flow, seen) == 5
    assert seen[-1].position == seen[-1].of
    after = await records_of(flow.settings)
    for key in (one[0].key, two[0].key):
        assert [
            (r.value, r.headers) for r in after if r.key == key.encode()
        ] == [(r.value, r.headers) for r in before if r.key == key.encode()]  # fmt: skip


async def test_of_a_compacted_topic_only_what_still_counts_is_sent(flow: Flow) -> None:
    renamed, erased = uuid4(), uuid4()
    await flow.publish(PersonProfile(person_id=renamed, name="Ann"))
    await flow.publish(PersonProfile(person_id=erased, name="Bea"))
    await flow.publish(PersonProfile(person_id=renamed, name="Anne"))
    await erase(flow, erased)
    await flow.relay_all()
    await lose_topics(flow.settings)
    await republish_all(flow)
    found = {
        (r.key, r.value and b"Anne" in r.value)
        for r in await records_of(flow.settings, "aspire.people")
    }
    assert found == {(str(renamed).encode(), True), (str(erased).encode(), None)}


async def test_a_person_who_is_erased_in_the_same_moment_is_not_sent(flow: Flow) -> None:
    person = uuid4()
    await flow.publish(PersonProfile(person_id=person, name="Bea"))
    await flow.relay_all()
    async with acquire(flow.publisher) as connection, connection.transaction():
        await journal.forget(connection, "aspire.people", [str(person)])
        queueing = asyncio.create_task(republish._queue(flow.publisher, 0, 10, ["aspire.people"]))
        await until_waiting(flow)
    assert await queueing == 0
    # And the other way about: it is queued, and the erasure does not see that yet.
    await flow.publish(PersonProfile(person_id=person, name="Bea"))
    async with acquire(flow.publisher) as connection, connection.transaction():
        await connection.execute("DELETE FROM outbox")
        await connection.execute("SELECT FROM event FOR KEY SHARE")
        await connection.execute("INSERT INTO outbox SELECT 16, position FROM event")
        erasing = asyncio.create_task(erase(flow, person))
        await until_waiting(flow)
    await erasing
    assert await flow.publisher.fetchval("SELECT count(*) FROM outbox JOIN event USING (position)")
    assert await flow.publisher.fetchval("SELECT count(*) FROM outbox") == 1


async def test_no_newer_record_of_a_compacted_key_is_sent_before_an_older_one_is_queued(
    flow: Flow,
) -> None:
    relay = flow.relay()
    async with acquire(flow.publisher) as connection, connection.transaction():
        await connection.execute("SELECT FROM shard WHERE compacted FOR UPDATE")
        queueing = asyncio.create_task(republish._queue(flow.publisher, 0, 10, ["aspire.people"]))
        await until_waiting(flow)
        await flow.publish(PersonProfile(person_id=uuid4(), name="Bea"))
        assert await relay.send_batch() == 0
    await queueing


async def test_it_queues_by_the_shards_that_events_were_appended_to(flow: Flow) -> None:
    await flow.publish(
        *(history(1)[0] for _ in range(20)), PersonProfile(person_id=uuid4(), name="A")
    )
    appended = await flow.publisher.fetch("SELECT shard, position FROM outbox ORDER BY position")
    await flow.publisher.execute("DELETE FROM outbox")
    assert await republish._queue(flow.publisher, 0, 10**6, ["aspire.people"]) == 21
    queued = await flow.publisher.fetch("SELECT shard, position FROM outbox ORDER BY position")
    assert queued == appended


async def test_broken_off_it_is_run_again_beside_a_relay_and_new_events(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republish, "PIECE", 7)
    for _ in range(10):
        await flow.publish(*history(5))
    await flow.relay_all()
    await lose_topics(flow.settings)
    half = asyncio.Event()

    def tell(progress: Progress) -> None:
        if progress.position > 20:
            half.set()

    first = asyncio.create_task(
        republish.republish("membership", flow.publisher, flow.settings, "user:ada", tell)
    )
    await asyncio.wait_for(half.wait(), 20)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    relay = flow.relay()
    assert not await relay.settle()
    assert "run `aspire republish membership` again" in (relay.trouble or "")
    async with working(relay):
        async with load(flow):
            await republish_all(flow)
        await flow.until_sent()
    async with working(flow.consumer()):
        await until_ledger_is_the_journal(flow)


async def test_what_only_the_lost_kafka_has_acknowledged_is_sent_again(flow: Flow) -> None:
    await flow.publish(*history(6))
    relay = flow.relay()
    assert await relay.settle()
    sent, known = asyncio.Event(), asyncio.Event()

    async def hold(point: str) -> None:
        if point == "after_send_before_delete" and not sent.is_set():
            sent.set()
            await known.wait()

    with armed(hold):
        batch = asyncio.create_task(relay.send_batch())
        await sent.wait()
        await lose_topics(flow.settings)
        filling = asyncio.create_task(republish_all(flow))
        await until_waiting(flow)
        known.set()
        await batch
    assert await filling == 6
    await relay._producers.abandon()
    assert len(await records_of(flow.settings)) == 6


async def test_it_ends_where_its_relay_does(flow: Flow) -> None:
    await flow.publish(*history(2))
    await flow.relay_all()

    async def fail(_: str) -> None:
        raise RuntimeError("a bug")

    with armed(fail), pytest.raises(RuntimeError, match="a bug"):
        await republish_all(flow)


@asynccontextmanager
async def load(flow: Flow) -> AsyncIterator[None]:
    """New keys, and old ones that go on, all the time."""

    async def publish() -> None:
        keys = [history(200) for _ in range(4)]
        for number in range(200):
            await flow.publish(*(events[number] for events in keys))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def joining_later(flow: Flow, database: Database) -> AsyncIterator[Kernel]:
    dsn = await database("cpd")
    pool = await create_pool(dsn, "joins later", max_size=4)
    await pool.execute(LEDGER)
    yield Kernel(pool, dsn)
    await pool.close()


async def republish_all(flow: Flow, seen: list[Progress] | None = None) -> int:
    tell = (lambda _: None) if seen is None else seen.append
    return await republish.republish("membership", flow.publisher, flow.settings, "user:ada", tell)


async def until_ledger_is_the_journal(flow: Flow, kernel: Kernel | None = None) -> None:
    """Every event took effect once, and those of a key in their order."""
    pool = (kernel or flow.kernel).pool
    async with asyncio.timeout(40):
        while True:
            journal = await flow.publisher.fetch(
                "SELECT key, sequence, id FROM event ORDER BY key, sequence"
            )
            count = await pool.fetchval("SELECT count(*) FROM ledger")
            if count >= len(journal):
                break
            await asyncio.sleep(0.05)
    assert await pool.fetch("SELECT key, sequence, id FROM ledger ORDER BY key, number") == journal


async def until_waiting(flow: Flow) -> None:
    """Until a statement of the publisher's database waits for a lock."""
    async with asyncio.timeout(10):
        while not await flow.publisher.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def erase(flow: Flow, person: UUID) -> None:
    """As membership does it."""
    async with acquire(flow.publisher) as connection, connection.transaction():
        await journal.forget(connection, "aspire.people", [str(person)])
        transaction = Transaction(connection, "user:test")
        transaction.record(PersonProfileErased(person_id=person))
        await transaction.append()
