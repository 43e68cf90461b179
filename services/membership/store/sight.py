"""What a scope of networks, groups and schools reaches on a date."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg


async def visible_schools(
    connection: asyncpg.Connection,
    *,
    network_ids: Sequence[UUID],
    group_ids: Sequence[UUID],
    school_ids: Sequence[UUID],
    today: date,
) -> list[UUID]:
    """The schools themselves, those that are or were in the networks, those in the groups now."""
    rows = await connection.fetch(
        """
        SELECT school_id FROM school WHERE school_id = ANY ($1)
        UNION
        SELECT school_id
          FROM membership
         WHERE (network_id = ANY ($2) OR joined_network_id = ANY ($2)) AND NOT void
        UNION
        SELECT school_id
          FROM group_stay
         WHERE group_id = ANY ($3)
           AND joined_on <= $4
           AND (left_on IS NULL OR left_on > $4)
        """,
        school_ids,
        network_ids,
        group_ids,
        today,
    )
    return [row["school_id"] for row in rows]


async def schools_now_in(
    connection: asyncpg.Connection, network_ids: Sequence[UUID], today: date
) -> list[UUID]:
    """The schools whose membership of one of the networks has not ended yet."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT school_id
          FROM membership
         WHERE network_id = ANY ($1) AND NOT void AND (ended_on IS NULL OR ended_on >= $2)
        """,
        network_ids,
        today,
    )
    return [row["school_id"] for row in rows]


async def networks_of(connection: asyncpg.Connection, school_ids: Sequence[UUID]) -> list[UUID]:
    """The networks that the schools are or were members of."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT unnest(ARRAY[network_id, joined_network_id]) AS network_id
          FROM membership
         WHERE school_id = ANY ($1) AND NOT void
        """,
        school_ids,
    )
    return [row["network_id"] for row in rows]


async def groups_of(connection: asyncpg.Connection, school_ids: Sequence[UUID]) -> list[UUID]:
    """The groups that the schools are or were in."""
    rows = await connection.fetch(
        "SELECT DISTINCT group_id FROM group_stay WHERE school_id = ANY ($1)", school_ids
    )
    return [row["group_id"] for row in rows]


async def records_of(connection: asyncpg.Connection, person_id: UUID) -> list[UUID]:
    """The record itself, and the one that it was merged into."""
    rows = await connection.fetch(
        """
        SELECT unnest(ARRAY[person_id, merged_into]) AS person_id
          FROM person
         WHERE person_id = $1
        """,
        person_id,
    )
    return [row["person_id"] for row in rows if row["person_id"] is not None]


async def advisers_of(connection: asyncpg.Connection, network_ids: Sequence[UUID]) -> list[UUID]:
    """The people who are or were advisers of the networks."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT coalesce(person.merged_into, person.person_id) AS person_id
          FROM adviser
          JOIN person USING (person_id)
         WHERE network_id = ANY ($1)
        """,
        network_ids,
    )
    return [row["person_id"] for row in rows]
