"""Rebuilding: reporting's answers made anew from the log, compared and taken over."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import asyncpg

from benchmarks.consuming import BATCH, consumed
from benchmarks.facts import SCHOOLS, fill, mixed
from benchmarks.measure import Bench, Row, Spent
from shared.messaging import cluster
from shared.messaging.consumer import Consumer
from shared.rebuilding import rebuild
from shared.service import load
from shared.settings import Settings


async def rebuilding(bench: Bench) -> list[Row]:
    """Beside the consumer row, and beside reporting's own consumer of the same log."""
    schools = min(SCHOOLS, bench.events)
    total = schools * (bench.events // schools)
    settings = Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.", batch_size=BATCH)
    await cluster.create_topics(settings)
    await fill(settings, mixed(schools, bench.events // schools))
    reporting: list[Spent] = []
    again, consumer = await bench.alternate(
        lambda: _rebuilt(bench, settings, total, reporting),
        lambda: consumed(bench, settings, total),
    )
    what = "rebuild of reporting from the log"
    return [
        Row(what, "events/s", "consumer: mixed events", 0.8, again, consumer),
        Row(what, "events/s", "reporting's consumer, the same log", 0.8, again, reporting),
    ]


async def _rebuilt(bench: Bench, settings: Settings, total: int, reporting: list[Spent]) -> Spent:
    """The rebuild; what reporting's own consumer took for the same log before it is added."""
    service = load("reporting")
    async with bench.database("reporting") as pool:
        consumer = Consumer("reporting", service.effects, pool, settings)
        async with bench.measured(total) as spent:
            working = asyncio.create_task(consumer.run())
            while await pool.fetchval('SELECT sum("offset" + 1) FROM position') != total:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        reporting.append(spent)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        dsn = await bench.dsn_of(pool)
        connection = await asyncpg.connect(dsn)
        async with bench.measured(total) as spent:
            done = await rebuild(service, connection, dsn, settings, actor="operator:bench")
        await connection.close()
        if not done.taken_over or done.records != total:
            raise RuntimeError(f"{done.records} records gave {len(done.differences)} differences")
    return spent
