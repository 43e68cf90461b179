"""What a trust's earlier OneRoster files have said."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.integration.domain.oneroster import Known, Post
from services.integration.store.reports import read_staff
from shared.database import columns


async def known(connection: asyncpg.Connection, trust_id: UUID, today: date) -> Known:
    """All posts that such files have reported, and what the trust calls its schools."""
    posts = await connection.fetch(
        """
        SELECT r.user_id, s.*
          FROM roster_role AS r
          JOIN staff AS s USING (trust_id, external_id)
         WHERE r.trust_id = $1
        """,
        trust_id,
    )
    orgs = await connection.fetch(
        """
        SELECT external_id, urn_on(school_id, $2) AS urn
          FROM reported_school
         WHERE trust_id = $1
           AND urn_on(school_id, $2) IS NOT NULL
        """,
        trust_id,
        today,
    )
    schools = await connection.fetch(
        """
        SELECT school_id, urn_on(school_id, $2) AS urn
          FROM (SELECT DISTINCT school_id FROM staff WHERE trust_id = $1) AS s
         WHERE urn_on(school_id, $2) IS NOT NULL
        """,
        trust_id,
        today,
    )
    return Known(
        posts={row["external_id"]: Post(row["user_id"], read_staff(row)) for row in posts},
        urns={row["external_id"]: row["urn"] for row in orgs},
        urn_of_school={row["school_id"]: row["urn"] for row in schools},
    )


async def save(
    connection: asyncpg.Connection, trust_id: UUID, roles: Sequence[tuple[str, str]]
) -> None:
    """Roles are (external id, user); those of which nothing was taken are left out."""
    await connection.execute(
        """
        INSERT INTO roster_role (trust_id, external_id, user_id)
        SELECT s.trust_id, r.*
          FROM unnest($2::text[], $3::text[]) AS r (external_id, user_id)
          JOIN staff AS s ON s.trust_id = $1 AND s.external_id = r.external_id
        ON CONFLICT (trust_id, external_id) DO UPDATE SET user_id = excluded.user_id
        """,
        trust_id,
        *columns(roles, 2),
    )
