"""Summaries of the years that are asked for: what they were, put right by what was touched since.

Whoever puts them right has locked them; everybody else goes on reading what was committed before.
"""

from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from services.reporting.domain import BeingWorkedOut, Facts
from services.reporting.store.figures import (
    SOME_UNITS,
    WHOLE_YEARS,
    Asked,
    Part,
    contributions,
    facts_of,
    narrowed,
    networks,
    of_a_school,
)
from shared.clock import ProgrammeYear
from shared.database import plan_anew, plan_once

FEW: Final = 1_000
"""Rows that it is never worth forgetting the years for, nor planning anew how to look them up."""
YEAR_SECONDS: Final = 300
"""That working out a year may take; at ten million events of ten years it takes twenty."""
WAIT_SECONDS: Final = 10
"""For somebody else's doing so."""


async def facts(connection: asyncpg.Connection, asked: Asked, today: date) -> Facts:
    """Everything that a report is made of. A school's is little, and comes from its rows.

    In a transaction with one snapshot, `begin` comes first where `is_current` says no.
    """
    async with connection.transaction():
        await plan_once(connection)
        if asked.school is not None:
            counts = await of_a_school(connection, asked.school, asked.year)
        else:
            if not await is_current(connection, asked):
                await _lock(connection)
                await _bring_up_to_date(connection, asked.year)
            counts = await connection.fetch(
                "SELECT figure, kind, n FROM total WHERE year = $1 AND scope = $2 AND n <> 0",
                asked.year.first_year, asked.scope,
            )  # fmt: skip
        return facts_of(await networks(connection, asked, today), counts)


async def is_current(connection: asyncpg.Connection, asked: Asked) -> bool:
    """Whether there is nothing to work out, but for a school."""
    current: bool = asked.school is not None or await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM summed_year WHERE year = $1)
           AND NOT EXISTS (SELECT FROM touched)
        """,
        asked.year.first_year,
    )
    return current


async def begin(connection: asyncpg.Connection) -> None:
    """Begins a transaction that may work out a whole year, as nobody else does until it ends.

    None of it takes a snapshot: that comes after whoever had the lock before. A rebuild takes over
    between transactions that begin with `position`.

    Raises:
        BeingWorkedOut: somebody else is at it for longer than is worth waiting.
    """
    await connection.execute(
        f"""
        LOCK TABLE position IN ACCESS SHARE MODE;
        SET LOCAL statement_timeout = '{YEAR_SECONDS}s';
        SET LOCAL transaction_timeout = 0; -- else the clock runs on that was set
        SET LOCAL transaction_timeout = '{YEAR_SECONDS}s';
        SET LOCAL lock_timeout = '{WAIT_SECONDS}s';
        """
    )
    try:
        await _lock(connection)
    except asyncpg.LockNotAvailableError as error:
        raise BeingWorkedOut(
            "The figures of a year are being worked out from all of its days, places and hours, "
            "which is done once. Ask again shortly.",
            headers={"Retry-After": "5"},
        ) from error


async def _lock(connection: asyncpg.Connection) -> None:
    """Nobody else works out any until the end of the transaction; reading them goes on."""
    await connection.execute("LOCK TABLE summed_year IN SHARE ROW EXCLUSIVE MODE")


async def _bring_up_to_date(connection: asyncpg.Connection, year: ProgrammeYear) -> None:
    # Compiling costs more than it saves, and sorting a year on disk as much as working it out.
    await connection.execute("SET LOCAL jit = off; SET LOCAL work_mem = '64MB'")
    summed = await connection.fetch("SELECT year, size FROM summed_year")
    years = [ProgrammeYear(row["year"]) for row in summed]
    most = 1 + max([FEW, *(row["size"] for row in summed)])
    units = await _touched_units(connection, most)
    if units is None:
        await connection.execute("DELETE FROM summed_year")
        years = []
    if units and years:
        schools = [row[0] for row in await connection.fetch(SCHOOLS, units)]
        narrow = narrowed(years, units, schools)
        await connection.execute(PUT_RIGHT, *narrow, timeout=YEAR_SECONDS)
    if year not in years:
        await plan_anew(connection)
        await connection.execute("DELETE FROM contribution WHERE year = $1", year.first_year)
        await connection.execute("DELETE FROM total WHERE year = $1", year.first_year)
        await connection.execute(WORK_OUT, *narrowed([year]), timeout=YEAR_SECONDS)


async def _touched_units(connection: asyncpg.Connection, most: int) -> list[UUID] | None:
    """The units whose contributions may be others now; nothing stays touched.

    None where as many as `most` rows are behind them, more than behind a year: to work that out
    costs less. Where they are not few, what comes next is planned for them.
    """
    marks = await connection.fetch(TAKE_MARKS, most)
    if len(marks) == most:
        return None
    if len(marks) > FEW:
        await plan_anew(connection)
    of_kind = [
        [row["id"] for row in marks if row["kind"] == kind]
        for kind in ("unit", "school", "network", "person")
    ]
    found = await connection.fetch(UNITS, *of_kind, most)
    units = list({row[0] for row in found})
    size = await connection.fetchval(SIZE, units, most)
    if most in (len(found), size):
        return None
    if max(len(units), size) > FEW:
        await plan_anew(connection)
    return units


TAKE_MARKS: Final = """
WITH taken AS (DELETE FROM touched RETURNING kind, id)
SELECT DISTINCT kind, id FROM taken LIMIT $1
"""

SIZE: Final = """
SELECT count(*)
  FROM (SELECT FROM register_entry WHERE day_id = ANY ($1::uuid[])
         UNION ALL
        SELECT FROM credit WHERE source_id = ANY ($1)
         LIMIT $2) AS rows
"""

# A school that is placed otherwise counts its places and hours otherwise. A network that comes to
# be known gives its region to what had none. People who are one were counted as one of them.
UNITS: Final = """
WITH RECURSIVE met AS (
    SELECT unnest($4::uuid[]) AS person_id
     UNION
    SELECT CASE m.person_id WHEN met.person_id THEN m.merged_person_id ELSE m.person_id END
      FROM met
      JOIN person_merge AS m ON met.person_id IN (m.person_id, m.merged_person_id)
)
SELECT unnest($1::uuid[] || $2::uuid[])
 UNION ALL
SELECT day_id FROM register_entry WHERE school_id = ANY ($2)
 UNION ALL
SELECT source_id FROM credit WHERE school_id = ANY ($2) AND NOT revoked
 UNION ALL
SELECT unit FROM contribution WHERE network_id = ANY ($3::uuid[]) AND region IS NULL
 UNION ALL
SELECT c.unit
  FROM contribution AS c
  JOIN summed_year USING (year)
 WHERE c.entity = ANY (ARRAY(SELECT person_id FROM met))
 LIMIT $5
"""

SCHOOLS: Final = """
SELECT unnest($1::uuid[])
 UNION
SELECT school_id FROM register_entry WHERE day_id = ANY ($1)
 UNION
SELECT school_id FROM credit WHERE source_id = ANY ($1) AND school_id IS NOT NULL
"""


SCOPES: Final = ("'England'::text", "region", "network_id::text")


def _totals(of: str, sign: str = "") -> str:
    """What contributions come to, for each scope."""
    return " UNION ALL ".join(
        f"""
        SELECT year, {scope} AS scope, figure, kind, {sign} sum(n) AS n
          FROM {of}
         WHERE entity IS NULL
           AND {scope} IS NOT NULL
         GROUP BY 1, 2, 3, 4
         UNION ALL
        SELECT year, scope, figure, kind, {sign} count(*)
          FROM (SELECT DISTINCT ON (entity, figure, year, {scope})
                       year, {scope} AS scope, figure, kind
                  FROM {of}
                 WHERE entity IS NOT NULL
                   AND {scope} IS NOT NULL
                 ORDER BY entity, figure, year, {scope}, dated DESC, tie) AS counted
         GROUP BY 1, 2, 3, 4
        """  # noqa: S608
        for scope in SCOPES
    )


def _fresh(of: Part) -> str:
    return f"""
WITH {contributions(of)},
fresh AS MATERIALIZED (
    SELECT year, unit, figure, entity, network_id, region, kind, n, dated, tie
      FROM found
      LEFT JOIN network USING (network_id)
     WHERE year = ANY ($1)
)"""  # noqa: S608


WORK_OUT: Final = f"""
{_fresh(WHOLE_YEARS)},
kept AS (INSERT INTO contribution SELECT * FROM fresh),
summed AS (
    INSERT INTO total (year, scope, figure, kind, n)
    {_totals("fresh")}
)
INSERT INTO summed_year (year, size) SELECT $1[1], count(*) FROM fresh
"""  # noqa: S608

# An entity may count by another of its contributions before and after. All parts of the statement
# see the table as it was.
PUT_RIGHT: Final = f"""
{_fresh(SOME_UNITS)},
kept AS MATERIALIZED (
    SELECT * FROM contribution WHERE year = ANY ($1) AND unit = ANY ($4)
),
come AS MATERIALIZED (SELECT * FROM fresh EXCEPT SELECT * FROM kept),
gone AS MATERIALIZED (SELECT * FROM kept EXCEPT SELECT * FROM fresh),
added AS (INSERT INTO contribution SELECT * FROM come),
removed AS (
    DELETE FROM contribution AS c
     WHERE year = ANY ($1)
       AND unit = ANY ($4)
       AND c IN (SELECT g FROM gone AS g)
),
met AS (
    SELECT year, figure, entity FROM come WHERE entity IS NOT NULL
     UNION
    SELECT year, figure, entity FROM gone WHERE entity IS NOT NULL
),
before AS (
    SELECT * FROM gone WHERE entity IS NULL
     UNION ALL
    SELECT c.*
      FROM met AS m
     CROSS JOIN LATERAL (SELECT *
                           FROM contribution AS c
                          WHERE (c.year, c.entity, c.figure) = (m.year, m.entity, m.figure)
                         OFFSET 0) AS c
),
after AS ((SELECT * FROM before EXCEPT SELECT * FROM gone) UNION ALL SELECT * FROM come)
INSERT INTO total AS t (year, scope, figure, kind, n)
SELECT year, scope, figure, kind, sum(n)
  FROM ({_totals("after")} UNION ALL {_totals("before", "-")}) AS changed
 GROUP BY year, scope, figure, kind
HAVING sum(n) <> 0
    ON CONFLICT (year, scope, figure, kind) DO UPDATE SET n = t.n + excluded.n
"""  # noqa: S608
