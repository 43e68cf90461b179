"""Republishing: a service's whole journal goes to Kafka once more, with the same ids and sequences.

The events go back into the outbox, a piece at a time, and relays send them as they send any other.
So order, fencing and acknowledgement are the relay's, it may be broken off and run again, and a
relay at work beside it does no harm: what consumers have seen, they drop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from shared.events import topics_of
from shared.messaging import checkpoints, cluster, stops
from shared.messaging.connections import acquire
from shared.messaging.relay import Relay
from shared.settings import Settings

PIECE = 10_000
"""Positions of the journal that are queued at a time: new events wait behind so many at most."""

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come in the journal, by its positions, and why it does not go on, if so."""

    position: int
    of: int
    trouble: str | None = None


class JournalIsOlder(Exception):  # noqa: N818 - reads as a claim
    """Kafka holds events that the journal lacks; they come first, by `aspire reconcile`."""


async def republish(
    service: str,
    pool: asyncpg.Pool,
    settings: Settings,
    actor: str,
    tell: Callable[[Progress], None] = lambda _: None,
) -> int:
    """Sends all that counts, and waits until Kafka has it; answers how many events.

    The topics are created where they are not there. It brings its own relay, so it works whether
    or not the service runs, and waits for Kafka as long as it takes. Relays that have stopped,
    because Kafka has lost something, go on once everything is sent.

    Raises:
        JournalIsOlder: this database is the one that has lost something.
        KafkaError: the broker refuses a topic.
    """
    await cluster.create_topics(settings, topics_of(service))
    relay = Relay(service, pool, settings, refilling=True)
    if not await relay.settle():
        raise JournalIsOlder(relay.trouble)
    async with acquire(pool) as connection:
        await checkpoints.forget(connection)
    sending = asyncio.create_task(relay.run())
    try:
        events = await _queue_all(service, pool, relay, tell)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    async with acquire(pool) as connection:
        await stops.resume(connection, checkpoints.RELAY, actor, "the journal was sent again")
    return events


async def _queue_all(
    service: str, pool: asyncpg.Pool, relay: Relay, tell: Callable[[Progress], None]
) -> int:
    compacted = [topic.name for topic in topics_of(service) if topic.compacted]
    # What is appended from here on is in the outbox by itself.
    last = await pool.fetchval("SELECT coalesce(max(position), 0) FROM event")
    begin, queued = 0, 0
    while begin < last:
        end = min(begin + PIECE, last)
        queued += await _queue(pool, begin, end, compacted)
        relay.wake()
        while unsent := await _unsent(pool, end):
            tell(Progress(unsent - 1, last, relay.trouble))
            await asyncio.sleep(POLL_SECONDS)
        tell(Progress(end, last))
        begin = end
    return queued


async def _queue(pool: asyncpg.Pool, after: int, up_to: int, compacted: list[str]) -> int:
    """Puts a piece of the journal into the outbox, by the same shards as append_events.

    Of a compacted topic only the newest event of a key counts. The shard's lock keeps relays from
    sending a still newer one before this one is queued, which would then come last and undo it.
    """
    async with acquire(pool) as connection, connection.transaction():
        await connection.execute("SELECT FROM shard WHERE compacted FOR UPDATE")
        done = await connection.execute(
            """
            INSERT INTO outbox (shard, position)
            SELECT CASE WHEN e.topic = ANY ($3) THEN 16
                        ELSE (hashtextextended(e.key, 0) & 15)::integer
                   END,
                   e.position
              FROM event AS e
             WHERE e.position > $1
               AND e.position <= $2
               AND (e.topic <> ALL ($3)
                    OR e.sequence = (SELECT s.sequence
                                       FROM stream AS s
                                      WHERE s.topic = e.topic AND s.key = e.key))
               FOR KEY SHARE OF e
            ON CONFLICT DO NOTHING
            """,
            after,
            up_to,
            compacted,
        )
    return int(done.split()[-1])


async def _unsent(pool: asyncpg.Pool, up_to: int) -> int | None:
    """The lowest position up to `up_to` that Kafka has not acknowledged yet."""
    unsent: int | None = await pool.fetchval(
        "SELECT min(position) FROM outbox WHERE position <= $1", up_to
    )
    return unsent
