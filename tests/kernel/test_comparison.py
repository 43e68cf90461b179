"""The journal and what is on Kafka: a lost tail, another Kafka, an older database are noticed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.database.migrations import apply, migrations_of
from shared.events import topics_of
from shared.events.membership import PersonProfile
from shared.messaging import checkpoints, republish, security, stops, topics
from shared.messaging.checkpoints import _stands
from shared.messaging.connections import acquire
from shared.messaging.journal import NoCommandsTaken
from shared.messaging.positions import Partition
from shared.messaging.reader import Reader
from shared.messaging.relay import Relay
from tests.conftest import eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working
from tests.kernel.ledger import Stream
from tests.kernel.older import older
from tests.kernel.topics import lose_topics, records_of

pytestmark = pytest.mark.bad_day

REFUSED = NoCommandsTaken


@pytest.fixture(autouse=True)
def quick(flow: Flow) -> None:
    flow.settings = flow.settings.model_copy(
        update={"relay_delivery_seconds": 2, "metadata_max_age_seconds": 0.5}
    )


async def test_a_relay_stops_where_kafka_has_lost_its_end_until_it_is_filled(flow: Flow) -> None:
    await flow.publish(*history(5))
    await flow.relay_all()
    await lose_topics(flow.settings)
    relay = flow.relay()
    async with working(relay):
        await eventually(lambda: says(relay, "aspire republish membership"))
        assert "ends at 0" in (await relay.ready() or "")
        await flow.publish(*history(3))  # commands go on; their events wait
        assert await relay.send_batch() == 0
        await republish.republish("membership", flow.publisher, flow.settings, "user:ada")
        await eventually(lambda: well(relay))
        await flow.until_sent()
    assert len({dict(r.headers)["ce_id"] for r in await records_of(flow.settings)}) == 8
    stop = await flow.publisher.fetchrow("SELECT * FROM stop")
    assert stop is not None
    assert (stop["part"], stop["resumed_by"]) == ("relay", "user:ada")
    assert (await checkpoints.compare("membership", flow.publisher, flow.settings)).lost == []


async def test_a_relay_stops_where_another_event_is_at_its_checkpoint(flow: Flow) -> None:
    await flow.publish(*history(5))
    await flow.relay_all()
    await flow.publisher.execute("UPDATE checkpoint SET event_id = gen_random_uuid()")
    relay = flow.relay()
    async with working(relay):
        await eventually(lambda: says(relay, "another event at 4"))


async def test_a_relay_at_work_notices_that_kafka_begins_again(flow: Flow) -> None:
    relay, events = flow.relay(), history(23)
    async with working(relay):
        await flow.publish(*events[:20])
        await flow.until_sent()
        await lose_topics(flow.settings)
        await flow.publish(*events[20:])
        await eventually(lambda: says(relay, "aspire republish membership"), within_seconds=60)


async def test_an_operator_may_take_kafka_for_what_it_is(flow: Flow) -> None:
    await flow.publish(*history(5))
    await flow.relay_all()
    await lose_topics(flow.settings)
    relay = flow.relay()
    async with working(relay):
        await eventually(lambda: says(relay, "aspire republish membership"))
        async with acquire(flow.publisher) as connection:
            await checkpoints.forget(connection)
            await stops.resume(connection, "relay", "user:ada", "a test")
        await eventually(lambda: well(relay))


def test_on_a_compacted_topic_a_newer_record_may_have_taken_the_place() -> None:
    stream = Stream()
    profile = stream.record(PersonProfile(person_id=uuid4(), name="Ann"), 1)
    assert _stands(profile, 0, uuid4())
    assert not _stands(profile, profile.offset, uuid4())
    assert not _stands(stream.next(), 0, uuid4())


async def test_a_relay_that_was_killed_after_sending_raises_no_alarm(flow: Flow) -> None:
    await flow.publish(*history(3))
    await flow.relay_all()
    await flow.publish(*history(3))
    before = await flow.publisher.fetch("SELECT * FROM checkpoint")
    await flow.relay_all()
    await flow.publisher.execute("DELETE FROM checkpoint")
    await flow.publisher.executemany(
        "INSERT INTO checkpoint VALUES ($1, $2, $3, $4)", [tuple(row) for row in before]
    )
    relay = flow.relay()
    async with working(relay):
        await eventually(lambda: well(relay))


async def test_an_older_database_under_a_running_relay_takes_no_event_and_publishes_none(
    flow: Flow, infra: Infra
) -> None:
    key = uuid4()
    events = history(9, key)
    await flow.publish(*events[:3])
    relay = flow.relay()
    async with working(relay):
        await flow.until_sent()
        async with older(infra, flow.publisher):
            await flow.publish(*events[3:6])
            await flow.until_sent()
        # What a standby that lacked the end says when it is promoted.
        with pytest.raises(REFUSED):
            await flow.publish(events[6])
        await eventually(lambda: says(relay, "aspire reconcile membership"))
        assert "hold 3 events" in (relay.trouble or "")
        with pytest.raises(REFUSED, match="aspire reconcile membership"):
            await flow.publish(events[6])
        with pytest.raises(republish.JournalIsOlder, match="aspire reconcile membership"):
            await republish.republish("membership", flow.publisher, flow.settings, "user:ada")
    assert len(await records_of(flow.settings)) == 6


async def test_what_an_older_database_has_not_deleted_is_not_sent_before_it_was_compared(
    flow: Flow, infra: Infra
) -> None:
    events = history(6, uuid4())
    relay = flow.relay()
    assert await relay.settle()
    await flow.publish(*events[:3])
    async with older(infra, flow.publisher):
        await flow.publish(*events[3:])
        while await relay.send_batch():
            pass
    assert await flow.publisher.fetchval("SELECT count(*) FROM outbox") == 3
    assert await relay.send_batch() == 0
    async with working(relay):
        await eventually(lambda: says(relay, "hold 3 events"))
    assert len(await records_of(flow.settings)) == 6


async def test_after_the_server_began_anew_events_wait_for_the_comparison(
    flow: Flow, infra: Infra
) -> None:
    await flow.publish(*history(2))
    await flow.relay_all()
    await infra.postgres.kill()
    await infra.postgres.start()
    await eventually(lambda: reachable(flow))
    with pytest.raises(REFUSED, match="has not been compared"):
        await flow.publish(*history(1))
    async with working(flow.relay()):
        await eventually(lambda: publishes(flow))


async def test_while_kafka_is_away_a_server_that_only_began_anew_is_taken_for_what_it_was(
    flow: Flow,
) -> None:
    await flow.publisher.execute("UPDATE compared SET started_at = 'epoch'")
    flow.settings = flow.settings.model_copy(update={"kafka": "127.0.0.1:1"})
    relay = flow.relay()
    async with working(relay):
        await eventually(lambda: publishes(flow))
        assert await relay.send_batch() == 0  # as one that has Kafka does, beside this one
        await flow.publisher.execute("UPDATE compared SET started_at = 'epoch', timeline = '9'")
        with pytest.raises(REFUSED):
            await flow.publish(*history(1))
    assert relay.trouble is not None


async def test_a_broker_that_says_nothing_keeps_no_command_waiting(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "ANSWER_MS", 200)
    await flow.publisher.execute("UPDATE compared SET started_at = 'epoch'")
    async with silent_broker() as address:
        flow.settings = flow.settings.model_copy(update={"kafka": address})
        async with working(flow.relay()):
            await eventually(lambda: publishes(flow), within_seconds=10)


@pytest.mark.parametrize("since", [0, 3])
async def test_reading_ends_where_the_topic_is_replaced_meanwhile(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, since: int
) -> None:
    if since == 0:  # it is given up only then
        monkeypatch.setattr(topics, "STILL_SECONDS", 2)
    await flow.publish(*history(5))
    await flow.relay_all()
    async with topics.opened(flow.settings, topics_of("membership")) as opened:
        await lose_topics(flow.settings)
        with pytest.raises(KafkaError, match="has not moved" if since == 0 else "begins anew"):
            await asyncio.wait_for(read_all(opened, dict.fromkeys(opened.ends, since)), 20)


async def test_reading_ends_where_only_the_end_of_a_transaction_is_left(flow: Flow) -> None:
    await flow.publish(PersonProfile(person_id=uuid4(), name="Ann"))
    await flow.relay_all()
    async with topics.opened(flow.settings, topics_of("membership")) as opened:
        markers = {of: end - 1 for of, end in opened.ends.items() if end > 0}
        assert len(markers) == 1
        await asyncio.wait_for(read_all(opened, markers), 5)


async def test_a_transaction_that_is_just_ending_is_waited_for(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    class Asked(Reader):
        async def end_offsets(self, *partitions: object) -> object:
            found = await super().end_offsets(*partitions)
            asked.set()
            return found

    monkeypatch.setattr(topics, "Reader", Asked)
    producer = AIOKafkaProducer(
        bootstrap_servers=flow.settings.kafka, transactional_id=str(uuid4())
    )
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(flow.settings.topic_prefix + "aspire.people", b"a", b"key")
    async with asyncio.TaskGroup() as group:
        ends = group.create_task(ends_of(flow))
        await asked.wait()
        await producer.commit_transaction()
    await producer.stop()
    assert sum(ends.result().values()) == 2  # a record, and the end of its transaction


async def test_a_loaded_dump_is_refused_and_no_name_is_missing(flow: Flow) -> None:
    await flow.publish(*history(1))
    await flow.publisher.execute("UPDATE compared SET started_at = NULL")
    async with acquire(flow.publisher) as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path = ''")  # as pg_dump's first lines do
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await connection.execute(
                "INSERT INTO public.event OVERRIDING SYSTEM VALUE SELECT * FROM public.event"
            )


async def test_a_journal_from_before_the_comparison_waits_for_it(flow: Flow) -> None:
    files = migrations_of("services.membership")
    before = [each for each in files if each.name < "messaging/0004"]
    await flow.publish(*history(1))
    async with acquire(flow.publisher) as connection, connection.transaction():
        await connection.execute("CREATE SCHEMA before; SET LOCAL search_path = before")
        await apply(connection, before)
        await connection.execute(
            "INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM public.event"
        )
        await apply(connection, files)
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await connection.execute(
                "INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM public.event"
            )


async def test_while_kafka_is_away_a_server_that_lacks_what_was_sent_last_is_not_trusted(
    flow: Flow,
) -> None:
    await flow.publish(*history(1))
    await flow.publisher.execute("UPDATE compared SET started_at = 'epoch'")
    await checkpoints.trust_the_same_server(flow.publisher, uuid4())
    assert not await publishes(flow)
    sent = await flow.publisher.fetchval("SELECT id FROM event")
    await checkpoints.trust_the_same_server(flow.publisher, sent)
    assert await publishes(flow)


async def test_a_comparison_is_the_next_ones_beginning(flow: Flow) -> None:
    await flow.publish(*history(5))
    await flow.relay_all()
    before = await flow.publisher.fetch("SELECT * FROM checkpoint ORDER BY 1, 2")
    async with acquire(flow.publisher) as connection:
        await checkpoints.forget(connection)
    assert await flow.relay().settle()
    assert await flow.publisher.fetch("SELECT * FROM checkpoint ORDER BY 1, 2") == before


async def test_what_is_no_event_of_ours_stops_nothing(flow: Flow) -> None:
    await flow.publish(*history(1))
    await flow.relay_all()
    producer = flow.relay()._client.producer(bootstrap_servers=flow.settings.kafka)
    await producer.start()
    name = flow.settings.topic_prefix + "aspire.membership"
    [true] = await records_of(flow.settings)
    strange = [(n, str(uuid4()).encode() if n == "ce_id" else v) for n, v in true.headers]
    await producer.send_and_wait(name, b"{", key=true.key, headers=strange)
    await producer.send_and_wait(name, None, key=b"\xff")
    await producer.stop()
    found = await checkpoints.compare("membership", flow.publisher, flow.settings)
    assert (found.lost, found.unknown) == ([], 0)


@asynccontextmanager
async def silent_broker() -> AsyncIterator[str]:
    """Takes connections and never says a word."""
    ended = asyncio.Event()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ended.set()


async def read_all(opened: topics.Topics, since: Mapping[Partition, int]) -> None:
    async for _ in opened.read(since):
        pass


async def ends_of(flow: Flow) -> dict[Partition, int]:
    async with topics.opened(flow.settings, topics_of("membership")) as opened:
        return opened.ends


async def says(relay: Relay, text: str) -> bool:
    return text in (relay.trouble or "")


async def well(relay: Relay) -> bool:
    return relay.trouble is None


async def reachable(flow: Flow) -> bool:
    try:
        await flow.publisher.fetchval("SELECT 1")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def publishes(flow: Flow) -> bool:
    try:
        await flow.publish(*history(1))
    except REFUSED:
        return False
    return True
