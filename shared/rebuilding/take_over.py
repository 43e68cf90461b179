"""The new answers take the place of the old ones, in one transaction.

The projections' tables, views and functions change places. The kernel's own tables stay where they
are, so that batches that wait for us go on in them; what differs in them is put right.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from shared.messaging import faults
from shared.rebuilding.area import SCHEMA, Area
from shared.rebuilding.differences import Difference
from shared.rebuilding.refusal import CannotRebuild

ATTEMPTS: Final = 20
READERS_END: Final = "15s"
"""For reports that are being read. They look at `position` first, so they hold no other table
while they wait for us."""
OTHERS_END: Final = "900ms"
"""For whoever else looks at one of the tables: less than the second after which PostgreSQL ends
somebody in a deadlock, so that it is never they."""


async def take_over(
    connection: asyncpg.Connection,
    area: Area,
    differences: Sequence[Difference],
    actor: str,
    because: str | None,
) -> None:
    """Has the new answers serve; who had them, over how many differences and why is on record.

    Raises:
        CannotRebuild: somebody does not let go of the old tables.
    """
    if differences:
        await _put_right(connection, area)
    await _lock(connection, area)
    kinds = (("FUNCTION", area.functions), ("TABLE", area.tables), ("VIEW", area.views))
    for kind, names in reversed(kinds):
        if names:
            await connection.execute(f"DROP {kind} {_named(area.live, names)}")
    for kind, names in kinds:
        for name in names:
            await connection.execute(f"ALTER {kind} {SCHEMA}.{name} SET SCHEMA {area.live}")
    await connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await connection.execute(
        f"INSERT INTO {area.live}.rebuilt (rebuilt_by, differences, because) VALUES ($1, $2, $3)",
        actor,
        sum(each.count for each in differences),
        because,
    )
    await faults.reach("after_take_over_before_commit")


async def _lock(connection: asyncpg.Connection, area: Area) -> None:
    """Waits for those who read the old tables, and lets nobody else begin."""
    tables = _named(area.live, [*area.tables, *area.views])
    for _ in range(ATTEMPTS):
        try:
            async with connection.transaction():
                await connection.execute(
                    f"""
                    SET LOCAL lock_timeout = '{READERS_END}';
                    LOCK TABLE {area.live}.position IN ACCESS EXCLUSIVE MODE;
                    SET LOCAL lock_timeout = '{OTHERS_END}';
                    LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
                    """
                )
        except asyncpg.LockNotAvailableError:
            continue
        return
    raise CannotRebuild(
        "The new answers are ready, but somebody keeps reading the old tables, as a backup does. "
        "Run this again when that is over: it goes on from here."
    )


async def _put_right(connection: asyncpg.Connection, area: Area) -> None:
    """The kernel's rows of those keys that have come to another state.

    Each such key's row in the inbox moves, so that a batch that looked before starts over. A
    record that is parked in both keeps its number.
    """
    old, new = _states(area.live), _states(SCHEMA)
    keys = await connection.fetch(
        f"""
        SELECT topic, key FROM ({old} EXCEPT {new}) AS gone
         UNION SELECT topic, key FROM ({new} EXCEPT {old}) AS added
        """
    )
    given = [row["topic"] for row in keys], [row["key"] for row in keys]
    live, moved = area.live, "unnest($1::text[], $2::text[]) AS moved (topic, key)"
    for statement in (
        f"""
        INSERT INTO {live}.inbox AS o (topic, key, sequence, last_id, version, unsettled)
        SELECT topic, key, sequence, last_id, 1, true
          FROM {SCHEMA}.inbox JOIN {moved} USING (topic, key)
        ON CONFLICT (topic, key) DO UPDATE
           SET sequence = excluded.sequence, last_id = excluded.last_id, version = o.version + 1,
               unsettled = true
        """,
        f"""
        DELETE FROM {live}.set_aside AS o USING {moved}
         WHERE (o.topic, o.key) = (moved.topic, moved.key)
        """,
        f"""
        INSERT INTO {live}.set_aside
        SELECT n.* FROM {SCHEMA}.set_aside AS n JOIN {moved} USING (topic, key)
        """,
        f"""
        DELETE FROM {live}.parked AS o USING {moved}
         WHERE (o.topic, o.key) = (moved.topic, moved.key)
           AND NOT EXISTS (SELECT
                             FROM {SCHEMA}.parked AS n
                            WHERE (n.topic, n.key, n.sequence) = (o.topic, o.key, o.sequence)
                              AND n.event_id IS NOT DISTINCT FROM o.event_id)
        """,
        f"""
        INSERT INTO {live}.parked (topic, partition, "offset", key, sequence, event_id, headers,
                                   raw_key, value, reason, failure)
        SELECT topic, partition, "offset", key, sequence, event_id, headers, raw_key, value,
               reason, failure
          FROM {SCHEMA}.parked JOIN {moved} USING (topic, key)
        ON CONFLICT DO NOTHING
        """,
    ):
        await connection.execute(statement, *given)


def _states(schema: str) -> str:
    """How far every key has come, and what of it is set aside or parked."""
    return f"""
        (SELECT topic, key, 'inbox' AS kept_in, sequence, last_id AS id FROM {schema}.inbox
          UNION ALL
         SELECT topic, key, 'set_aside', sequence, event_id FROM {schema}.set_aside
          UNION ALL
         SELECT topic, key, 'parked', sequence, event_id FROM {schema}.parked WHERE key IS NOT NULL)
    """


def _named(schema: str, names: Sequence[str]) -> str:
    return ", ".join(f"{schema}.{name}" for name in names)
