"""Remembering: the memory of reporting's process while events go through it."""

import asyncio
import tempfile
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.facts import SCHOOLS, fill, mixed
from benchmarks.measure import Bench, Percentile, Row
from benchmarks.processes import running
from shared.messaging import cluster
from shared.settings import Settings

FEW = 100_000
MEGABYTE = 1024 * 1024
TAKEN = 'SELECT sum("offset" + 1) FROM position'


async def remembering(bench: Bench) -> list[Row]:
    """Resident memory after a tenth of a million events, and after all; one run."""
    each = max(bench.growth, FEW) // SCHOOLS
    total = SCHOOLS * each
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
        await cluster.create_topics(settings)
        await fill(settings, mixed(SCHOOLS, each))
        async with (
            bench.database("reporting") as pool,
            running(bench, settings, "reporting", pool) as process,
        ):
            found = []
            for events in (FEW, total):
                async with bench.measured(events) as spent:
                    while (await pool.fetchval(TAKEN) or 0) < events:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                spent.samples = [psutil.Process(process.pid).memory_info().rss / MEGABYTE]
                found.append(spent)
    few, many = found
    return [
        Percentile(
            f"memory of reporting after {total:,} events", "MB", f"the same after {FEW:,}", 1.2,
            [many], [few],
        )
    ]  # fmt: skip
