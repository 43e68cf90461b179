"""Relaying: journal and outbox to Kafka, beside a bare table and the same producer."""

import asyncio
from contextlib import suppress
from datetime import UTC
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from benchmarks.facts import SCHOOLS, TOPIC, TRACEPARENT, fact, school
from benchmarks.measure import Bench, Row, Spent
from shared.messaging import cluster
from shared.messaging.journal import Fact, append
from shared.messaging.partitioning import partition_of
from shared.messaging.relay import Relay
from shared.settings import Settings

BATCH = 5_000

REFERENCE = """
CREATE TABLE queue (
    position    bigint      PRIMARY KEY,
    id          uuid        NOT NULL,
    key         text        NOT NULL,
    sequence    bigint      NOT NULL,
    type        text        NOT NULL,
    payload     text        NOT NULL,
    traceparent text        NOT NULL,
    recorded_at timestamptz NOT NULL
)
"""
TYPES = 4
MORE = f"""
INSERT INTO event (id, topic, key, sequence, type, payload, headers, actor, recorded_at)
SELECT gen_random_uuid(), topic, key, sequence + {TYPES} * n, type, payload, headers, actor,
       recorded_at
  FROM generate_series(1, {{last}}) AS n, (SELECT * FROM event ORDER BY position) AS of
 ORDER BY n, position
"""  # noqa: S608 - a constant
"""The same facts of each school again and again, as many as are wanted."""
FILL = """
INSERT INTO queue
SELECT position, id, key, sequence, type, payload, headers ->> 'traceparent', recorded_at
  FROM event
"""
OUTBOX = "INSERT INTO outbox SELECT (hashtextextended(key, 0) & 15)::integer, position FROM event"


async def relaying(bench: Bench) -> list[Row]:
    """How fast a full outbox empties."""
    schools = min(SCHOOLS, bench.events)
    each = max(1, bench.events // schools // 2)
    settings = Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
    await cluster.create_topics(settings)
    async with bench.database("membership") as pool:
        for number in range(min(each, TYPES)):
            for start in range(0, schools, BATCH):
                facts = [
                    Fact(fact(school(of), number), None, TRACEPARENT)
                    for of in range(start, min(start + BATCH, schools))
                ]
                async with pool.acquire() as connection, connection.transaction():
                    await append(connection, facts, "user:bench")  # type: ignore[arg-type]
        for statement in (REFERENCE, "DELETE FROM outbox"):
            await pool.execute(statement)
        await _prepare(bench, pool, MORE.format(last=(each - 1) // TYPES), "ANALYZE event")
        total = await pool.fetchval("SELECT count(*) FROM event")
        ours, bare = await bench.alternate(
            lambda: _ours(bench, settings, pool, total), lambda: _bare(bench, settings, pool, total)
        )
    return [
        Row("relay: journal and outbox to Kafka", "events/s",
            "a bare table, the same headers, batches as large", 0.8, ours, bare,
            {"statements": 0.05, "commits": 0.01, "wal_bytes": 600})
    ]  # fmt: skip


async def _prepare(bench: Bench, pool: asyncpg.Pool, *statements: str) -> None:
    """What may take longer than a service's connections let a statement take."""
    connection = await asyncpg.connect(await bench.dsn_of(pool))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _ours(bench: Bench, settings: Settings, pool: asyncpg.Pool, total: int) -> Spent:
    await _prepare(bench, pool, OUTBOX, "VACUUM ANALYZE outbox")
    relay = Relay("membership", pool, settings)
    await relay.settle()  # reads what the reference has sent
    async with bench.measured(total) as spent:
        working = asyncio.create_task(relay.run())
        while relay.sent.total() < total:  # noqa: ASYNC110 - to ask the table costs more than a pass
            await asyncio.sleep(0.05)
        while await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return spent


async def _bare(bench: Bench, settings: Settings, pool: asyncpg.Pool, total: int) -> Spent:
    await _prepare(bench, pool, FILL, "VACUUM ANALYZE queue")
    async with bench.measured(total) as spent:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka, enable_idempotence=True, max_batch_size=256 * 1024
        )
        await producer.start()
        while rows := await pool.fetch("SELECT * FROM queue ORDER BY position LIMIT $1", BATCH):
            await _send(producer, settings, rows)
            await pool.execute("DELETE FROM queue WHERE position <= $1", rows[-1]["position"])
    await producer.stop()
    return spent


async def _send(producer: AIOKafkaProducer, settings: Settings, rows: list[asyncpg.Record]) -> None:
    topic = settings.topic_prefix + TOPIC
    batches = [producer.create_batch() for _ in range(settings.partitions)]
    sent = []
    for _, event_id, name, sequence, kind, payload, traceparent, recorded_at in rows:
        key = name.encode()
        number = partition_of(key, settings.partitions)
        content = {
            "timestamp": int(recorded_at.timestamp() * 1000),
            "key": key,
            "value": payload.encode(),
            "headers": [
                ("ce_id", str(event_id).encode()),
                ("ce_source", b"/aspire/membership"),
                ("ce_type", kind.encode()),
                ("ce_time", recorded_at.astimezone(UTC).isoformat().encode()),
                ("ce_subject", key),
                ("ce_specversion", b"1.0"),
                ("ce_sequence", str(sequence).zfill(12).encode()),
                ("content-type", b"application/json"),
                ("traceparent", traceparent.encode()),
            ],
        }
        if batches[number].append(**content) is None:
            sent.append(await producer.send_batch(batches[number], topic, partition=number))
            batches[number] = producer.create_batch()
            batches[number].append(**content)
    for number, batch in enumerate(batches):
        if batch.record_count():
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=number))
    await asyncio.gather(*sent)
