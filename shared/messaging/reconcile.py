"""Reconciling: a database came back older, and the topics hold facts that its journal lacks.

They are copied into the journal as they were sent, and the streams go on after them, so that no
later event has a sequence that consumers have seen. Only facts are copied: the service's own tables
do not change by it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.events import TOPICS, topics_of
from shared.messaging import checkpoints, journal, stops
from shared.messaging.checkpoints import Comparison
from shared.messaging.connections import acquire
from shared.messaging.records import Entry
from shared.messaging.topics import opened
from shared.settings import Settings

PIECE = 100
"""Facts, each of up to a megabyte, that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An event that the journal lacks; `obstacle` says why it cannot be copied, if it cannot."""

    topic: str
    key: str
    sequence: int
    id: UUID
    type: str
    time: datetime
    partition: int
    offset: int
    payload: str | None
    obstacle: str | None


Hear = Callable[[Fact], None]
"""Is told of facts one by one, for there may be more than fit into memory."""


async def missing(service: str, pool: asyncpg.Pool, settings: Settings, hear: Hear) -> None:
    """Tells the facts on the topics that the journal lacks, in the order of each key.

    Changes nothing.
    """
    async with _collected(service, pool, settings) as (connection, _):
        await _tell(connection, hear)


async def accept(
    service: str, pool: asyncpg.Pool, settings: Settings, actor: str, because: str, hear: Hear
) -> None:
    """Copies them, ends the stop, and tells them; what has an obstacle is left, and is known.

    From here on the journal is taken for whole: events may be appended.
    """
    # Appends are refused from here on, if they were not before.
    await checkpoints.settle(service, pool, settings)
    server = await pool.fetchrow("SELECT * FROM this_server()")
    async with _collected(service, pool, settings) as (connection, comparison):
        await connection.execute("LOCK TABLE stream IN EXCLUSIVE MODE")
        await _tell(connection, hear)
        await checkpoints.trust(connection, server)
        await _copy(connection, actor)
        await checkpoints.remember(connection, comparison.last)
        await stops.resume(connection, checkpoints.API, actor, because)


@asynccontextmanager
async def _collected(
    service: str, pool: asyncpg.Pool, settings: Settings
) -> AsyncIterator[tuple[asyncpg.Connection, Comparison]]:
    """A transaction with the unknown facts in a table of its own."""
    known = await checkpoints.checkpoint(pool, service)
    async with acquire(pool) as connection, connection.transaction():
        await connection.execute(_UNKNOWN)
        async with opened(settings, topics_of(service)) as topics:
            comparison = Comparison(pool, topics, known)
            async for entries in comparison.unknown():
                await connection.copy_records_to_table(
                    "unknown", records=[_row(entry) for entry in entries], columns=_COLUMNS
                )
        yield connection, comparison


_COLUMNS = (
    "id", "topic", "key", "sequence", "type", "payload", "traceparent", "time", "partition",
    "offset", "compacted",
)  # fmt: skip

_UNKNOWN = """
CREATE TEMPORARY TABLE unknown (
    number      bigint GENERATED ALWAYS AS IDENTITY,
    id          uuid, topic text, key text, sequence bigint, type text, payload text,
    traceparent text, "time" timestamptz, partition integer, "offset" bigint, compacted boolean
) ON COMMIT DROP
"""

# Of a record that was sent again only the first; of a compacted key only the newest, for what came
# before it may be of a person who is erased. The others follow the key's last event without a gap:
# what comes after one that cannot be copied is left, too.
_CLASSED = """
CREATE TEMPORARY TABLE classed ON COMMIT DROP AS
WITH once AS (
    SELECT DISTINCT ON (topic, key, sequence, id) u.*
      FROM unknown AS u
     ORDER BY topic, key, sequence, id, number
),
counting AS (
    SELECT *
      FROM (SELECT *, sequence = max(sequence) OVER (PARTITION BY topic, key) AS newest FROM once)
     WHERE newest OR NOT compacted
),
fitting AS (
    SELECT c.*, coalesce(s.sequence, 0) AS head,
           CASE WHEN c.sequence <= coalesce(s.sequence, 0)
                  OR row_number() OVER (PARTITION BY topic, key, c.sequence ORDER BY c.number) > 1
                THEN 'another event has its sequence'
                WHEN row_number() OVER (PARTITION BY c.id ORDER BY c.number) > 1
                THEN 'another event has its id'
                WHEN octet_length(c.payload) > 512 * 1024
                THEN 'it is larger than 512 KiB'
                WHEN NOT pg_input_is_valid(c.payload, 'json')
                THEN 'PostgreSQL does not take it for JSON'
           END AS misfit
      FROM counting AS c
      LEFT JOIN stream AS s USING (topic, key)
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY topic, key, misfit IS NULL ORDER BY sequence) AS nth
      FROM fitting
)
SELECT *,
       CASE WHEN misfit IS NOT NULL
            THEN misfit
            WHEN NOT compacted AND sequence <> head + nth
            THEN 'an event before it is missing'
       END AS obstacle
  FROM ranked
"""


async def _tell(connection: asyncpg.Connection, hear: Hear) -> None:
    await connection.execute(_CLASSED)
    cursor = connection.cursor(
        """
        SELECT topic, key, sequence, id, type, "time", partition, "offset", payload, obstacle
          FROM classed
         ORDER BY topic, key, sequence, number
        """,
        prefetch=PIECE,
    )
    async for row in cursor:
        hear(Fact(**row))


async def _copy(connection: asyncpg.Connection, actor: str) -> None:
    """The facts come into the journal in their order, and are not sent: Kafka has them.

    Where one erases, what the journal had of its key goes first.
    """
    for row in await connection.fetch(
        """
        SELECT topic, array_agg(key) AS keys
          FROM classed
         WHERE obstacle IS NULL AND payload IS NULL
         GROUP BY topic
        """
    ):
        await journal.forget(connection, row["topic"], row["keys"])
    await connection.execute(
        """
        WITH taken AS (
            SELECT * FROM classed WHERE obstacle IS NULL
        ),
        moved AS (
            INSERT INTO stream AS s (topic, key, sequence)
            SELECT topic, key, max(sequence) FROM taken GROUP BY topic, key
            ON CONFLICT (topic, key) DO UPDATE SET sequence = excluded.sequence
        )
        INSERT INTO event (id, topic, key, sequence, type, payload, headers, actor, recorded_at)
        SELECT id, topic, key, sequence, type, payload::json,
               CASE WHEN traceparent IS NULL THEN '{}'
                    ELSE jsonb_build_object('traceparent', traceparent)
               END,
               $1, "time"
          FROM taken
         ORDER BY number
        """,
        f"reconciled by {actor}",
    )


def _row(entry: Entry) -> tuple[object, ...]:
    assert entry.event is not None
    value = entry.record.value
    return (
        entry.id, entry.record.topic, entry.key, entry.sequence, entry.type,
        None if value is None else value.decode(), entry.event.traceparent, entry.event.time,
        entry.record.partition, entry.record.offset, TOPICS[entry.record.topic].compacted,
    )  # fmt: skip
