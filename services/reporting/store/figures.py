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
from shared.database import plan_anew


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
    async with connection.transaction():
        await plan_anew(connection)  # one school, or all of England: not to be read alike
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


# Who was where in the year: worked out once for a statement, where a look-up a row would take a
# national year beyond any patience. Without networks or a school to narrow down to, nobody asks.
STAY = """
stay AS MATERIALIZED (
    SELECT school_id, network_id, from_on, to_on
      FROM placement
     WHERE ($3::uuid[] IS NOT NULL OR school_id = $4::uuid)
       AND from_on <= to_on
       AND from_on <= $2::date
       AND to_on >= $1::date
)"""

# The network that a place counts for: of those that the day is for, the one that the school was
# in, or else the day's first.
PLACE = f"""{STAY},
place AS (
    SELECT DISTINCT ON (e.day_id, e.place_id)
           e.person_id, e.role, e.attendance, d.date,
           coalesce(s.network_id, d.network_ids[1]) AS network_id
      FROM network_day AS d
      JOIN register_entry AS e USING (day_id)
      LEFT JOIN stay AS s
             ON s.school_id = e.school_id
            AND s.network_id = ANY (d.network_ids)
            AND d.date BETWEEN s.from_on AND s.to_on
     WHERE d.status = 'held'
       AND d.date BETWEEN $1 AND $2
       AND ($3 IS NULL OR d.network_ids && $3)
       AND ($4 IS NULL OR e.school_id = $4)
     ORDER BY e.day_id, e.place_id, s.from_on DESC, s.network_id
)"""  # noqa: S608

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
LEADERS = f"""
WITH {PLACE}
SELECT role, count(*)
  FROM (SELECT DISTINCT ON (coalesce(o.stays, i.person_id)) i.role
          FROM (SELECT person_id, role, date
                  FROM place
                 WHERE attendance IN ('attended', 'late')
                   AND ($3 IS NULL OR network_id = ANY ($3))
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
"""  # noqa: S608

# A school's Network Days are those of its network on the date, and those that it had places on.
NETWORK_DAYS = f"""
WITH {STAY}
SELECT d.status, date_trunc('month', d.date)::date, count(*)
  FROM network_day AS d
 WHERE d.date BETWEEN $1 AND $2
   AND ($3 IS NULL OR d.network_ids && $3)
   AND ($4 IS NULL
        OR (SELECT s.network_id
              FROM stay AS s
             WHERE s.school_id = $4
               AND d.date BETWEEN s.from_on AND s.to_on
             ORDER BY s.from_on DESC, s.network_id
             LIMIT 1) = ANY (d.network_ids)
        OR EXISTS (SELECT FROM register_entry AS e
                    WHERE e.day_id = d.day_id AND e.school_id = $4))
 GROUP BY 1, 2
"""  # noqa: S608

PLACES = f"""
WITH {PLACE}
SELECT attendance, date_trunc('month', date)::date, count(*)
  FROM place
 WHERE $3 IS NULL OR network_id = ANY ($3)
 GROUP BY 1, 2
"""  # noqa: S608

DAYS_IN_SCHOOLS = """
SELECT date_trunc('month', d.date)::date, count(*)
  FROM development_day AS d
 WHERE d.status = 'delivered'
   AND d.date BETWEEN $1::date AND $2::date
   AND ($3::uuid[] IS NULL OR d.network_id = ANY ($3))
   AND ($4::uuid IS NULL OR d.school_id = $4)
 GROUP BY 1
"""

# Hours count for the network of the day that they were earned on; without a day, for the one that
# the school was in.
HOURS = f"""
WITH {STAY},
earned AS (
    SELECT c.credit_id, c.strand, c.hours, c.earned_on, c.school_id,
           coalesce(n.network_ids, ARRAY[d.network_id]) AS network_ids,
           coalesce(n.day_id, d.day_id) IS NOT NULL AS on_a_day
      FROM credit AS c
      LEFT JOIN network_day AS n ON n.day_id = c.source_id
      LEFT JOIN development_day AS d ON d.day_id = c.source_id
     WHERE NOT c.revoked
       AND c.earned_on BETWEEN $1 AND $2
       AND ($4 IS NULL OR c.school_id = $4)
),
counted AS (
    SELECT DISTINCT ON (e.credit_id)
           e.strand, e.hours, e.earned_on, coalesce(s.network_id, e.network_ids[1]) AS network_id
      FROM earned AS e
      LEFT JOIN stay AS s
             ON s.school_id = e.school_id
            AND (s.network_id = ANY (e.network_ids) OR NOT e.on_a_day)
            AND e.earned_on BETWEEN s.from_on AND s.to_on
     WHERE $3 IS NULL OR NOT e.on_a_day OR e.network_ids && $3
     ORDER BY e.credit_id, s.from_on DESC, s.network_id
)
SELECT strand, date_trunc('month', earned_on)::date, sum(hours)
  FROM counted
 WHERE $3 IS NULL OR network_id = ANY ($3)
 GROUP BY 1, 2
"""  # noqa: S608
