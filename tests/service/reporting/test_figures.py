"""The figures of a year, by the definitions, worked out by the real database."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.reporting.store.figures import SOME_UNITS, WHOLE_YEARS, Part, contributions, narrowed
from shared.clock import ProgrammeYear
from shared.events import membership, scheduling
from shared.events.vocabulary import (
    Attendance,
    CpdSource,
    Framework,
    Judgement,
    Pathway,
    Region,
    Role,
    Strand,
)
from tests.service.reporting.log import GOOD, YEAR, Log, a_year, named, on, report, take_in


async def test_a_year_adds_up(connection: asyncpg.Connection) -> None:
    await take_in(connection, a_year().events)
    year = await report(connection)
    assert (year.networks.total, year.networks.newly_established) == (2, 1)
    assert (year.member_schools.total, year.member_schools.joined) == (3, 2)
    assert year.member_schools.by_pathway == {Pathway.PARTNER_SCHOOLS: 2, Pathway.CONNECT: 1}
    # Birch moved to the South in March.
    assert year.member_schools.by_region[Region.SOUTH_EAST] == 2
    assert year.starting_points[Framework.REPORT_CARD].by_judgement[Judgement.STRONG_STANDARD] == 1
    assert year.starting_points[Framework.OVERALL_GRADE].total == 1
    assert year.network_days.model_dump() == {"held": 1, "scheduled": 1, "cancelled": 1}
    assert year.attendance.model_dump() == {
        "places": 4, "attended": 2, "late": 1, "excused": 1, "absent": 0, "rate": "0.7500",
    }  # fmt: skip
    assert year.days_in_schools == 2
    assert year.cpd_hours.total == Decimal(15)
    assert year.cpd_hours.by_strand[Strand.LEARNING_ENVIRONMENT] == 4


async def test_people_who_are_one_count_once_by_their_latest_role(
    connection: asyncpg.Connection,
) -> None:
    await take_in(connection, a_year().events)
    leaders = (await report(connection)).leaders
    # Anne was a senior leader in November, a headteacher in January, and as Anna, a middle leader
    # in February; Ben and Dan are middle leaders.
    assert leaders.by_role[Role.MIDDLE_LEADER] == 3
    assert (leaders.total, leaders.senior_and_middle) == (3, 3)


async def test_of_two_roles_on_the_latest_date_the_most_senior_counts(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.delivered("Visit", on("01-15"), "Ash", "North", ("Anne", Role.MIDDLE_LEADER))
    log.delivered("Other", on("01-15"), "Birch", "North", ("Anne", Role.SENIOR_LEADER))
    await take_in(connection, log.events)
    leaders = (await report(connection)).leaders
    assert (leaders.total, leaders.by_role[Role.SENIOR_LEADER]) == (1, 1)


async def test_merges_in_a_row_are_one_person(connection: asyncpg.Connection) -> None:
    log = Log()
    for number, person in enumerate(("Anne", "Anna", "Ann"), start=1):
        log.delivered(
            f"Visit {number}", on(f"01-1{number}"), "Ash", "North", (person, Role.MIDDLE_LEADER)
        )
    log.merged("Anna", "Ann")
    log.merged("Anne", "Anna")
    await take_in(connection, log.events)
    assert (await report(connection)).leaders.total == 1


async def test_parts_add_up_to_the_whole(connection: asyncpg.Connection) -> None:
    await take_in(connection, a_year().events)
    whole = await report(connection)
    north, south = (
        await report(connection, network="North"),
        await report(connection, network="South"),
    )
    # In November, Birch was in the North: a day for both networks counts each place once.
    assert (north.attendance.places, south.attendance.places) == (2, 2)
    assert (north.attendance.rate, south.attendance.rate) == ("1.0000", "0.5000")
    assert north.days_in_schools + south.days_in_schools == whole.days_in_schools
    assert north.cpd_hours.total + south.cpd_hours.total == whole.cpd_hours.total
    assert (north.network_days.held, south.network_days.held) == (1, 1)
    assert (north.network_days.cancelled, south.network_days.scheduled) == (1, 1)
    # Birch was a member of both.
    assert (north.member_schools.total, south.member_schools.total) == (2, 2)
    assert (north.member_schools.joined, south.member_schools.joined) == (1, 1)
    assert (north.networks.total, north.networks.newly_established) == (1, 0)


async def test_a_school_has_its_own_figures(connection: asyncpg.Connection) -> None:
    await take_in(connection, a_year().events)
    cedar = await report(connection, school="Cedar")
    assert cedar.attendance.rate == "0.5000"
    assert (cedar.member_schools.total, cedar.networks.total) == (1, 1)
    # The day held for both networks, and the one to come in its own.
    assert cedar.network_days.model_dump() == {"held": 1, "scheduled": 1, "cancelled": 0}
    assert (cedar.days_in_schools, cedar.cpd_hours.total) == (1, Decimal("7.5"))


async def test_a_reopened_day_counts_for_nothing(connection: asyncpg.Connection) -> None:
    log = a_year()
    log.add(scheduling.NetworkDayReopened(day_id=named("First")))
    await take_in(connection, log.events)
    year = await report(connection)
    assert (year.network_days.held, year.network_days.scheduled) == (0, 2)
    assert (year.attendance.places, year.attendance.rate) == (0, None)


async def test_a_day_belongs_to_the_year_of_its_date_as_corrected(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.delivered("Visit", on("08-31"), "Ash", "North", ("Anne", Role.OTHER))
    before = log.events[1].data
    log.add(
        scheduling.DevelopmentDayCorrected(
            **{**before.model_dump(), "date": date(2026, 9, 1), "participants": ()}
        )
    )
    await take_in(connection, log.events)
    assert (await report(connection)).days_in_schools == 0
    following = await report(connection, year=ProgrammeYear(2026))
    assert (following.days_in_schools, following.leaders.total) == (1, 0)
    assert following.by_month[0].days_in_schools == 1


async def test_memberships_count_on_their_first_and_last_day(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.joined("Ash", "North", date(2024, 1, 1))
    log.left("Ash", on("09-01"))
    log.joined("Birch", "North", date(2024, 1, 1))
    log.left("Birch", date(2025, 8, 31))
    log.joined("Cedar", "North", on("08-31"))
    log.joined("Dogwood", "North", date(2026, 9, 1))
    await take_in(connection, log.events)
    assert (await report(connection)).member_schools.total == 2


async def test_a_void_membership_never_was(connection: asyncpg.Connection) -> None:
    log = Log()
    membership_id = log.joined("Ash", "North", on("10-01"))
    log.add(
        membership.MembershipCorrected(
            school_id=named("Ash"), membership_id=membership_id, wrong=("void",),
            network_id=named("North"), pathway=Pathway.PARTNER_SCHOOLS, joined_on=on("10-01"),
            ends_on=date(2028, 9, 30), starting_point=GOOD, void=True,
        )
    )  # fmt: skip
    await take_in(connection, log.events)
    members = (await report(connection)).member_schools
    assert (members.total, members.joined) == (0, 0)


async def test_a_school_that_joins_twice_counts_once(connection: asyncpg.Connection) -> None:
    log = Log()
    log.joined("Ash", "North", on("09-05"))
    log.left("Ash", on("10-05"))
    log.joined("Ash", "North", on("05-05"), pathway=Pathway.CONNECT, name="again")
    await take_in(connection, log.events)
    members = (await report(connection)).member_schools
    assert (members.total, members.joined) == (1, 1)
    assert members.by_pathway[Pathway.CONNECT] == 1


async def test_networks_count_from_their_first_day_to_their_last(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.network("Closed before", Region.LONDON, date(2020, 1, 1))
    log.network("Closed within", Region.LONDON, date(2020, 1, 1))
    log.network("Still to come", Region.LONDON, on("08-01"))
    log.add(
        membership.NetworkClosed(network_id=named("Closed before"), closed_on=date(2025, 8, 31)),
        membership.NetworkClosed(network_id=named("Closed within"), closed_on=on("09-01")),
    )
    await take_in(connection, log.events)
    assert (await report(connection, today=on("07-01"))).networks.total == 1
    assert (await report(connection, today=on("08-01"))).networks.newly_established == 1


async def test_hours_that_were_revoked_do_not_count(connection: asyncpg.Connection) -> None:
    log = Log()
    log.credited("Anne", "Ash", on("10-01"), "0.25")
    log.credited("Ben", "Ash", on("10-01"), "1.5")
    log.revoked("Ben", "Ash", on("10-01"), "1.5")
    log.credited("Cleo", "Ash", date(2025, 8, 31), "3", source=CpdSource.OWN_RECORD)
    await take_in(connection, log.events)
    assert (await report(connection)).cpd_hours.total == Decimal("0.25")


async def test_an_attendance_corrected_to_absent_takes_the_leader_away(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.held(
        "First", on("11-20"), ["North"], ("Anne", "Ash", Role.SENIOR_LEADER, Attendance.ATTENDED)
    )
    log.corrected("First", on("11-20"), "Anne", "Ash", Role.SENIOR_LEADER, Attendance.ABSENT)
    await take_in(connection, log.events)
    year = await report(connection)
    assert (year.leaders.total, year.attendance.rate) == (0, "0.0000")


async def test_a_year_without_anything_is_zeros(connection: asyncpg.Connection) -> None:
    year = await report(connection)
    assert (year.networks.total, year.cpd_hours.total, year.attendance.rate) == (
        0,
        Decimal(0),
        None,
    )
    assert len(year.by_month) == 12


async def test_hours_without_a_day_count_where_the_school_was(
    connection: asyncpg.Connection,
) -> None:
    log = a_year()
    log.credited("Ben", "Birch", on("02-28"), "1", of="before the move")
    log.credited("Ben", "Birch", on("03-01"), "2", of="after the move")
    log.credited("Ann", "Elsewhere", on("03-01"), "4", of="in no network")
    before = await hours_of_parts(connection, a_year())
    after = await hours_of_parts(connection, log)
    assert [more - less for less, more in zip(before, after, strict=True)] == [1, 2, 7]


async def test_a_place_of_a_school_in_none_of_the_days_networks_counts_for_the_first(
    connection: asyncpg.Connection,
) -> None:
    log = Log()
    log.held(
        "Guests", on("11-20"), ["South", "North"],
        ("Gus", "Guest", Role.OTHER, Attendance.ATTENDED),
    )  # fmt: skip
    assert await hours_of_parts(connection, log) == [0, Decimal("5.5"), Decimal("5.5")]
    south, north = [await report(connection, network=name) for name in ("South", "North")]
    assert (south.attendance.places, south.leaders.total) == (1, 1)
    assert (north.attendance.places, north.leaders.total) == (0, 0)


async def hours_of_parts(connection: asyncpg.Connection, log: Log) -> list[Decimal]:
    """Of the North, the South and England."""
    await take_in(connection, log.events)
    parts = ("North", "South", None)
    return [(await report(connection, network=part)).cpd_hours.total for part in parts]


@pytest.mark.parametrize(
    ("part", "narrowed_to"),
    [(WHOLE_YEARS, []), (SOME_UNITS, [[named("First")], [named("Birch")]])],
    ids=["a year", "a day"],
)
async def test_a_large_part_is_read_without_a_look_up_for_each_row(
    connection: asyncpg.Connection, part: Part, narrowed_to: list[Any]
) -> None:
    rows = 5_000
    await take_in(connection, a_year().events)
    await connection.execute(
        """
        INSERT INTO register_entry
        SELECT $1, gen_random_uuid(), gen_random_uuid(), $2, 'other', 'attended'
          FROM generate_series(1, $3)
        """,
        named("First"), named("Birch"), rows,
    )  # fmt: skip
    await connection.execute(
        """
        INSERT INTO credit
        SELECT place_id, person_id, 1, 'leadership', 'network_day', day_id, school_id, $1, false
          FROM register_entry
        """,
        on("11-20"),
    )
    plan = await connection.fetchval(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) WITH {contributions(part)} SELECT * FROM found",  # noqa: S608
        *narrowed([YEAR], *narrowed_to),
    )
    top = json.loads(plan)[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < rows / 5


async def test_few_rows_are_looked_up_however_many_there_are(
    connection: asyncpg.Connection,
) -> None:
    """Also where nobody has counted what the tables hold, as after they were filled."""
    await take_in(connection, a_year().events)
    await connection.execute(
        """
        INSERT INTO network_day
        SELECT gen_random_uuid(), ARRAY[gen_random_uuid()], $1, 'held'
          FROM generate_series(1, 1000)
        """,
        on("11-20"),
    )
    await report(connection)
    await connection.execute("UPDATE network_day SET status = 'held' WHERE day_id = $1",
                             named("First"))  # fmt: skip
    async with connection.transaction():
        before = await connection.fetchval(READ)
        await report(connection)
        await report(connection, school="Ash")
        assert 0 < await connection.fetchval(READ) - before < 100


# By this connection, and not yet added to what all have read.
READ = """
SELECT sum(seq_tup_read + idx_tup_fetch)
  FROM pg_stat_xact_user_tables
 WHERE relname IN ('network_day', 'register_entry', 'credit')
"""
