"""The figures of a year, by the definitions of the programme; one statement a figure.

`networks` and `school` narrow a figure down; None means all. Places, days and hours count for the
network that their school was in on the date, so that the networks of a region add up to it.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg

from services.reporting.domain import Facts
from shared.clock import ProgrammeYear


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for, as the statements take it: $1 to $4."""

    year: ProgrammeYear
    networks: list[UUID] | None = None
    school: UUID | None = None

    @property
    def arguments(self) -> tuple[date, date, list[UUID] | None, UUID | None]:
        return self.year.first_day, self.year.last_day, self.networks, self.school


async def facts(connection: asyncpg.Connection, asked: Asked, today: date) -> Facts:
    """Everything that a report is made of, from one snapshot if the transaction has one."""
    return Facts(
        networks=await _rows(connection, NETWORKS, *asked.arguments, today),
        member_schools=await _rows(connection, MEMBER_SCHOOLS, *asked.arguments),
        joined=await _rows(connection, JOINED, *asked.arguments),
        leaders=await _rows(connection, LEADERS, *asked.arguments),
        network_days=await _rows(connection, NETWORK_DAYS, *asked.arguments),
        places=await _rows(connection, PLACES, *asked.arguments),
        days_in_schools=await _rows(connection, DAYS_IN_SCHOOLS, *asked.arguments),
        hours=await _rows(connection, HOURS, *asked.arguments),
    )


async def _rows(connection: asyncpg.Connection, query: str, *arguments: object) -> list[tuple]:  # type: ignore[type-arg]
    return [tuple(row.values()) for row in await connection.fetch(query, *arguments)]


NETWORKS = """
SELECT n.region, count(*), count(*) FILTER (WHERE n.established_on >= $1::date)
  FROM network AS n
 WHERE n.established_on <= least($2::date, $5::date)
   AND (n.closed_on IS NULL OR n.closed_on >= $1)
   AND ($3::uuid[] IS NULL OR n.network_id = ANY ($3))
   AND ($4::uuid IS NULL OR EXISTS (SELECT FROM placement AS p
                                     WHERE p.school_id = $4
                                       AND p.network_id = n.network_id
                                       AND p.from_on <= p.to_on
                                       AND p.from_on <= $2
                                       AND p.to_on >= $1))
 GROUP BY n.region
"""

# A school counts once, in the network that it was in last.
MEMBER_SCHOOLS = """
SELECT pathway, region, count(*)
  FROM (SELECT DISTINCT ON (p.school_id) p.pathway, n.region
          FROM placement AS p
          LEFT JOIN network AS n USING (network_id)
         WHERE p.from_on <= p.to_on
           AND p.from_on <= $2::date
           AND p.to_on >= $1::date
           AND ($3::uuid[] IS NULL OR p.network_id = ANY ($3))
           AND ($4::uuid IS NULL OR p.school_id = $4)
         ORDER BY p.school_id, p.from_on DESC, p.membership_id, n.region) AS member
 GROUP BY pathway, region
"""

# A school that joined twice in the year counts once, as it joined last.
JOINED = """
SELECT framework, judgement, count(*)
  FROM (SELECT DISTINCT ON (school_id) framework, judgement
          FROM membership
         WHERE NOT void
           AND joined_on BETWEEN $1::date AND $2::date
           AND ($3::uuid[] IS NULL OR network_id = ANY ($3))
           AND ($4::uuid IS NULL OR school_id = $4)
         ORDER BY school_id, joined_on DESC, membership_id) AS joined
 GROUP BY framework, judgement
"""

# A person counts once, by the role on the latest day; of several on one date by the most senior.
LEADERS = """
SELECT role, count(*)
  FROM (SELECT DISTINCT ON (coalesce(o.stays, i.person_id)) i.role
          FROM (SELECT e.person_id, e.role, d.date
                  FROM network_day AS d
                  JOIN register_entry AS e USING (day_id)
                 WHERE d.status = 'held'
                   AND d.date BETWEEN $1::date AND $2::date
                   AND e.attendance IN ('attended', 'late')
                   AND ($3::uuid[] IS NULL
                        OR d.network_ids && $3
                       AND network_of_place(e.school_id, d.date, d.network_ids) = ANY ($3))
                   AND ($4::uuid IS NULL OR e.school_id = $4)
                 UNION ALL
                SELECT p.person_id, p.role, d.date
                  FROM development_day AS d
                  JOIN participant AS p USING (day_id)
                 WHERE d.status = 'delivered'
                   AND d.date BETWEEN $1 AND $2
                   AND ($3 IS NULL OR d.network_id = ANY ($3))
                   AND ($4 IS NULL OR d.school_id = $4)) AS i
          LEFT JOIN one_person AS o USING (person_id)
         ORDER BY coalesce(o.stays, i.person_id), i.date DESC,
                  array_position(ARRAY['headteacher', 'senior_leader', 'middle_leader', 'other'],
                                 i.role)) AS involved
 GROUP BY role
"""

# A school's Network Days are those of its network on the date, and those that it had places on.
NETWORK_DAYS = """
SELECT d.status, date_trunc('month', d.date)::date, count(*)
  FROM network_day AS d
 WHERE d.date BETWEEN $1::date AND $2::date
   AND ($3::uuid[] IS NULL OR d.network_ids && $3)
   AND ($4::uuid IS NULL
        OR network_of_school($4, d.date) = ANY (d.network_ids)
        OR EXISTS (SELECT FROM register_entry AS e
                    WHERE e.day_id = d.day_id AND e.school_id = $4))
 GROUP BY 1, 2
"""

PLACES = """
SELECT e.attendance, date_trunc('month', d.date)::date, count(*)
  FROM network_day AS d
  JOIN register_entry AS e USING (day_id)
 WHERE d.status = 'held'
   AND d.date BETWEEN $1::date AND $2::date
   AND ($3::uuid[] IS NULL
        OR d.network_ids && $3
       AND network_of_place(e.school_id, d.date, d.network_ids) = ANY ($3))
   AND ($4::uuid IS NULL OR e.school_id = $4)
 GROUP BY 1, 2
"""

DAYS_IN_SCHOOLS = """
SELECT date_trunc('month', d.date)::date, count(*)
  FROM development_day AS d
 WHERE d.status = 'delivered'
   AND d.date BETWEEN $1::date AND $2::date
   AND ($3::uuid[] IS NULL OR d.network_id = ANY ($3))
   AND ($4::uuid IS NULL OR d.school_id = $4)
 GROUP BY 1
"""

HOURS = """
SELECT c.strand, date_trunc('month', c.earned_on)::date, sum(c.hours)
  FROM credit AS c
  LEFT JOIN network_day AS n ON n.day_id = c.source_id
  LEFT JOIN development_day AS d ON d.day_id = c.source_id
 WHERE NOT c.revoked
   AND c.earned_on BETWEEN $1::date AND $2::date
   AND ($3::uuid[] IS NULL
        OR CASE
           WHEN n.day_id IS NOT NULL
           THEN network_of_place(c.school_id, c.earned_on, n.network_ids)
           WHEN d.day_id IS NOT NULL THEN d.network_id
           ELSE network_of_school(c.school_id, c.earned_on)
           END = ANY ($3))
   AND ($4::uuid IS NULL OR c.school_id = $4)
 GROUP BY 1, 2
"""
