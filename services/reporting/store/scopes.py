"""What may be asked for, who may ask for it, and whether anything has changed since last time."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

import asyncpg

from shared.clock import ProgrammeYear


async def state(connection: asyncpg.Connection) -> str:
    """A text that changes whenever an event takes effect here, and may change when none does.

    The positions move with every batch, in its transaction; what is replayed or discarded leaves
    `parked`; a rebuild is counted. All are small, however many keys there are.

    Ask for it first: a rebuild takes over between transactions that begin with `position`.
    """
    found: str = await connection.fetchval(
        """
        SELECT concat_ws(
                   ';',
                   (SELECT string_agg(concat_ws(':', topic, partition, "offset", event_id), ','
                                      ORDER BY topic, partition)
                      FROM position),
                   (SELECT concat_ws(':', count(*), sum(parked_id)) FROM parked),
                   (SELECT count(*) FROM discarded),
                   (SELECT count(*) FROM rebuilt))
        """
    )
    return found


async def network_name(connection: asyncpg.Connection, network_id: UUID) -> str | None:
    name: str | None = await connection.fetchval(
        "SELECT name FROM network WHERE network_id = $1", network_id
    )
    return name


async def school_name(connection: asyncpg.Connection, school_id: UUID) -> str | None:
    name: str | None = await connection.fetchval(
        "SELECT name FROM school WHERE school_id = $1", school_id
    )
    return name


async def schools_of_groups(
    connection: asyncpg.Connection, group_ids: Iterable[UUID], today: date
) -> set[UUID]:
    """The schools that are in one of the groups today."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT school_id
          FROM group_school
         WHERE group_id = ANY ($1::uuid[])
           AND joined_on <= $2
           AND (left_on IS NULL OR $2 < left_on)
        """,
        list(group_ids),
        today,
    )
    return {row["school_id"] for row in rows}


async def was_in_networks(
    connection: asyncpg.Connection, school_id: UUID, network_ids: Iterable[UUID],
    year: ProgrammeYear,
) -> bool:  # fmt: skip
    """Whether a school was in one of the networks on any day of the year."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM placement
             WHERE school_id = $1
               AND network_id = ANY ($2::uuid[])
               AND from_on <= to_on
               AND from_on <= $4
               AND to_on >= $3)
        """,
        school_id,
        list(network_ids),
        year.first_day,
        year.last_day,
    )
    return found


async def networks(
    connection: asyncpg.Connection, network_ids: Iterable[UUID] | None
) -> list[asyncpg.Record]:
    """All networks, or those of the ids, by region and name."""
    return await connection.fetch(
        """
        SELECT network_id, name, region
          FROM network
         WHERE $1::uuid[] IS NULL OR network_id = ANY ($1)
         ORDER BY region, name, network_id
        """,
        None if network_ids is None else list(network_ids),
    )


async def schools(
    connection: asyncpg.Connection, *, school_ids: Iterable[UUID] | None = None,
    network_id: UUID | None = None,
) -> list[asyncpg.Record]:  # fmt: skip
    """The schools of the ids, or those that were ever in a network, by name."""
    return await connection.fetch(
        """
        SELECT school_id, name
          FROM school
         WHERE ($1::uuid[] IS NULL OR school_id = ANY ($1))
           AND ($2::uuid IS NULL
                OR school_id IN (SELECT p.school_id FROM placement AS p WHERE p.network_id = $2))
         ORDER BY name, school_id
        """,
        None if school_ids is None else list(school_ids),
        network_id,
    )


async def dates(connection: asyncpg.Connection) -> tuple[date | None, date | None]:
    """The first and the last date on which anything that is reported happens."""
    row = await connection.fetchrow(
        """
        SELECT min(day), max(day)
          FROM (SELECT min(established_on) AS day FROM network
                 UNION ALL SELECT min(joined_on) FROM membership WHERE NOT void
                 UNION ALL SELECT min(date) FROM network_day
                 UNION ALL SELECT min(date) FROM development_day
                 UNION ALL SELECT min(earned_on) FROM credit WHERE NOT revoked
                 UNION ALL SELECT max(joined_on) FROM membership WHERE NOT void
                 UNION ALL SELECT max(date) FROM network_day
                 UNION ALL SELECT max(date) FROM development_day
                 UNION ALL SELECT max(earned_on) FROM credit WHERE NOT revoked) AS days
        """
    )
    assert row is not None
    return row[0], row[1]
