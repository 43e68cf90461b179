"""The summaries that are kept are what working everything out from the rows comes to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.reporting.domain import BeingWorkedOut
from services.reporting.store import summaries
from shared.clock import ProgrammeYear
from shared.events import Event, cpd, membership, scheduling
from shared.events.vocabulary import (
    Attendance,
    CancellationReason,
    CpdSource,
    LeavingReason,
    Pathway,
    Region,
    Role,
    Strand,
)
from tests.conftest import Database, eventually
from tests.service.reporting.log import GOOD, STRONG, Log, a_year, named, on, report, take_in
from tests.service.reporting.test_rebuild import waits_for

YEARS = [ProgrammeYear(year) for year in (2024, 2025, 2026)]
TOTALS = """
SELECT year, scope, figure, kind, trim_scale(n)
  FROM total JOIN summed_year USING (year)
 WHERE n <> 0
 ORDER BY year, scope, figure, kind
"""


def some(prefix: str, many: int) -> st.SearchStrategy[Any]:
    return st.integers(1, many).map(lambda number: named(f"{prefix}{number}"))


DATES = st.sampled_from(
    [date(2025, 8, 30), date(2025, 8, 31), on("09-01"), on("03-01"), on("08-31"), date(2026, 9, 1)]
)
NETWORKS, SCHOOLS, PEOPLE = some("network", 3), some("school", 3), some("person", 4)
DAYS, VISITS = some("day", 3), some("visit", 2)
FOR_NETWORKS = st.lists(NETWORKS, min_size=1, max_size=2, unique=True).map(tuple)
STRANDS = st.sampled_from([Strand.LEADERSHIP, Strand.LEARNING_ENVIRONMENT])
PLACES = st.builds(
    scheduling.RegisterEntry,
    place_id=some("place", 4), person_id=PEOPLE, school_id=SCHOOLS,
    role=st.sampled_from(Role), attendance=st.sampled_from(Attendance),
)  # fmt: skip
OF_A_MEMBERSHIP = st.tuples(st.integers(1, 3), st.integers(1, 2)).map(
    lambda numbers: {
        "school_id": named(f"school{numbers[0]}"),
        "membership_id": named("membership{}.{}".format(*numbers)),
    }
)
JOINING = {
    "network_id": NETWORKS,
    "pathway": st.sampled_from(Pathway), "joined_on": DATES,
    "ends_on": st.sampled_from([date(2025, 8, 31), date(2028, 8, 31)]),
    "starting_point": st.sampled_from([GOOD, STRONG]),
}  # fmt: skip
VISIT = {
    "day_id": VISITS, "school_id": SCHOOLS, "network_id": NETWORKS, "date": DATES,
    "adviser_id": st.just(named("adviser")), "strand": STRANDS,
}  # fmt: skip
VISITED = VISIT | {
    "hours": st.just(Decimal(2)),
    "participants": st.lists(
        st.builds(scheduling.Participant, person_id=PEOPLE, role=st.sampled_from(Role)), max_size=2
    ).map(tuple),
}
CREDIT = {
    "person_id": PEOPLE, "credit_id": some("credit", 5), "strand": STRANDS,
    "hours": st.sampled_from([Decimal("0.25"), Decimal("5.50"), Decimal(3)]),
    "source": st.sampled_from(CpdSource), "source_id": DAYS | VISITS | some("own", 2),
    "school_id": SCHOOLS | st.none(), "earned_on": DATES,
}  # fmt: skip


def of_a_membership(
    event: type[Event], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Event]:
    """A membership is one school's."""
    return st.builds(
        lambda ids, rest: event(**ids, **rest), OF_A_MEMBERSHIP, st.fixed_dictionaries(fields)
    )


REST: dict[str, Any] = {"strand": STRANDS, "hours": st.just(Decimal(5))}
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        membership.NetworkEstablished,
        network_id=st.just(named("network1")), name=st.just("One"), established_on=DATES,
        region=st.just(Region.LONDON),
    ),
    st.builds(
        membership.NetworkEstablished,
        network_id=st.just(named("network2")), name=st.just("Two"), established_on=DATES,
        region=st.just(Region.NORTH_EAST),
    ),
    st.builds(membership.NetworkClosed, network_id=NETWORKS, closed_on=DATES),
    of_a_membership(membership.SchoolJoined, **JOINING),
    of_a_membership(
        membership.SchoolMovedNetwork,
        from_network_id=NETWORKS, to_network_id=NETWORKS, moved_on=DATES,
    ),
    of_a_membership(
        membership.SchoolLeft, left_on=DATES, reason=st.just(LeavingReason.CAPACITY)
    ),
    of_a_membership(
        membership.MembershipCorrected,
        wrong=st.just(("joined_on",)), void=st.booleans(), **JOINING,
    ),
    st.builds(membership.PeopleMerged, person_id=PEOPLE, merged_person_id=PEOPLE),
    st.builds(
        scheduling.NetworkDayScheduled,
        day_id=DAYS, network_ids=FOR_NETWORKS, date=DATES, title=st.just("Day"),
        venue=st.just("Hall"), places=st.just(20), **REST,
    ),
    st.builds(
        scheduling.NetworkDayRescheduled,
        day_id=DAYS, date=DATES, venue=st.just("Hall"), places=st.just(20),
    ),
    st.builds(
        scheduling.NetworkDayCancelled,
        day_id=DAYS, reason=st.just(CancellationReason.WEATHER),
    ),
    st.builds(
        scheduling.NetworkDayHeld,
        day_id=DAYS, network_ids=FOR_NETWORKS, date=DATES,
        entries=st.lists(PLACES, max_size=4, unique_by=lambda e: e.place_id).map(tuple), **REST,
    ),
    st.builds(scheduling.NetworkDayReopened, day_id=DAYS),
    st.builds(
        scheduling.AttendanceCorrected,
        day_id=DAYS, date=DATES, place_id=some("place", 4), person_id=PEOPLE, school_id=SCHOOLS,
        role=st.sampled_from(Role), was=st.just(Attendance.ABSENT),
        attendance=st.sampled_from(Attendance), **REST,
    ),
    st.builds(scheduling.DevelopmentDayPlanned, **VISIT),
    st.builds(scheduling.DevelopmentDayDelivered, **VISITED),
    st.builds(scheduling.DevelopmentDayCorrected, **VISITED),
    st.builds(
        scheduling.DevelopmentDayCancelled,
        day_id=VISITS, reason=st.just(CancellationReason.WEATHER),
    ),
    st.builds(cpd.CpdCredited, **CREDIT),
    st.builds(cpd.CpdRevoked, **CREDIT),
)  # fmt: skip


async def kept(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every total of every year, once the reports of all years have been asked for."""
    for year in YEARS:
        await report(connection, year=year)
    return await connection.fetch(TOTALS)


async def worked_out_anew(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """The same totals from the rows alone."""
    transaction = connection.transaction()
    await transaction.start()
    years = await connection.fetch("DELETE FROM summed_year RETURNING year")
    for row in years:
        await report(connection, year=ProgrammeYear(row["year"]))
    found = await connection.fetch(TOTALS)
    await transaction.rollback()
    return found


@given(history=st.lists(st.lists(EVENTS, min_size=1, max_size=8), min_size=2, max_size=5))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_after_any_history_they_are_what_everything_comes_to(
    connection: asyncpg.Connection, history: list[list[Event]]
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await kept(connection)
        for happened in history:
            log = Log()
            log.add(*happened)
            await take_in(connection, log.events)
            assert await kept(connection) == await worked_out_anew(connection)
    finally:
        await transaction.rollback()


def before_changes() -> Log:
    log = a_year()
    log.delivered("Trip", on("01-20"), "Elm", "West", ("Eli", Role.OTHER))
    log.held(
        "Fourth", on("12-01"), ["North", "South"], ("Fay", "Ash", Role.OTHER, Attendance.ABSENT)
    )
    log.credited("Eve", "Ash", on("05-05"), "4", of="a book")
    log.credited("Eve", "Ash", on("05-06"), "1", of="Late news", source=CpdSource.NETWORK_DAY)
    return log


def visited_elsewhere(log: Log) -> None:
    visit = next(e.data for e in log.events if getattr(e.data, "day_id", None) == named("Visit"))
    log.add(
        scheduling.DevelopmentDayCorrected(
            **visit.model_dump() | {"network_id": named("South")},
            hours=Decimal(2), participants=(),
        )
    )  # fmt: skip


CHANGES: dict[str, Callable[[Log], None]] = {
    "a school was elsewhere": lambda log: log.moved("Ash", "North", "South", on("10-15")),
    "a school had left": lambda log: log.left("Ash", on("05-01")),
    "two people are one": lambda log: log.merged("Eli", "Ben"),
    "a network is known": lambda log: void(log.network("West", Region.LONDON, on("09-01"))),
    "a day is put off into the next year": lambda log: log.add(
        scheduling.NetworkDayRescheduled(
            day_id=named("Third"), date=date(2026, 9, 10), venue="Hall", places=20
        )
    ),
    "a day was not held": lambda log: log.add(scheduling.NetworkDayReopened(day_id=named("First"))),
    "a visit was of another network": visited_elsewhere,
    "hours are those of a day that comes later": lambda log: log.held(
        "Late news", on("05-06"), ["South"]
    ),
    "hours are revoked": lambda log: log.revoked("Eve", "Ash", on("05-05"), "4", of="a book"),
}


def void(_: object) -> None:
    """For what answers something that nobody wants."""


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_reaches_all_that_was_counted_before(
    connection: asyncpg.Connection, change: Callable[[Log], None]
) -> None:
    log = before_changes()
    await take_in(connection, log.events)
    before, many = await kept(connection), len(log.events)
    change(log)
    await take_in(connection, log.events[many:])
    after = await kept(connection)
    assert after != before
    assert after == await worked_out_anew(connection)


async def test_what_anybody_writes_is_in_the_next_report(connection: asyncpg.Connection) -> None:
    """Such as the code of another release, which knows nothing of summaries."""
    await take_in(connection, a_year().events)
    before = await report(connection)
    await connection.execute("UPDATE credit SET revoked = true WHERE strand = 'leadership'")
    await connection.execute("DELETE FROM participant")
    await connection.execute(
        "INSERT INTO membership_move SELECT membership_id, 9, school_id, $1, $2 FROM membership",
        named("North"), on("04-01"),
    )  # fmt: skip
    after = await report(connection)
    assert (before.cpd_hours.total, after.cpd_hours.total) == (Decimal(15), Decimal(4))
    assert (before.leaders.senior_and_middle, after.leaders.senior_and_middle) == (3, 3)
    assert (
        before.leaders.by_role[Role.SENIOR_LEADER],
        after.leaders.by_role[Role.SENIOR_LEADER],
    ) == (0, 1)
    assert after.member_schools.by_region[Region.NORTH_WEST] == 3


async def test_after_too_much_has_happened_a_year_is_worked_out_anew(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "FEW", 5)
    await kept(connection)
    await take_in(connection, a_year().events)
    assert (await report(connection)).cpd_hours.total == 15
    assert await connection.fetchval("SELECT array_agg(year) FROM summed_year") == [2025]
    assert await kept(connection) == await worked_out_anew(connection)


async def test_where_nobody_asks_what_is_kept_for_it_is_bounded(
    connection: asyncpg.Connection,
) -> None:
    await report(connection)
    await connection.execute(
        "INSERT INTO touched SELECT 'unit', gen_random_uuid() FROM generate_series(1, 200000)"
    )
    await take_in(connection, a_year().events)
    assert await connection.fetchval("SELECT count(*) FROM touched") == 200_000
    assert (await report(connection)).cpd_hours.total == 15


async def test_as_soon_as_somebody_asks_again_the_years_are_kept_again(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("ALTER TABLE touched SET (autovacuum_enabled = false)")
    await connection.execute(
        "INSERT INTO touched SELECT 'unit', gen_random_uuid() FROM generate_series(1, 200000)"
    )
    await report(connection)
    await take_in(connection, a_year().events)
    assert await connection.fetchval("SELECT count(*) FROM summed_year") == 1
    assert (await report(connection)).cpd_hours.total == 15


async def test_what_is_only_worked_out_does_not_outlive_a_crash(
    connection: asyncpg.Connection,
) -> None:
    """PostgreSQL empties unlogged tables after one: all of them, or none would be right."""
    tables = ["contribution", "summed_year", "total", "touched"]
    kept = "SELECT relpersistence FROM pg_class WHERE relname = ANY ($1) AND relkind = 'r'"
    assert [how for (how,) in await connection.fetch(kept, tables)] == [b"u"] * len(tables)


@pytest_asyncio.fixture
async def two(database: Database) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections to one database, in which a year has happened that nobody has asked for yet."""
    dsn = await database("reporting")
    connections = [await asyncpg.connect(dsn) for _ in range(2)]
    await take_in(connections[0], a_year().events)
    yield connections
    for connection in connections:
        await connection.close()


async def test_of_two_who_ask_at_once_one_works_it_out(two: list[asyncpg.Connection]) -> None:
    first, second = two

    async def ask() -> str:
        async with second.transaction(isolation="repeatable_read"):
            await summaries.begin(second)
            return (await report(second)).model_dump_json()

    async with first.transaction(isolation="repeatable_read"):
        await summaries.begin(first)
        asking = asyncio.create_task(ask())
        await eventually(lambda: waits_for(first, "summed_year"))
        found = (await report(first)).model_dump_json()
    assert await asking == found
    assert await first.fetch(TOTALS) == await worked_out_anew(first)


async def test_whoever_has_to_wait_too_long_is_told(
    two: list[asyncpg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "WAIT_SECONDS", 0.1)
    first, second = two
    async with first.transaction():
        await summaries.begin(first)
        with pytest.raises(BeingWorkedOut, match="Ask again"):
            async with second.transaction():
                await summaries.begin(second)


async def test_what_is_committed_while_somebody_reads_is_in_the_next_report(
    two: list[asyncpg.Connection],
) -> None:
    reader, consumer = two
    log = Log()
    log.credited("Eve", "Ash", on("05-05"), "4", of="a book")
    async with consumer.transaction():
        await take_in(consumer, log.events)
        assert (await report(reader)).cpd_hours.total == 15
        async with reader.transaction(isolation="repeatable_read"):
            await summaries.begin(reader)
            assert (await report(reader)).cpd_hours.total == 15
    assert (await report(reader)).cpd_hours.total == 19
    assert await reader.fetch(TOTALS) == await worked_out_anew(reader)
