"""How much room an event takes: in a journal, on Kafka, and where it has taken effect."""

import asyncio
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from benchmarks.consuming import consume, end
from benchmarks.facts import SCHOOLS, TABLES, TRACEPARENT, fact, school
from benchmarks.measure import Bench
from shared.messaging import cluster
from shared.messaging.journal import Fact, append
from shared.messaging.relay import Relay
from shared.settings import Settings

OF_EACH: Final = 2
AT_A_TIME: Final = 4_000


async def sizing(bench: Bench, kafka_folder: Path) -> dict[str, float]:
    """Bytes, with their indexes: of an event, and of a key of events."""
    settings = Settings(kafka=bench.kafka, topic_prefix=f"z{uuid4().hex[:8]}.")
    await cluster.create_topics(settings)
    events = SCHOOLS * OF_EACH
    async with bench.database("membership") as journal, bench.database("cpd") as consumer:
        for number in range(OF_EACH):
            for start in range(0, SCHOOLS, AT_A_TIME):
                facts = [
                    Fact(fact(school(of), number), None, TRACEPARENT)
                    for of in range(start, start + AT_A_TIME)
                ]
                async with journal.acquire() as connection, connection.transaction():
                    await append(connection, facts, "user:bench")  # type: ignore[arg-type]
        working = asyncio.create_task(Relay("membership", journal, settings).run())
        while await journal.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await end(working)
        await consumer.execute(TABLES)
        await end(await consume(consumer, settings, events))
        return {
            "journal_per_event": await _size(journal, "event") / events,
            "stream_per_key": await _size(journal, "stream") / SCHOOLS,
            "kafka_per_event": _logs(kafka_folder, settings.topic_prefix) / events,
            "inbox_per_key": await _size(consumer, "inbox") / SCHOOLS,
            "effect_per_event": await _size(consumer, "fact") / events,
        }


async def _size(pool: asyncpg.Pool, table: str) -> int:
    await pool.execute(f"VACUUM FULL {table}")
    size: int = await pool.fetchval("SELECT pg_total_relation_size($1::regclass)", table)
    return size


def _logs(folder: Path, prefix: str) -> int:
    """Of the records alone: Kafka makes room for its indexes beforehand."""
    return sum(
        file.stat().st_size for file in folder.rglob("*.log") if file.parent.name.startswith(prefix)
    )
