"""The figures of a year, by the definitions of the programme, as contributions to them.

A contribution counts for its `figure` and `kind` in its network, that network's region and
England: `n`, or, with an `entity`, once for all contributions of that entity; then the latest
`dated` gives the kind, of one date that with the lowest `tie`. It belongs to a `unit`: the day, the
school, or what else hours were earned on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from services.reporting.domain import Facts
from shared.clock import ProgrammeYear

ENGLAND = "England"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for: a region, a network or a school in a year; England where none is given."""

    year: ProgrammeYear
    region: str | None = None
    network: UUID | None = None
    school: UUID | None = None

    @property
    def scope(self) -> str:
        """The name of England, a region or a network among the totals."""
        return self.region or str(self.network or ENGLAND)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which rows are read, as conditions of SQL, so that a plan which is kept can use indexes.

    $1 are the years, $2 and $3 their first and last day.
    """

    rows: str
    """With the {unit} that a row belongs to, its {school} and its {day}."""
    stays: str
    members: str
    network_days: str

    def among(self, *, unit: str, school: str, day: str) -> str:
        return self.rows.format(unit=unit, school=school, day=day)


WHOLE_YEARS = Part(
    rows="{day} BETWEEN $2 AND $3",
    stays="true",
    members="true",
    network_days="d.date BETWEEN $2 AND $3",
)
# $4, and the schools that they have to do with, $5.
SOME_UNITS = Part(
    rows="{unit} = ANY ($4::uuid[])",
    stays="school_id = ANY ($5::uuid[])",
    members="s.school_id = ANY ($4)",
    network_days="d.day_id = ANY ($4)",
)
# $4. Its network days are those of its network on the date, and those that it had places on. The
# range keeps a plan from the indexes on dates: a year has many days, and a school few rows.
A_SCHOOL = Part(
    rows="{school} = $4::uuid AND daterange($2, $3, '[]') @> {day}",
    stays="school_id = $4",
    members="true",
    network_days="""
    daterange($2, $3, '[]') @> d.date
    AND d.day_id IN (
        SELECT day_id FROM register_entry WHERE school_id = $4
         UNION
        SELECT o.day_id
          FROM network_day AS o
         WHERE o.network_ids && ARRAY(SELECT network_id FROM stay)
           AND (SELECT s.network_id
                  FROM stay AS s
                 WHERE o.date BETWEEN s.from_on AND s.to_on
                 ORDER BY s.from_on DESC, s.network_id
                 LIMIT 1) = ANY (o.network_ids))""",
)


def narrowed(years: Sequence[ProgrammeYear], *to: object) -> tuple[object, ...]:
    """The arguments of `contributions`, with what a part of the years asks for as $4 and $5."""
    return (
        [year.first_year for year in years], min(years).first_day, max(years).last_day, *to,
    )  # fmt: skip


def facts_of(networks: Iterable[asyncpg.Record], counts: Iterable[asyncpg.Record]) -> Facts:
    """Facts from the counted networks and from (figure, kind, n)."""
    found: dict[str, list[Any]] = {"networks": [tuple(row.values()) for row in networks]}
    for figure, kind, n in counts:
        if figure in BY_MONTH:
            kind = [*kind[:-1], date.fromisoformat(kind[-1])]
        found.setdefault(figure, []).append((*kind, n if figure == "hours" else int(n)))
    return Facts(**found)


BY_MONTH = {"network_days", "places", "days_in_schools", "hours"}
"""The last of their kind is the month."""


def _year(day: str) -> str:
    return f"extract(year FROM {day} - interval '8 months')::integer"


def _month(day: str) -> str:
    return f"date_trunc('month', {day})::date::text"


# Who was where is worked out once, where a look-up a row would take a national year beyond any
# patience. The network that a place counts for: of those that the day is for, the one that the
# school was in, or else the day's first. Hours count for the network of the day that they were
# earned on; without a day, for the one that the school was in.
def _rows(of: Part) -> str:
    """The beginning of a statement: stays, places, people and hours."""
    return f"""
stay AS MATERIALIZED (
    SELECT school_id, membership_id, network_id, pathway, from_on, to_on
      FROM placement
     WHERE from_on <= to_on
       AND from_on <= $3::date
       AND to_on >= $2::date
       AND {of.stays}
),
place AS (
    SELECT DISTINCT ON (e.day_id, e.place_id)
           e.day_id, e.person_id, e.role, e.attendance, d.date,
           coalesce(s.network_id, d.network_ids[1]) AS network_id
      FROM network_day AS d
      JOIN register_entry AS e USING (day_id)
      LEFT JOIN stay AS s
             ON s.school_id = e.school_id
            AND s.network_id = ANY (d.network_ids)
            AND d.date BETWEEN s.from_on AND s.to_on
     WHERE d.status = 'held'
       AND {of.among(unit="d.day_id", school="e.school_id", day="d.date")}
     ORDER BY e.day_id, e.place_id, s.from_on DESC, s.network_id
),
involved AS (
    SELECT day_id, person_id, role, date, network_id
      FROM place
     WHERE attendance IN ('attended', 'late')
     UNION ALL
    SELECT day_id, p.person_id, p.role, d.date, d.network_id
      FROM development_day AS d
      JOIN participant AS p USING (day_id)
     WHERE d.status = 'delivered'
       AND {of.among(unit="d.day_id", school="d.school_id", day="d.date")}
),
earned AS (
    SELECT DISTINCT ON (c.credit_id)
           c.source_id, c.strand, c.hours, c.earned_on,
           coalesce(s.network_id, n.network_ids[1], d.network_id) AS network_id
      FROM credit AS c
      LEFT JOIN network_day AS n ON n.day_id = c.source_id
      LEFT JOIN development_day AS d ON d.day_id = c.source_id
      LEFT JOIN stay AS s
             ON s.school_id = c.school_id
            AND (coalesce(n.day_id, d.day_id) IS NULL
                 OR s.network_id = ANY (coalesce(n.network_ids, ARRAY[d.network_id])))
            AND c.earned_on BETWEEN s.from_on AND s.to_on
     WHERE NOT c.revoked
       AND {of.among(unit="c.source_id", school="c.school_id", day="c.earned_on")}
     ORDER BY c.credit_id, s.from_on DESC, s.network_id
)"""  # noqa: S608


# A school counts once, in the network that it was in last; one that joined twice in the year as it
# joined last.
def _of_schools(of: Part) -> str:
    return f"""
SELECT y.year, s.school_id, 'member_schools', s.school_id, s.network_id,
       ARRAY[s.pathway, n.region], 1, s.from_on, s.membership_id::text
  FROM stay AS s
  JOIN unnest($1::integer[]) AS y (year)
    ON s.from_on <= make_date(y.year + 1, 8, 31)
   AND s.to_on >= make_date(y.year, 9, 1)
  LEFT JOIN network AS n USING (network_id)
 WHERE {of.members}
 UNION ALL
SELECT {_year("joined_on")}, school_id, 'joined', school_id, network_id,
       ARRAY[framework, judgement], 1, joined_on, membership_id::text
  FROM membership
 WHERE NOT void
   AND {of.among(unit="school_id", school="school_id", day="joined_on")}
"""  # noqa: S608


# A day counts in each of its networks.
def _of_days(of: Part) -> str:
    return f"""
SELECT {_year("d.date")}, d.day_id, 'network_days', d.day_id, n.network_id,
       ARRAY[d.status, {_month("d.date")}], 1, NULL, NULL
  FROM network_day AS d
  LEFT JOIN LATERAL unnest(d.network_ids) AS n (network_id) ON true
 WHERE {of.network_days}
 UNION ALL
SELECT {_year("date")}, day_id, 'days_in_schools', NULL, network_id,
       ARRAY[{_month("date")}], 1, NULL, NULL
  FROM development_day
 WHERE status = 'delivered'
   AND {of.among(unit="day_id", school="school_id", day="date")}
"""  # noqa: S608


# A person counts once, by the role on the latest day; of several on one date by the most senior.
OF_PEOPLE = f"""
SELECT {_year("i.date")}, i.day_id, 'leaders', coalesce(o.stays, i.person_id), i.network_id,
       ARRAY[i.role], 1, i.date,
       array_position(ARRAY['headteacher', 'senior_leader', 'middle_leader', 'other'],
                      i.role)::text
  FROM involved AS i
  LEFT JOIN one_person AS o USING (person_id)
 UNION ALL
SELECT {_year("date")}, day_id, 'places', NULL, network_id,
       ARRAY[attendance, {_month("date")}], count(*), NULL, NULL
  FROM place
 GROUP BY day_id, date, network_id, attendance
 UNION ALL
SELECT {_year("earned_on")}, source_id, 'hours', NULL, network_id,
       ARRAY[strand, {_month("earned_on")}], sum(hours), NULL, NULL
  FROM earned
 GROUP BY 1, 2, 5, 6
"""  # noqa: S608


def contributions(of: Part) -> str:
    """The beginning of a statement that goes on with what it does with all that is `found`."""
    return f"""
{_rows(of)},
found (year, unit, figure, entity, network_id, kind, n, dated, tie) AS (
    {"UNION ALL".join((_of_schools(of), _of_days(of), OF_PEOPLE))}
)"""


NETWORKS = """
SELECT n.region, count(*), count(*) FILTER (WHERE n.established_on >= $1::date)
  FROM network AS n
 WHERE n.established_on <= least($2::date, $3::date)
   AND (n.closed_on IS NULL OR n.closed_on >= $1)
   AND {}
 GROUP BY n.region
"""
ALL_NETWORKS = NETWORKS.format(
    "($4::text IS NULL OR n.region = $4) AND ($5::uuid IS NULL OR n.network_id = $5)"
)
NETWORKS_OF_A_SCHOOL = NETWORKS.format(
    """
    n.network_id IN (SELECT network_id
                       FROM placement
                      WHERE school_id = $4
                        AND from_on <= to_on
                        AND from_on <= $2
                        AND to_on >= $1)"""
)


async def networks(
    connection: asyncpg.Connection, asked: Asked, today: date
) -> list[asyncpg.Record]:
    """(region, all, newly established); the only figure that depends on the date of asking."""
    dates = asked.year.first_day, asked.year.last_day, today
    if asked.school is not None:
        return await connection.fetch(NETWORKS_OF_A_SCHOOL, *dates, asked.school)
    return await connection.fetch(ALL_NETWORKS, *dates, asked.region, asked.network)


OF_A_SCHOOL = f"""
WITH {contributions(A_SCHOOL)}
SELECT figure, kind, sum(n)
  FROM found
 WHERE entity IS NULL
 GROUP BY figure, kind
 UNION ALL
SELECT figure, kind, count(*)
  FROM (SELECT DISTINCT ON (figure, entity) figure, kind
          FROM found
         WHERE entity IS NOT NULL
         ORDER BY figure, entity, dated DESC, tie) AS counted
 GROUP BY figure, kind
"""  # noqa: S608


async def of_a_school(
    connection: asyncpg.Connection, school: UUID, year: ProgrammeYear
) -> list[asyncpg.Record]:
    """(figure, kind, n) of one school, from its rows."""
    return await connection.fetch(OF_A_SCHOOL, *narrowed([year], school))
