"""From one database to another over a broker: every event once, each key in order."""

import asyncio
from uuid import uuid4

from aiokafka import TopicPartition

from shared.events.membership import PersonProfile, PersonProfileErased
from shared.messaging import stops
from shared.messaging.connections import acquire
from shared.messaging.positions import Misplaced
from shared.messaging.records import Outgoing
from tests.conformance.conftest import Site
from tests.conftest import eventually
from tests.kernel.flow import TOPIC, Flow, armed, history, working
from tests.kernel.ledger import HEAL


async def test_a_fact_reaches_the_other_database_once_and_in_order(flow: Flow) -> None:
    events = history(5)
    await flow.publish(*events)
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_ledger_has(5)
    assert await flow.kernel.ledger() == [1, 2, 3, 4, 5]


async def test_a_record_is_a_cloudevent_in_binary_mode(flow: Flow) -> None:
    [event] = history(1)
    await flow.publish(event)
    await flow.relay_all()
    [record] = await flow.records()
    headers = dict(record.headers)
    assert headers["ce_type"] == b"uk.aspire.membership.NetworkEstablished.v1"
    assert headers["ce_sequence"] == b"000000000001"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/aspire/membership"
    assert headers["content-type"] == b"application/json"
    assert record.key == headers["ce_subject"] == str(event.key).encode()
    assert record.value == (event.payload() or "").encode()


async def test_what_was_sent_but_not_deleted_is_sent_again_and_takes_effect_once(
    flow: Flow,
) -> None:
    await flow.publish(*history(4))
    outbox = await flow.publisher.fetch("SELECT shard, position FROM outbox")
    await flow.relay_all()
    await flow.publisher.executemany("INSERT INTO outbox VALUES ($1, $2)", outbox)
    await flow.relay_all()
    assert len(await flow.records()) == 8
    await flow.publish(*history(1))
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_ledger_has(5)
    assert await flow.count() == 5


async def test_two_relays_and_two_consumers_share_the_work_and_double_nothing(flow: Flow) -> None:
    keys = [uuid4() for _ in range(30)]
    flow.settings = flow.settings.model_copy(update={"relay_batch": 11})
    async with (
        working(flow.relay()),
        working(flow.relay()),
        working(flow.consumer(batch_size=7)),
        working(flow.consumer(batch_size=7)),
    ):
        for start in range(0, 300, 20):
            chosen = keys[start // 10 :][:2]
            await flow.publish(*(event for key in chosen for event in history(10, key)))
        await flow.until_ledger_has(300)
    assert await flow.orders() == [list(range(1, 11))] * 30


async def test_a_consumer_that_joins_in_mid_stream_changes_nothing(flow: Flow) -> None:
    async with working(flow.relay()), working(flow.consumer(batch_size=5)):
        for _ in range(5):
            await flow.publish(*history(10))
        await flow.until_ledger_has(10)
        async with working(flow.consumer(batch_size=5)):
            for _ in range(5):
                await flow.publish(*history(10))
            await flow.until_ledger_has(60)
        for _ in range(4):
            await flow.publish(*history(10))
        await flow.until_ledger_has(140)
    assert await flow.orders() == [list(range(1, 11))] * 14


async def test_partitions_added_to_a_live_topic_do_not_break_the_order(
    flow: Flow, site: Site
) -> None:
    keys = [uuid4() for _ in range(12)]
    quick = {"metadata_max_age_seconds": 1.0}
    flow.settings = flow.settings.model_copy(update=quick)
    async with working(flow.consumer()):
        await flow.publish(*(history(1, key)[0] for key in keys))
        await flow.relay_all()
        await flow.until_ledger_has(12)
        await site.grow(flow.settings.topic_prefix + TOPIC, 6)
        for number in range(1, 4):
            await flow.publish(*(history(4, key)[number] for key in keys))
            await flow.relay_all()
        await flow.until_ledger_has(48)
    assert await flow.orders() == [[1, 2, 3, 4]] * 12


async def test_kafkas_own_offsets_are_not_where_a_consumer_goes_on(flow: Flow) -> None:
    await flow.publish(*history(3))
    await flow.relay_all()
    group = f"{flow.settings.topic_prefix}aspire.cpd"
    other = flow.client.reader(bootstrap_servers=flow.settings.kafka, group_id=group, rewind=None)
    await other.start()
    name = flow.settings.topic_prefix + TOPIC
    partitions = [TopicPartition(name, n) for n in range(flow.settings.partitions)]
    other.assign(partitions)
    await other.commit(await other.end_offsets(partitions))  # as if all had been taken
    await other.stop()
    async with working(flow.consumer()):
        await flow.until_ledger_has(3)


async def test_what_was_fetched_before_the_place_to_go_on_changed_is_not_taken(flow: Flow) -> None:
    await flow.publish(*history(6, flow.keys_of_one_partition(1)[0]))
    await flow.relay_all()
    consumer = flow.consumer(batch_size=3)
    misplaced, early = asyncio.Event(), 0

    async def fetched() -> bool:
        reader = consumer._subscriber.consumer
        partition = TopicPartition(flow.settings.topic_prefix + TOPIC, 0)
        return reader is not None and await reader.position(partition) == 6

    async def act(point: str) -> None:
        nonlocal early
        if point == "after_position_before_append":
            early += await flow.kernel.pool.fetchval("SELECT count(*) FROM set_aside")
            if not misplaced.is_set():
                await eventually(fetched)
                misplaced.set()
                raise Misplaced

    with armed(act):
        async with working(consumer):
            await flow.until_ledger_has(6)
    assert await flow.orders() == [[1, 2, 3, 4, 5, 6]]
    assert early == 0, "events were taken before those that they follow"


async def test_a_restored_database_is_brought_up_to_date_from_its_own_position(
    flow: Flow,
) -> None:
    async with working(flow.relay()):
        await flow.publish(*history(3))
        await flow.publish(*history(3))
        async with working(flow.consumer()):
            await flow.until_ledger_has(6)
        await flow.kernel.pool.execute("TRUNCATE ledger, inbox, position")
        async with working(flow.consumer()):
            await flow.until_ledger_has(6)
    assert await flow.count() == 6


async def test_another_topic_under_the_same_name_is_read_from_its_beginning(flow: Flow) -> None:
    await flow.publish(*history(5))
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(5)
    # The remembered record is another one: a Kafka that was swapped or filled anew.
    await flow.kernel.pool.execute("UPDATE position SET event_id = gen_random_uuid()")
    await flow.publisher.execute(
        """
        INSERT INTO outbox (shard, position)
        SELECT 0, position FROM event
        """
    )
    await flow.relay_all()
    await flow.kernel.pool.execute("TRUNCATE ledger, inbox")
    async with working(flow.consumer()):
        await flow.until_ledger_has(5)
    assert await flow.kernel.ledger() == [1, 2, 3, 4, 5]


async def test_hostile_records_are_parked_and_the_rest_goes_on(flow: Flow) -> None:
    producer = flow.client.producer(bootstrap_servers=flow.settings.kafka)
    await producer.start()
    name = flow.settings.topic_prefix + TOPIC
    await producer.send_and_wait(name, b"\x00\xff", headers=[("reply_to", name.encode())])
    await producer.send_and_wait(name, None, key=b"\xff")
    await producer.send_and_wait(
        name, b"{", key=b"k", headers=[("content-type", b"\xff\xfe"), ("ce_id", b"\xff")]
    )
    await producer.stop()
    await flow.publish(*history(2))
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_ledger_has(2)
        await eventually(lambda: _parked(flow, 3))
    assert len(await flow.records()) == 5  # nothing was sent as a reply


async def test_the_consumer_stops_when_the_fault_is_ours_until_it_is_resumed(flow: Flow) -> None:
    for key in flow.keys_of_one_partition(6):
        event = history(1, key)[0].model_copy(update={"name": "poison"})
        await flow.publish(event)
    await flow.relay_all()  # so that they come in one batch
    consumer = flow.consumer()
    async with working(consumer):
        await eventually(lambda: _trouble(consumer, "stopped at"))
        assert await flow.kernel.parked() == []
        assert "aspire resume cpd" in (await consumer.ready() or "")
        await flow.kernel.pool.execute(HEAL)
        async with acquire(flow.kernel.pool) as connection:
            await stops.resume(connection, "consumer", "user:ada", "mended")
        await flow.until_ledger_has(6)
        await eventually(lambda: _well(consumer))


async def test_a_former_sender_cannot_put_an_erased_profile_last(flow: Flow) -> None:
    person = uuid4()
    await flow.publish(PersonProfile(person_id=person, name="Ann"))
    former = flow.relay()
    assert await former.send_batch() == 1
    await flow.publish(PersonProfileErased(person_id=person))
    await flow.relay_all()
    # The former owner wakes up and would send the old profile once more.
    position = await flow.publisher.fetchval("SELECT min(position) FROM event")
    row = await flow.publisher.fetchrow(
        "SELECT e.position, e.id, e.topic, e.key, e.sequence, e.type,"
        " e.payload::text AS payload, NULL AS traceparent, e.recorded_at"
        " FROM event AS e WHERE position = $1",
        position,
    )
    assert row is not None
    acknowledged, failure = await former._producers.send([Outgoing(**row)])
    assert failure is not None
    assert not acknowledged.events
    assert not acknowledged.landed
    records = await flow.records("aspire.people")
    assert [record.value is None for record in records] == [False, True]


async def _parked(flow: Flow, count: int) -> bool:
    return len(await flow.kernel.parked()) == count


async def _trouble(part: object, text: str) -> bool:
    trouble = getattr(part, "trouble", None)
    return trouble is not None and text in trouble


async def _well(part: object) -> bool:
    return getattr(part, "trouble", "") is None
