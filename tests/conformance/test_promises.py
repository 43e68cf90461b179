"""What is early waits, what is poison is parked, what has moved is done once: on either broker."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import CoordinatorNotAvailableError

from shared.events.membership import PersonProfile, PersonProfileErased
from shared.messaging import faults, parking
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.records import Record
from tests.conformance.conftest import Site
from tests.conftest import eventually
from tests.kernel.flow import TOPIC, Flow, history, working
from tests.kernel.ledger import HEAL, Stream


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.arm(None)


async def test_an_early_event_is_set_aside_and_released_when_its_turn_has_come(flow: Flow) -> None:
    stream = Stream()
    first, second, third = stream.next(), stream.next(), stream.next()
    async with working(flow.consumer()):
        await _send(flow, third, second)
        await eventually(lambda: _count(flow, "set_aside", 2))
        assert await flow.count() == 0
        await _send(flow, first)
        await flow.until_ledger_has(3)
    assert await flow.kernel.ledger() == [1, 2, 3]
    assert await _count(flow, "set_aside", 0)


async def test_what_is_parked_holds_its_key_and_is_replayed_beside_the_consumer(
    flow: Flow,
) -> None:
    sick, well = Stream(), Stream()
    async with working(flow.consumer()):
        await _send(flow, sick.next(), sick.next("poison"), sick.next(), well.next())
        await eventually(lambda: _count(flow, "parked", 2))
        await flow.until_ledger_has(2)
        await flow.kernel.pool.execute(HEAL)
        replayed = await parking.replay(
            flow.kernel.pool, "cpd", flow.kernel.effects, TOPIC, str(sick.key), "user:ada"
        )
        await _send(flow, sick.next())
        await flow.until_ledger_has(5)
    assert replayed.applied == 2
    assert await flow.kernel.ledger(sick.key) == [1, 2, 3, 4]


async def test_what_is_discarded_stays_so_when_all_is_read_anew(flow: Flow) -> None:
    stream = Stream()
    async with working(flow.consumer()):
        await _send(flow, stream.next(), stream.next("poison"), stream.next())
        await eventually(lambda: _count(flow, "parked", 2))
        async with acquire(flow.kernel.pool) as connection:
            [poison, _] = await parking.parked(connection)
        await parking.discard(flow.kernel.pool, poison.parked_id, "user:ada", "of no use")
        await parking.replay(
            flow.kernel.pool, "cpd", flow.kernel.effects, TOPIC, str(stream.key), "user:ada"
        )
    assert await flow.kernel.ledger() == [1, 3]
    await flow.kernel.pool.execute("TRUNCATE inbox, position, parked, ledger")
    async with working(flow.consumer()):
        await flow.until_ledger_has(2)
    assert await flow.kernel.ledger() == [1, 3]
    assert await _count(flow, "parked", 0)


async def test_a_rebalance_in_mid_batch_doubles_nothing(flow: Flow) -> None:
    for key in flow.keys_of_one_partition(6):
        await flow.publish(*history(5, key))
    await flow.relay_all()
    claimed, goes_on = asyncio.Event(), asyncio.Event()

    async def hold_the_first(point: str) -> None:
        if point == "after_claim_before_effects" and not claimed.is_set():
            claimed.set()
            await goes_on.wait()

    faults.arm(hold_the_first)
    async with working(_consumer(flow, "b")):
        await claimed.wait()
        async with working(_consumer(flow, "a")):
            # The other has been given that partition, and waits for the claims of the first.
            await eventually(lambda: _waits_for_a_lock(flow))
            goes_on.set()
            await flow.until_ledger_has(30)
    assert await flow.orders() == [[1, 2, 3, 4, 5]] * 6
    assert await flow.count() == 30


async def test_a_tombstone_on_a_compacted_topic_is_the_last_that_anyone_reads(
    flow: Flow, site: Site
) -> None:
    person, other = uuid4(), uuid4()
    await flow.publish(
        PersonProfile(person_id=person, name="Ann"), PersonProfile(person_id=other, name="Bo")
    )
    await flow.relay_all()
    await flow.publish(PersonProfile(person_id=person, name="Anne"))
    await flow.publish(PersonProfileErased(person_id=person))
    await flow.relay_all()
    if site.broker:  # Kafka compacts when it likes
        site.broker.compact()
    async with working(flow.consumer()):
        await eventually(lambda: _has_come(flow, 3, str(person)))
    sequences = await flow.kernel.ledger(person)
    assert sequences == sorted(set(sequences))
    assert sequences[-1] == 3
    assert await flow.kernel.ledger(other) == [1]
    records = [r for r in await flow.records("aspire.people") if r.key == str(person).encode()]
    assert records[-1].value is None


async def test_a_relay_that_wakes_up_late_puts_no_erased_profile_last(flow: Flow) -> None:
    person = uuid4()
    await flow.publish(PersonProfile(person_id=person, name="Ann"))
    former = flow.relay()
    async with working(former):
        await flow.until_sent()
    # The shard is still its own, but its producers have ended, as after a failure.
    await flow.publish(PersonProfile(person_id=person, name="Anne"))
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def hold_the_first(point: str) -> None:
        if point == "before_send" and not reached.is_set():
            reached.set()
            await goes_on.wait()

    faults.arm(hold_the_first)
    waking = asyncio.create_task(former.send_batch())
    await reached.wait()
    await flow.publisher.execute(
        """
        SELECT pg_terminate_backend(pid, 5000)
          FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'
        """
    )
    await flow.publish(PersonProfileErased(person_id=person))
    await flow.relay_all()
    goes_on.set()
    await asyncio.wait([waking])
    assert waking.exception() is not None
    await former._producers.abandon()
    records = await flow.records("aspire.people")
    assert [record.value is None for record in records] == [False, False, True]


async def test_other_topics_go_on_while_a_former_relay_cannot_be_fenced(flow: Flow) -> None:
    await flow.publish(*history(3), PersonProfile(person_id=uuid4(), name="Ann"))
    unfenced = replace(flow, client=replace(flow.client, producer=_that_does_not_fence(flow)))
    async with working(unfenced.relay()):
        await eventually(lambda: _waits_alone(flow))
    assert len(await flow.records()) == 3
    assert await flow.records("aspire.people") == []
    await flow.relay_all()
    assert len(await flow.records("aspire.people")) == 1


def _that_does_not_fence(flow: Flow) -> Callable[..., Any]:
    """As when Kafka's transactions are in trouble while its partitions are well."""

    def producer(**options: Any) -> Any:
        made = flow.client.producer(**options)
        if "transactional_id" in options:
            made.start = _fails
        return made

    return producer


async def _fails() -> None:
    raise CoordinatorNotAvailableError


async def _waits_alone(flow: Flow) -> bool:
    """Whether the profile is all that is left in the outbox."""
    left: list[str] = await flow.publisher.fetchval(
        "SELECT array_agg(DISTINCT topic) FROM outbox JOIN event USING (position)"
    )
    return left == ["aspire.people"]


def _consumer(flow: Flow, name: str) -> Consumer:
    """By their names members of a group are given partitions: the first one has the first."""

    def reader(*topics: str, **options: Any) -> Any:
        return flow.client.reader(*topics, **{**options, "client_id": name})

    return replace(flow, client=replace(flow.client, reader=reader)).consumer()


async def _send(flow: Flow, *records: Record) -> None:
    producer = flow.client.producer(bootstrap_servers=flow.settings.kafka)
    await producer.start()
    for record in records:
        await producer.send_and_wait(
            flow.settings.topic_prefix + record.topic,
            record.value,
            key=record.key,
            headers=list(record.headers),
        )
    await producer.stop()


async def _count(flow: Flow, table: str, count: int) -> bool:
    there = await flow.kernel.pool.fetchval(f"SELECT count(*) FROM {table}")
    return bool(there == count)


async def _has_come(flow: Flow, sequence: int, key: str) -> bool:
    come = await flow.kernel.pool.fetchval("SELECT max(sequence) FROM ledger WHERE key = $1", key)
    return bool(come == sequence)


async def _waits_for_a_lock(flow: Flow) -> bool:
    waiting = await flow.kernel.pool.fetchval(
        """
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
    )
    return bool(waiting)
