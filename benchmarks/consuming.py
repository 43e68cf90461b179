"""Consuming: the kernel from Kafka to effects, beside a bare loop and a transaction a message."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import TypeAdapter

from benchmarks.facts import (
    HAPPENED,
    SCHOOLS,
    TABLES,
    TOPIC,
    change,
    effects,
    fill_at_once,
    mixed,
    runs,
    write,
)
from benchmarks.measure import Bench, Row, Spent
from shared.messaging import cluster
from shared.messaging.consumer import Consumer
from shared.settings import Settings

IN_A_ROW = 200
ONE_BY_ONE = 500
"""Messages of the reference that takes a transaction for each; it is too slow for all."""
BATCH = 5_000
LIMITS = {"statements": 0.02, "commits": 0.004, "wal_bytes": 1000}
"""Several times what batches of 5,000 take: on a busy machine they are smaller."""


async def consuming(bench: Bench) -> list[Row]:
    """Events of 24,000 schools in turn, and 200 of one school after the other."""
    schools = min(SCHOOLS, bench.events)
    each = bench.events // schools
    total = schools * each
    of_mixed, of_runs = (
        Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.", batch_size=BATCH)
        for _ in range(2)
    )
    for settings in (of_mixed, of_runs):
        await cluster.create_topics(settings)
    await fill_at_once(
        (of_mixed, mixed, schools, each), (of_runs, runs, total // IN_A_ROW, IN_A_ROW)
    )
    ours, bare, in_a_row, single = await bench.alternate(
        lambda: consumed(bench, of_mixed, total),
        lambda: _bare(bench, of_mixed, total),
        lambda: consumed(bench, of_runs, total),
        lambda: _one_by_one(bench, of_mixed),
    )
    what = f"consumer: mixed events of {schools:,} keys"
    return [
        Row(what, "events/s", "bare aiokafka loop, the same SQL", 0.9, ours, bare, LIMITS),
        Row("consumer: 200 events of a key in a row", "events/s", "the row above", 0.5,
            in_a_row, ours, LIMITS),
        Row(what, "events/s", "FastStream, a transaction a message", 50, ours, single, LIMITS),
    ]  # fmt: skip


async def consumed(bench: Bench, settings: Settings, total: int) -> Spent:
    """The kernel's consumer of so many events, with effects of the benchmark's."""
    async with bench.database("cpd") as pool:
        await pool.execute(TABLES)
        async with bench.measured(total) as spent:
            working = await consume(pool, settings, total)
        await end(working)
        return spent


async def consume(pool: asyncpg.Pool, settings: Settings, total: int) -> "asyncio.Task[None]":
    """Starts a consumer, and returns when so many events are committed; it still runs then."""
    done, left = asyncio.Event(), total

    def written(count: int) -> None:
        nonlocal left
        left -= count
        if left <= 0:
            done.set()

    consumer = Consumer("cpd", effects(written), pool, settings)
    working = asyncio.create_task(consumer.run())
    await done.wait()
    await _until_committed(pool, total)
    return working


async def _until_committed(pool: asyncpg.Pool, total: int) -> None:
    while await pool.fetchval("SELECT sum(facts) FROM tally") != total:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _bare(bench: Bench, settings: Settings, total: int) -> Spent:
    """What one would write by hand for this alone: no order, no parking, no position."""
    async with bench.database("cpd") as pool:
        await pool.execute(TABLES + "CREATE TABLE seen (id uuid PRIMARY KEY)")
        async with bench.measured(total) as spent:
            consumer = AIOKafkaConsumer(
                settings.topic_prefix + TOPIC,
                bootstrap_servers=settings.kafka,
                group_id=f"bare{uuid4().hex}",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            await consumer.start()
            taken = 0
            while taken < total:
                found = await consumer.getmany(timeout_ms=200, max_records=BATCH)
                records = [record for of in found.values() for record in of]
                if records:
                    async with pool.acquire() as connection, connection.transaction():
                        await _take_bare(connection, records)
                    await consumer.commit({of: r[-1].offset + 1 for of, r in found.items()})
                    taken += len(records)
        await consumer.stop()
        return spent


_READ = {kind.type: TypeAdapter(list[kind]) for kind in HAPPENED}  # type: ignore[valid-type]


async def _take_bare(connection: Any, records: list[Any]) -> None:
    by_type: dict[str, list[tuple[str, int, bytes]]] = defaultdict(list)
    for record in records:
        headers = dict(record.headers)
        datetime.fromisoformat(headers["ce_time"].decode())
        headers["traceparent"].decode()
        by_type[headers["ce_type"].decode()].append(
            (headers["ce_id"].decode(), int(headers["ce_sequence"]), record.value)
        )
    ids = [event_id for events in by_type.values() for event_id, _, _ in events]
    rows = await connection.fetch("SELECT id FROM seen WHERE id = ANY ($1::uuid[])", ids)
    seen: set[UUID] = {row["id"] for row in rows}
    new = [event_id for event_id in ids if not seen or UUID(event_id) not in seen]
    await connection.copy_records_to_table("seen", records=[(each,) for each in new])
    for name, events in by_type.items():
        data = _READ[name].validate_json(b"[" + b",".join([e[2] for e in events]) + b"]")
        await write(connection, [change(d, e[1]) for d, e in zip(data, events, strict=True)])


async def _one_by_one(bench: Bench, settings: Settings) -> Spent:
    """What most consumers do: a transaction and an offset for each message."""
    async with bench.database("cpd") as pool:
        await pool.execute(TABLES + "CREATE TABLE seen (id uuid PRIMARY KEY)")
        done, taken = asyncio.Event(), 0
        broker = KafkaBroker(settings.kafka, logger=None)

        @broker.subscriber(
            settings.topic_prefix + TOPIC,
            group_id=f"single{uuid4().hex}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK,
        )
        async def handle(_: bytes, message: KafkaMessage) -> None:
            nonlocal taken
            async with pool.acquire() as connection, connection.transaction():
                await _take_bare(connection, [message.raw_message])
            taken += 1
            if taken == ONE_BY_ONE:
                done.set()

        async with bench.measured(ONE_BY_ONE) as spent:
            await broker.start()
            await done.wait()
        await broker.stop()
        return spent
