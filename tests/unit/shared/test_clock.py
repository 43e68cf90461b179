"""London dates and programme years."""

from datetime import UTC, date, datetime

import pytest

from shared.clock import FixedClock, ProgrammeYear


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2026, 8, 31), "2025-26"),
        (date(2026, 9, 1), "2026-27"),
        (date(2027, 1, 1), "2026-27"),
        (date(1999, 12, 31), "1999-00"),
    ],
)
def test_a_year_runs_from_september_to_august(day: date, year: str) -> None:
    assert str(ProgrammeYear.of(day)) == year
    assert day in ProgrammeYear.of(day)


def test_a_name_is_read_back() -> None:
    year = ProgrammeYear.parse("1999-00")
    assert (year.first_day, year.last_day) == (date(1999, 9, 1), date(2000, 8, 31))
    assert year.next() == ProgrammeYear.parse("2000-01")
    assert year.previous() < year


@pytest.mark.parametrize(
    "name",
    ["2026-28", "2026-26", "2026", "2026/27", "26-27", "", "2026-27 ", "２０２６-２７", "0000-01"],
)
def test_what_is_no_year_is_said_so(name: str) -> None:
    with pytest.raises(ValueError, match="programme year"):
        ProgrammeYear.parse(name)


def test_a_wrong_second_year_is_told_the_right_one() -> None:
    with pytest.raises(ValueError, match="the one that begins in 2026 is 2026-27"):
        ProgrammeYear.parse("2026-28")


def test_today_is_what_londons_calendars_show() -> None:
    clock = FixedClock(datetime(2026, 7, 31, 23, 30, tzinfo=UTC))
    assert clock.today() == date(2026, 8, 1)
    clock.set(datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    assert clock.today() == date(2026, 12, 31)


def test_a_clock_refuses_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
