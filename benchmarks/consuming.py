"""From the outbox over Kafka to an effect, beside bare aiokafka and one transaction a message."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.measure import Measured, database_of, rate_of
from shared.messaging import Transaction, cluster
from shared.messaging.consumer import Consumer
from shared.messaging.records import Entry, Record, decode
from shared.messaging.relay import Relay
from shared.settings import Settings
from tests.infra import Infra
from tests.kernel.flow import TOPIC, history
from tests.kernel.ledger import LEDGER, ledger_effects

KEYS = 2_000
EVENTS_OF_A_KEY = 10
ONE_BY_ONE = 2_000
"""Messages of the reference that takes a transaction for each; it is too slow for all."""


async def consuming(infra: Infra) -> list[Measured]:
    """Rates of relay and consumer in events a second."""
    settings = Settings(
        kafka=infra.kafka, topic_prefix=f"b{uuid4().hex[:8]}.", partitions=6, relay_poll_seconds=0.1
    )
    await cluster.create_topics(settings)
    async with (
        database_of(infra, "membership") as publisher,
        database_of(infra, "cpd") as subscriber,
    ):
        await subscriber.execute(LEDGER)
        total = await _publish(publisher)
        relay = Relay("membership", publisher, settings)
        relayed = await rate_of(lambda: _until(relay.run, publisher, "outbox", 0, total))
        records: list[Record] = []
        bare = await rate_of(lambda: _read_bare(settings, records, total))
        consumer = Consumer("cpd", ledger_effects(), subscriber, settings)
        consumed = await rate_of(lambda: _until(consumer.run, subscriber, "ledger", total, total))
        single = await rate_of(lambda: _one_by_one(subscriber, records[:ONE_BY_ONE]))
    return [
        Measured("relay, outbox to Kafka", relayed, "events/s", "aiokafka reads them", bare),
        Measured("consumer, Kafka to effect", consumed, "events/s", "aiokafka reads them", bare),
        Measured(
            "consumer, Kafka to effect", consumed, "events/s", "a transaction a message", single
        ),
    ]


async def _publish(pool: asyncpg.Pool) -> int:
    for _ in range(0, KEYS, 100):
        async with pool.acquire() as connection, connection.transaction():
            transaction = Transaction(connection, "user:bench")  # type: ignore[arg-type]
            for _ in range(100):
                transaction.record(*history(EVENTS_OF_A_KEY))
            await transaction.append()
    return KEYS * EVENTS_OF_A_KEY


async def _until(
    run: Callable[[], Awaitable[None]], pool: asyncpg.Pool, table: str, rows: int, done: int
) -> int:
    """Runs a part until the table has so many rows."""
    task = asyncio.ensure_future(run())
    while await pool.fetchval(f"SELECT count(*) FROM {table}") != rows:  # noqa: S608, ASYNC110
        await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return done


async def _read_bare(settings: Settings, records: list[Record], total: int) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    name = settings.topic_prefix + TOPIC
    consumer.assign([TopicPartition(name, number) for number in range(settings.partitions)])
    while len(records) < total:
        for found in (await consumer.getmany(timeout_ms=200)).values():
            records += [
                Record(TOPIC, r.partition, r.offset, r.key, r.headers, r.value) for r in found
            ]
    await consumer.stop()
    return total


async def _one_by_one(pool: asyncpg.Pool, records: list[Record]) -> int:
    """What most consumers do: a transaction, a mark and an effect for each message."""
    await pool.execute("CREATE TABLE seen (id uuid PRIMARY KEY); TRUNCATE ledger")
    uses = ledger_effects().types
    for record in records:
        entry = decode(record, uses)
        assert isinstance(entry, Entry)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO seen (id) VALUES ($1)", entry.id)
            await connection.execute(
                "INSERT INTO ledger (key, sequence, id) VALUES ($1, $2, $3)",
                entry.key,
                entry.sequence,
                entry.id,
            )
    return len(records)
