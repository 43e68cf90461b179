"""Networks, schools and people as membership told of them, for those who may see them."""

import datetime
from uuid import UUID

import asyncpg

from services.scheduling.store.known import Scope


async def network(
    connection: asyncpg.Connection, network_id: UUID, today: datetime.date
) -> asyncpg.Record | None:
    """A network with those who are its advisers today."""
    return await connection.fetchrow(
        """
        SELECT n.network_id, n.name, n.region, n.established_on, n.closed_on,
               ARRAY(SELECT DISTINCT person_that_stays(c.person_id)
                       FROM adviser_change AS c
                      WHERE c.network_id = n.network_id
                        AND n.network_id IN (SELECT networks_advised(c.person_id, $2))
                      ORDER BY 1) AS advisers
          FROM network AS n
         WHERE n.network_id = $1
        """,
        network_id,
        today,
    )


async def school(
    connection: asyncpg.Connection, school_id: UUID, today: datetime.date
) -> asyncpg.Record | None:
    """A school with its latest membership, in the network of today, or that of its first day.

    `active` says whether the school is an active member today.
    """
    return await connection.fetchrow(
        """
        SELECT s.school_id, s.urn, s.name, m.membership_id, m.pathway, m.joined_on, m.ends_on,
               m.ended_on,
               coalesce((SELECT v.network_id
                           FROM membership_move AS v
                          WHERE v.membership_id = m.membership_id AND v.moved_on <= $2
                          ORDER BY v.moved_on DESC
                          LIMIT 1),
                        m.network_id) AS network_id,
               active_network(s.school_id, $2) IS NOT NULL AS active
          FROM school AS s
          LEFT JOIN LATERAL (SELECT *
                               FROM school_membership
                              WHERE school_id = s.school_id AND NOT void
                              ORDER BY joined_on DESC, membership_id
                              LIMIT 1) AS m ON true
         WHERE s.school_id = $1
        """,
        school_id,
        today,
    )


async def posts(
    connection: asyncpg.Connection, person_id: UUID, scope: Scope, today: datetime.date
) -> list[asyncpg.Record]:
    """The posts of a person that the scope reaches: at its schools, or those of its networks."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT p.post_id, p.school_id, p.role, p.appointed_on, person_that_stays($1) AS person_id,
               (SELECT min(l.left_on) FROM post_left AS l WHERE l.post_id = p.post_id) AS left_on
          FROM post AS p
         WHERE p.person_id IN (SELECT ids_of_person($1))
           AND ($2::boolean
                OR p.school_id = ANY ($3::uuid[])
                OR p.person_id = ANY ($4::uuid[])
                OR active_network(p.school_id, $6) = ANY ($5::uuid[]))
         ORDER BY p.appointed_on, p.post_id
        """,
        person_id,
        scope.everything,
        list(scope.schools),
        list(scope.person_ids),
        list(scope.networks),
        today,
    )
    return rows
