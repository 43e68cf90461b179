"""Growing: what an answer and a service's memory are after a hundred times as many events."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date, timedelta
from functools import partial
from uuid import UUID

import asyncpg

from benchmarks.facts import SCHOOLS
from benchmarks.measure import Bench, Percentile, Row, Spent
from services.reporting import domain
from services.reporting.store.figures import Asked
from services.reporting.store.summaries import facts
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Region, Strand

FEW = 10_000
TODAY = date(2026, 6, 1)
YEAR = ProgrammeYear.of(TODAY)
DAYS_OF_HISTORY = 3_650
PLACES = 30
OF_A_DAY = 2 * PLACES + 2
"""Events: a day is scheduled and held, and each of its places booked and credited."""
ASKED = 3
"""Times that each answer is asked for in a run."""

HISTORY = (
    """
    INSERT INTO network
    SELECT md5('n' || n)::uuid, 'Network ' || n, ($2::text[])[1 + n % 9], '2016-09-01', NULL
      FROM generate_series(0, $1::integer / 24) AS n
    """,
    """
    INSERT INTO school
    SELECT md5('s' || n)::uuid, 'School ' || n FROM generate_series(0, $1::integer - 1) AS n
    """,
    """
    INSERT INTO membership
    SELECT md5('m' || n)::uuid, md5('s' || n)::uuid, md5('n' || n / 24)::uuid,
           'partner_schools', $2::date - n % 3000, $2::date + 1000 - n % 3000, NULL,
           'not_inspected', NULL
      FROM generate_series(0, $1::integer - 1) AS n
    """,
    """
    INSERT INTO network_day
    SELECT md5('d' || n)::uuid, ARRAY[md5('n' || n % ($2::integer / 24 + 1))::uuid],
           $3::date - n % $4::integer, 'held'
      FROM generate_series(0, $1::integer - 1) AS n
    """,
    """
    INSERT INTO register_entry
    SELECT md5('d' || n)::uuid, md5('p' || n || '.' || p)::uuid,
           md5('l' || (n * 7 + p) % ($2::integer * 20))::uuid,
           md5('s' || (n % ($2::integer / 24 + 1) * 24 + p % 24) % $2::integer)::uuid,
           'middle_leader', CASE p % 10 WHEN 0 THEN 'absent' ELSE 'attended' END
      FROM generate_series(0, $1::integer - 1) AS n, generate_series(1, $3::integer) AS p
    """,
    """
    INSERT INTO credit
    SELECT md5(e.place_id::text || 'c')::uuid, e.person_id, 5,
           ($1::text[])[1 + ascii(e.place_id::text) % 5], 'network_day', e.day_id, e.school_id,
           d.date, false
      FROM register_entry AS e JOIN network_day AS d USING (day_id)
     WHERE e.attendance = 'attended'
    """,
)

Answer = Callable[[asyncpg.Connection], Awaitable[domain.Report]]


async def growing(bench: Bench) -> list[Row]:
    """The reports of the last of ten years, once its summaries have been worked out."""
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        few, many = [await stack.enter_async_context(bench.database("reporting")) for _ in range(2)]
        for pool, events in ((few, FEW), (many, bench.growth)):
            await _fill(await bench.dsn_of(pool), events)
            async with pool.acquire() as connection:
                await _england(connection)  # type: ignore[arg-type]
        for name, answer in ANSWERS.items():
            ours, theirs = await bench.alternate(
                partial(_ask, bench, many, answer), partial(_ask, bench, few, answer)
            )
            rows.append(
                Percentile(
                    f"report of {name} at {bench.growth:,} events", "ms", f"the same at {FEW:,}",
                    1.5, ours, theirs, {"statements": 20}, enough=20,
                )
            )  # fmt: skip
    return rows


async def _fill(dsn: str, events: int) -> None:
    """What so many events leave behind: schools that joined, and days held over ten years."""
    schools = min(SCHOOLS, max(events // 50, 24))
    days = (events - 2 * schools) // OF_A_DAY
    given: tuple[tuple[object, ...], ...] = (
        (schools, [region.value for region in Region]),
        (schools,),
        (schools, TODAY),
        (days, schools, TODAY, DAYS_OF_HISTORY),
        (days, schools, PLACES),
        ([strand.value for strand in Strand],),
    )
    connection = await asyncpg.connect(dsn)
    for statement, arguments in zip(HISTORY, given, strict=True):
        await connection.execute(statement, *arguments)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _ask(bench: Bench, pool: asyncpg.Pool, answer: Answer) -> Spent:
    async with bench.measured(ASKED) as spent, pool.acquire() as connection:
        for _ in range(ASKED):
            begun = time.perf_counter()
            (await answer(connection)).model_dump_json()  # type: ignore[arg-type]
            spent.samples.append((time.perf_counter() - begun) * 1000)
    return spent


async def _england(connection: asyncpg.Connection) -> domain.Report:
    return await _report(connection, domain.ENGLAND, Asked(year=YEAR))


async def _after_a_change(connection: asyncpg.Connection) -> domain.Report:
    await connection.execute(
        """
        UPDATE network_day
           SET status = CASE status WHEN 'held' THEN 'scheduled' ELSE 'held' END
         WHERE day_id = (SELECT day_id FROM network_day WHERE date >= $1 ORDER BY day_id LIMIT 1)
        """,
        TODAY - timedelta(days=30),
    )
    return await _england(connection)


async def _region(connection: asyncpg.Connection) -> domain.Report:
    name = Region.LONDON.value
    asked = Asked(year=YEAR, region=name)
    return await _report(connection, domain.Scope(kind="region", id=name, name=name), asked)


async def _network(connection: asyncpg.Connection) -> domain.Report:
    network_id: UUID = await connection.fetchval("SELECT network_id FROM network LIMIT 1")
    asked = Asked(year=YEAR, network=network_id)
    scope = domain.Scope(kind="network", id=str(network_id), name="")
    return await _report(connection, scope, asked)


async def _school(connection: asyncpg.Connection) -> domain.Report:
    school_id: UUID = await connection.fetchval("SELECT school_id FROM school LIMIT 1")
    asked = Asked(year=YEAR, school=school_id)
    scope = domain.Scope(kind="school", id=str(school_id), name="")
    return await _report(connection, scope, asked)


async def _report(
    connection: asyncpg.Connection, scope: domain.Scope, asked: Asked
) -> domain.Report:
    return domain.report_of(asked.year, scope, await facts(connection, asked, TODAY))


ANSWERS: dict[str, Answer] = {
    "England": _england, "England after a day has changed": _after_a_change,
    "a region": _region, "a network": _network, "a school": _school,
}  # fmt: skip
