"""The hourly comparison of a service's journal and inbox with the topics, one replica at a time."""

import logging
from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from shared.events import Topic
from shared.messaging import checkpoints, stops
from shared.messaging.connections import acquire
from shared.messaging.verify import Verified, Window, verify_since
from shared.settings import Settings

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)


async def verify_hourly(
    service: str, reads: Sequence[Topic], pool: asyncpg.Pool, settings: Settings
) -> Verified | None:
    """Compares what has come since the last time, if that is an hour ago; None where it is not.

    The first time compares everything. What is found stays an alarm until `aspire verify` finds
    nothing any more. While Kafka is known to have lost something, or is being filled again, its
    losses are no news: nothing is said, and the next time compares this one, too.

    Raises:
        KafkaError: Kafka does not answer; the next hour compares this one, too.
    """
    if await _kafka_lacks_something(pool) or (window := await _begin(pool)) is None:
        return None
    verified, following = await verify_since(window, service, reads, pool, settings)
    if await _kafka_lacks_something(pool):
        return None
    for each in verified.differences:
        log.error(
            "Verify: %s, %s: %s sequence %d of %s",
            each.where, each.kind, each.topic, each.sequence, each.key,
        )  # fmt: skip
    await _end(pool, following, verified.summary)
    return verified


async def alarm(connection: asyncpg.Connection) -> str | None:
    """What the hourly comparison has found, if an operator has to look at it."""
    found: str | None = await connection.fetchval("SELECT found FROM verified")
    return f"{found}; run `aspire verify`" if found else None


async def clear(pool: asyncpg.Pool) -> None:
    """Everything was compared by hand, and nothing was found."""
    await pool.execute("UPDATE verified SET found = NULL")


async def _kafka_lacks_something(pool: asyncpg.Pool) -> bool:
    async with acquire(pool) as connection:
        return await stops.in_force(connection, checkpoints.RELAY) is not None


async def _begin(pool: asyncpg.Pool) -> Window | None:
    """Takes this hour's turn; None where another replica has, or the last time is too near."""
    async with acquire(pool) as connection, connection.transaction():
        row = await connection.fetchrow(
            """
            INSERT INTO verified AS v (verified_at, position, waiting) VALUES (now(), 0, '{}')
            ON CONFLICT (one) DO UPDATE SET verified_at = excluded.verified_at
             WHERE v.verified_at < now() - $1::interval
            RETURNING position, waiting
            """,
            EVERY,
        )
        if row is None:
            return None
        rows = await connection.fetch(
            'SELECT topic, partition, "offset", event_id FROM verified_partition'
        )
    last = {(each["topic"], each["partition"]): (each["offset"], each["event_id"]) for each in rows}
    return Window(last, row["position"], row["waiting"])


async def _end(pool: asyncpg.Pool, window: Window, found: str | None) -> None:
    async with acquire(pool) as connection, connection.transaction():
        await connection.execute(
            "UPDATE verified SET position = $1, waiting = $2, found = coalesce($3, found)",
            window.position,
            window.waiting,
            found,
        )
        await connection.execute("DELETE FROM verified_partition")
        await connection.executemany(
            "INSERT INTO verified_partition VALUES ($1, $2, $3, $4)",
            [(*of, *place) for of, place in window.last.items()],
        )
