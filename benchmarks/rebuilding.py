"""Rebuilding: reporting's answers made anew from the log, compared and taken over."""

import asyncio
from contextlib import suppress

import asyncpg

from benchmarks.measure import Bench, Spent
from shared.messaging.consumer import Consumer
from shared.rebuilding import rebuild
from shared.service import load
from shared.settings import Settings


async def rebuilt(bench: Bench, settings: Settings, total: int, consumed: list[Spent]) -> Spent:
    """The rebuild; what reporting's own consumer took for the same log before it is added."""
    service = load("reporting")
    async with bench.database("reporting") as pool:
        consumer = Consumer("reporting", service.effects, pool, settings)
        async with bench.measured(total) as spent:
            working = asyncio.create_task(consumer.run())
            while await pool.fetchval('SELECT sum("offset" + 1) FROM position') != total:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        consumed.append(spent)
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
