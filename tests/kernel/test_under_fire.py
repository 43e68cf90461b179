"""Restored databases, records that cannot be decoded, faults of ours: nothing is passed over."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from shared.messaging import stops
from shared.messaging.batch import take
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.failures import FaultIsOurs
from shared.messaging.reader import Reader
from shared.messaging.relay import Relay
from tests.conftest import eventually
from tests.infra import Infra
from tests.kernel.flow import TOPIC, Flow, history, working
from tests.kernel.hostile import send_undecodable
from tests.kernel.ledger import Kernel, Stream, ledger_effects

pytestmark = pytest.mark.bad_day

BACKUP = "CREATE TABLE b_ledger AS TABLE ledger; CREATE TABLE b_inbox AS TABLE inbox;"
BACKUP += "CREATE TABLE b_position AS TABLE position"
RESTORE = """
TRUNCATE ledger, inbox, position;
INSERT INTO inbox TABLE b_inbox;
INSERT INTO position TABLE b_position;
INSERT INTO ledger (key, sequence, id, name) SELECT key, sequence, id, name FROM b_ledger;
"""


async def test_a_database_that_is_restored_under_a_running_consumer_is_brought_up_to_date(
    flow: Flow,
) -> None:
    key = uuid4()
    events = history(30, key)
    async with working(flow.relay()), working(flow.consumer()):
        await flow.publish(*events[:10])
        await flow.until_ledger_has(10)
        await flow.kernel.pool.execute(BACKUP)
        await flow.publish(*events[10:20])
        await flow.until_ledger_has(20)
        await flow.kernel.pool.execute(RESTORE)
        await flow.publish(*events[20:])
        await flow.until_ledger_has(30)
    assert await flow.kernel.ledger(key) == list(range(1, 31))


async def test_nothing_is_taken_before_the_database_has_said_where_to_go_on(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = history(60)
    await flow.publish(*events[:20])
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(20)
    await flow.kernel.pool.execute(BACKUP)
    await flow.publish(*events[20:40])
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(40)
    await flow.kernel.pool.execute(RESTORE)
    await flow.publish(*events[40:])
    await flow.relay_all()
    consumer = flow.consumer()
    remembered = consumer._positions._remembered

    async def slowly() -> object:
        await asyncio.sleep(0.5)
        return await remembered()

    monkeypatch.setattr(consumer._positions, "_remembered", slowly)
    async with working(consumer):
        await flow.until_ledger_has(60)
    assert await flow.kernel.ledger() == list(range(1, 61))


async def test_a_header_whose_name_cannot_be_decoded_is_parked_and_the_rest_goes_on(
    flow: Flow,
) -> None:
    for _ in range(flow.settings.partitions):
        await flow.publish(*history(2))
    await flow.relay_all()
    await send_undecodable(flow.settings, TOPIC, partition=1)
    await flow.publish(*history(2))
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(8)
        await eventually(lambda: _any_parked(flow.kernel))
    [(sequence, reason)] = await flow.kernel.parked()
    assert (sequence, reason) == (None, "the name of a header is not UTF-8")


async def test_an_error_that_nobody_foresaw_passes_over_no_batch(flow: Flow) -> None:
    effects = ledger_effects()
    [write] = {effects.of(each) for each in effects.types}
    failures = [MemoryError("full"), asyncpg.InternalClientError("odd")]

    async def failing(tx: asyncpg.Connection, events: object) -> object:
        if failures:
            raise failures.pop()
        return await write(tx, events)  # type: ignore[misc, arg-type]

    for each in effects.types:
        effects._by_type[each] = failing  # type: ignore[assignment]
    consumer = Consumer("cpd", effects, flow.kernel.pool, flow.settings)
    await flow.publish(*history(5))
    async with working(flow.relay()), working(consumer):
        await flow.until_ledger_has(5)
    assert await flow.kernel.ledger() == [1, 2, 3, 4, 5]
    assert await flow.kernel.parked() == []


async def test_a_client_whose_tasks_have_ended_is_begun_anew(flow: Flow) -> None:
    consumer = flow.consumer()
    async with working(flow.relay()), working(consumer):
        await flow.publish(*history(2))
        await flow.until_ledger_has(2)
        reader = consumer._subscriber.consumer
        assert isinstance(reader, Reader)
        reader._coordinator._coordination_task.cancel()
        await flow.publish(*history(3))
        await eventually(lambda: _another(consumer, reader))
        await flow.until_ledger_has(5)


async def test_an_event_is_parked_although_another_is_parked_at_its_offset(kernel: Kernel) -> None:
    first, second = Stream(), Stream()
    await kernel.take(first.next("poison"))
    # Kafka was lost and filled anew: offset 1 is another event's.
    await kernel.take(second.next("poison"))
    assert len(await kernel.parked()) == 2
    await kernel.take(second.next())
    assert await kernel.ledger(second.key) == []


@pytest.mark.parametrize(
    "value", [b'{"network_id": "\\u0000"}', b'{"name": "\\ud800"}', b"\x00", b"[" * 5000]
)
async def test_a_hostile_body_is_parked_and_stops_nothing(kernel: Kernel, value: bytes) -> None:
    stream, well = Stream(), Stream(offset=50)
    await kernel.take(replace(stream.next(), value=value), well.next())
    assert await kernel.ledger() == [1]
    assert len(await kernel.parked()) == 1


async def test_hostile_trace_headers_and_long_keys_stop_nothing(kernel: Kernel) -> None:
    stream, other = Stream(), Stream(offset=50)
    record = stream.next()
    await kernel.take(
        replace(record, headers=[*record.headers, ("traceparent", b"\x00")]),
        replace(other.next(), key="é".encode() * 900),
    )
    assert await kernel.ledger(stream.key) == [1]
    assert len(await kernel.parked()) == 1


async def test_sql_that_does_not_fit_the_schema_is_our_fault_at_once(kernel: Kernel) -> None:
    await kernel.pool.execute("ALTER TABLE ledger RENAME COLUMN name TO title")
    with pytest.raises(FaultIsOurs, match="name"):
        await kernel.take(Stream().next())
    assert await kernel.parked() == []


async def test_models_that_fit_no_event_stop_the_consumer(kernel: Kernel) -> None:
    records = [
        replace(Stream(offset=9 * n).next(), value=b'{"renamed": "field"}') for n in range(5)
    ]
    with pytest.raises(FaultIsOurs, match="fail alike"):
        await kernel.take(*records)
    assert await kernel.parked() == []


async def test_an_operator_who_resumes_lets_the_messages_be_parked(kernel: Kernel) -> None:
    records = [Stream(offset=9 * n).next("poison") for n in range(6)]
    with pytest.raises(FaultIsOurs) as fault:
        await kernel.take(*records)
    async with acquire(kernel.pool) as connection:
        await stops.stop(connection, "consumer", str(fault.value))
        assert await stops.in_force(connection, "consumer")
        assert await stops.resume(connection, "consumer", "user:ada", "bad")
        assert await stops.in_force(connection, "consumer") is None
    await kernel.take(*records)
    assert len(await kernel.parked()) == 6


async def test_a_consumer_that_is_to_stand_still_touches_no_key(kernel: Kernel) -> None:
    stream = Stream()
    await kernel.take(stream.next())
    async with acquire(kernel.pool) as connection, connection.transaction():
        await stops.stop(connection, "consumer", "poison everywhere")
    async with acquire(kernel.pool) as another, another.transaction():
        await another.execute("SELECT FROM inbox FOR UPDATE")
        with pytest.raises(stops.Stopped, match="poison everywhere"):  # not waiting for the key
            await asyncio.wait_for(kernel.take(stream.next()), 10)


async def test_the_batch_has_its_own_limit_of_time(kernel: Kernel) -> None:
    effects = ledger_effects()
    seen: list[str] = []

    async def ask(tx: asyncpg.Connection, _: object) -> None:
        seen.append(await tx.fetchval("SHOW transaction_timeout"))
        await tx.execute("SELECT pg_sleep(1.2)")

    effects._by_type = dict.fromkeys(effects.types, ask)
    await kernel.pool.execute("SET transaction_timeout = '1s'")
    await take(kernel.pool, "cpd", effects, [Stream().next()], 45)
    assert seen == ["45s"]


async def test_at_a_deadline_the_relay_keeps_what_was_acknowledged(
    flow: Flow, infra: Infra
) -> None:
    flow.settings = flow.settings.model_copy(update={"relay_delivery_seconds": 2})
    relay = flow.relay()
    await flow.publish(*history(3))
    assert await relay.send_batch() == 3
    await infra.broker.pause()
    try:
        await flow.publish(*history(3))
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                await relay.send_batch()
        assert await _outbox(relay) == 3
    finally:
        await infra.broker.resume()
    await flow.relay_all()
    async with working(flow.consumer()):
        await flow.until_ledger_has(6)
    assert await flow.count() == 6


async def _outbox(relay: Relay) -> int:
    count: int = await relay._pool.fetchval("SELECT count(*) FROM outbox")
    return count


async def _any_parked(kernel: Kernel) -> bool:
    return bool(await kernel.parked())


async def _another(consumer: Consumer, reader: object) -> bool:
    now = consumer._subscriber.consumer
    return now is not None and now is not reader and consumer.trouble is None
