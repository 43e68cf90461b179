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

from shared.ending import end
from shared.events import topics_of
from shared.messaging import checkpoints, cluster, stops
from shared.messaging.connections import acquire
from shared.messaging.relay import Relay
from shared.settings import Settings

PIECE = 10_000
"""Positions of the journal that are queued at a time: new events wait behind so many at most."""

POLL_SECONDS = 0.05

BEGUN = (
    "A republish was begun, and has not sent everything. The service's own relays send nothing "
    "until it has; where it was broken off, run `aspire republish {}` again."
)


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
    async with acquire(pool) as connection, connection.transaction():
        await _await_batches(connection)
        await stops.stop(connection, checkpoints.RELAY, BEGUN.format(service))
        await checkpoints.forget(connection)
    sending = asyncio.create_task(relay.run())
    try:
        events = await _queue_all(service, pool, relay, sending, tell)
    finally:
        await end(sending)
        with suppress(asyncio.CancelledError):
            await sending
    async with acquire(pool) as connection:
        await stops.resume(connection, checkpoints.RELAY, actor, "the journal was sent again")
    return events


async def _queue_all(
    service: str,
    pool: asyncpg.Pool,
    relay: Relay,
    sending: asyncio.Task[None],
    tell: Callable[[Progress], None],
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
            if sending.done():
                await sending
            tell(Progress(unsent - 1, last, relay.trouble))
            await asyncio.sleep(POLL_SECONDS)
        tell(Progress(end, last))
        begin = end
    return queued


async def _await_batches(connection: asyncpg.Connection) -> None:
    """Waits until no relay is in the midst of a batch, and lets none begin in this transaction.

    What a relay then deletes from the outbox could be what the lost Kafka has acknowledged.
    """
    await connection.execute("SELECT FROM shard ORDER BY shard FOR UPDATE")


async def _queue(pool: asyncpg.Pool, after: int, up_to: int, compacted: list[str]) -> int:
    """Puts a piece of the journal into the outbox, by the same shards as append_events.

    Of a compacted topic only the newest event of a key counts, under a lock that makes an erasure
    wait. No relay sends a still newer one before, which this one, coming last, would then undo.
    """
    async with acquire(pool) as connection, connection.transaction():
        await _await_batches(connection)
        queued = await connection.execute(
            """
            INSERT INTO outbox (shard, position)
            SELECT (hashtextextended(key, 0) & 15)::integer, position
              FROM event
             WHERE position > $1
               AND position <= $2
               AND topic <> ALL ($3)
            ON CONFLICT DO NOTHING
            """,
            after,
            up_to,
            compacted,
        )
        counting = await connection.execute(
            """
            INSERT INTO outbox (shard, position)
            SELECT 16, e.position
              FROM event AS e
              JOIN stream AS s USING (topic, key, sequence)
             WHERE e.position > $1
               AND e.position <= $2
               AND e.topic = ANY ($3)
               FOR KEY SHARE OF e
            ON CONFLICT DO NOTHING
            """,
            after,
            up_to,
            compacted,
        )
    return sum(int(done.split()[-1]) for done in (queued, counting))


async def _unsent(pool: asyncpg.Pool, up_to: int) -> int | None:
    """The lowest position up to `up_to` that Kafka has not acknowledged yet."""
    unsent: int | None = await pool.fetchval(
        "SELECT min(position) FROM outbox WHERE position <= $1", up_to
    )
    return unsent
