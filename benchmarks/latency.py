"""How soon a commit in one service is an effect committed in another, at a steady rate."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.clicking import clicked
from benchmarks.facts import TABLES, TOPIC, change, effects, fact, school, write
from benchmarks.measure import Bench, Percentile, Row, Spent
from shared.messaging import Transaction, cluster
from shared.messaging.batch import Outcome
from shared.messaging.consumer import Consumer
from shared.messaging.relay import Relay
from shared.settings import Settings

RATES = (200, 500)
CLICKS = 200
SECONDS = 4
UNMEASURED = 50
"""Commands at the beginning, one after the other, while connections and plans are made."""

LIMITS = {"statements": 20, "commits": 5}
"""Of an event that comes alone, through both services; it is less the more come at once."""

OF_A_CLICK = {"statements": 60}

REFERENCE = "a bare loop: commit, produce, consume, commit"


async def latency(bench: Bench) -> list[Row]:
    """Rows of the median and of the slowest hundredth, at each rate."""
    rows: list[Row] = []
    for rate in RATES:
        what = f"commit to effect in another service, {rate} events/s"
        works = [partial(_ours, bench, rate), partial(_bare, bench, rate)]
        if rate == CLICKS:
            works.append(partial(clicked, bench, rate))
        ours, bare, *clicks = await bench.alternate(*works)
        rows += [
            Percentile(f"{what}, p50", "ms", REFERENCE, 2, ours, bare, LIMITS, percent=50),
            Percentile(f"{what}, p99", "ms", REFERENCE, 3, ours, bare, LIMITS, percent=99),
        ]
        rows += [
            Percentile(f"click to row of the report, {rate}/s, p{percent}", "ms", REFERENCE, 15,
                       clicks, bare, OF_A_CLICK, percent=percent)
            for clicks in clicks
            for percent in (50, 99)
        ]  # fmt: skip
    return rows


class Watch:
    """When each school's event was committed, and how long it took to have its effect."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._committed: dict[UUID, float] = {}

    def committed(self, key: UUID) -> None:
        self._committed[key] = time.perf_counter()

    def took_effect(self, key: UUID) -> None:
        self.milliseconds.append((time.perf_counter() - self._committed[key]) * 1000)

    async def until(self, count: int) -> None:
        while len(self.milliseconds) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Watched(Consumer):
    """Notes the moment at which a batch has been committed."""

    watch: Watch

    async def _done(self, outcome: Outcome) -> None:
        for event in outcome.applied:
            self.watch.took_effect(UUID(event.key))
        await super()._done(outcome)


async def _ours(bench: Bench, rate: int) -> Spent:
    settings = Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
    await cluster.create_topics(settings)
    watch = Watch()
    async with (
        bench.database("membership") as publisher,
        bench.workers(publisher) as workers,
        bench.database("cpd") as subscriber,
    ):
        await subscriber.execute(TABLES)
        relay = Relay("membership", workers, settings)
        consumer = Watched("cpd", effects(), subscriber, settings)
        consumer.watch = watch

        async def command(key: UUID) -> None:
            async with publisher.acquire() as connection, connection.transaction():
                transaction = Transaction(connection, "user:bench")  # type: ignore[arg-type]
                transaction.record(fact(key, 0))
                await transaction.append()
            watch.committed(key)
            relay.wake()

        tasks = [asyncio.create_task(relay.run()), asyncio.create_task(consumer.run())]
        await _until_ready(consumer)
        return await _steadily(bench, rate, command, watch, tasks)


async def _until_ready(consumer: Consumer) -> None:
    while consumer.trouble is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _bare(bench: Bench, rate: int) -> Spent:
    settings = Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
    await cluster.create_topics(settings)
    topic, watch = settings.topic_prefix + TOPIC, Watch()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=settings.kafka, group_id=f"bare{uuid4().hex}",
        enable_auto_commit=False, auto_offset_reset="earliest",
    )  # fmt: skip
    async with bench.database("membership") as publisher, bench.database("cpd") as subscriber:
        await publisher.execute("CREATE TABLE said (key text PRIMARY KEY, payload json NOT NULL)")
        await subscriber.execute(TABLES)
        await producer.start()
        await consumer.start()

        async def command(key: UUID) -> None:
            event = fact(key, 0)
            async with publisher.acquire() as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO said VALUES ($1, $2)", event.key, event.payload()
                )
            watch.committed(key)
            await producer.send(
                topic, key=event.key.encode(), value=(event.payload() or "").encode()
            )

        tasks = [asyncio.create_task(_consume(consumer, subscriber, watch))]
        try:
            return await _steadily(bench, rate, command, watch, tasks)
        finally:
            await producer.stop()
            await consumer.stop()


async def _consume(consumer: AIOKafkaConsumer, pool: asyncpg.Pool, watch: Watch) -> None:
    kind = type(fact(school(0), 0))
    while True:
        found = await consumer.getmany(timeout_ms=200)
        data = [kind.model_validate_json(r.value) for of in found.values() for r in of]
        if data:
            async with pool.acquire() as connection, connection.transaction():
                await write(connection, [change(each, 1) for each in data])  # type: ignore[arg-type]
            for each in data:
                watch.took_effect(UUID(each.key))
            await consumer.commit()


async def _steadily(
    bench: Bench, rate: int, command: Any, watch: Watch, tasks: list["asyncio.Task[None]"]
) -> Spent:
    """Begins so many commands a second, whether or not earlier ones are through."""
    total = rate * SECONDS
    commands: list[asyncio.Task[None]] = []
    for number in range(UNMEASURED):
        await command(school(total + number))
        await watch.until(number + 1)
    watch.milliseconds.clear()
    async with bench.measured(total) as spent:
        begun = time.perf_counter()
        for number in range(total):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            commands.append(asyncio.create_task(command(school(number))))
        await asyncio.gather(*commands)
        await watch.until(total)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    spent.samples = watch.milliseconds
    return spent
