"""How counts become a report, and a report rows: exactly, and always in the same order."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting import domain
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Pathway, Region, Role

YEAR = ProgrammeYear(2026)
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)

FACTS = domain.Facts(
    networks=[("London", 2, 1), ("North West", 1, 0)],
    member_schools=[("connect", "London", 3), ("partner_schools", None, 2)],
    joined=[("overall_grade", "good", 2), ("not_inspected", None, 1)],
    leaders=[("middle_leader", 5), ("senior_leader", 2), ("headteacher", 1)],
    network_days=[("held", SEPTEMBER, 2), ("held", OCTOBER, 1), ("cancelled", OCTOBER, 1)],
    places=[("attended", SEPTEMBER, 10), ("late", OCTOBER, 1), ("absent", OCTOBER, 1)],
    days_in_schools=[(OCTOBER, 4)],
    hours=[("leadership", SEPTEMBER, Decimal("5.5")), ("leadership", OCTOBER, Decimal("0.25"))],
)


def report(facts: domain.Facts = FACTS) -> domain.Report:
    return domain.report_of(YEAR, domain.ENGLAND, facts)


def test_counts_are_added_up() -> None:
    of_all = report()
    assert (of_all.networks.total, of_all.networks.newly_established) == (3, 1)
    assert (of_all.member_schools.total, of_all.member_schools.joined) == (5, 3)
    assert of_all.leaders.senior_and_middle == 7
    assert of_all.network_days.held == 3
    assert (of_all.attendance.places, of_all.attendance.rate) == (12, "0.9167")
    assert of_all.cpd_hours.total == Decimal("5.75")


def test_a_school_of_a_network_not_known_yet_is_in_the_total_only() -> None:
    members = report().member_schools
    assert (members.total, sum(members.by_region.values())) == (5, 3)
    assert members.by_pathway[Pathway.PARTNER_SCHOOLS] == 2


def test_the_months_run_from_september_and_add_up_to_the_year() -> None:
    months = report().by_month
    assert [month.month for month in months[:5]] == [
        "2026-09", "2026-10", "2026-11", "2026-12", "2027-01",
    ]  # fmt: skip
    assert len(months) == 12
    assert sum(month.network_days_held for month in months) == 3
    assert months[1].attendance.rate == "0.5000"
    assert months[2].attendance.rate is None


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 0, None), (0, 5, "0.0000"), (5, 5, "1.0000"), (1, 3, "0.3333"), (2, 3, "0.6667"),
     (1, 20000, "0.0001"), (1, 20001, "0.0000")],
)  # fmt: skip
def test_a_rate_has_four_places_rounded_half_up(
    part: int, whole: int, expected: str | None
) -> None:
    assert domain.rate(part, whole) == expected


@given(st.permutations(FACTS.places), st.permutations(FACTS.leaders))
def test_the_order_of_the_counts_does_not_matter(
    places: list[tuple[str, date, int]], leaders: list[tuple[str, int]]
) -> None:
    shuffled = domain.Facts(**{**vars(FACTS), "places": places, "leaders": leaders})
    assert report(shuffled).model_dump_json() == report().model_dump_json()


def test_every_breakdown_lists_all_of_its_values() -> None:
    nothing = report(domain.Facts())
    assert list(nothing.member_schools.by_region) == list(Region)
    assert list(nothing.leaders.by_role) == list(Role)
    assert nothing.attendance.rate is None


def test_every_figure_is_one_line_of_the_csv() -> None:
    lines = list(csv.reader(io.StringIO(domain.csv_of(report()))))
    assert lines[0] == ["scope", "section", "figure", "breakdown", "value"]
    assert {line[0] for line in lines[1:]} == {"national"}
    names = [tuple(line[:4]) for line in lines[1:]]
    assert len(names) == len(set(names))
    assert ["national", "attendance", "rate", "", "0.9167"] in lines
    assert ["national", "by_month", "attendance_rate", "2026-11", ""] in lines


def test_a_name_is_no_formula_in_a_spreadsheet() -> None:
    scope = domain.Scope(kind="network", id="1", name="=HYPERLINK(1)")
    assert ",'=HYPERLINK(1)" in domain.csv_of(domain.report_of(YEAR, scope, FACTS))


@pytest.mark.parametrize("name", ["2026", "2026-28", "1999-00", "2101-02", "", "next year"])
def test_other_years_are_refused_by_name(name: str) -> None:
    with pytest.raises(domain.YearNotReported, match=r"202\d-\d\d|2000-01|that begins"):
        domain.year_named(name)


@pytest.mark.parametrize("name", ["2000-01", "2026-27", "2099-00", "2100-01"])
def test_years_of_the_programme_are_reported(name: str) -> None:
    assert str(domain.year_named(name)) == name


def test_a_region_is_found_in_any_case() -> None:
    assert domain.region_named("yorkshire-and-the-humber") is Region.YORKSHIRE_AND_THE_HUMBER
    with pytest.raises(domain.NothingToReport, match="North East"):
        domain.region_named("Wales")


def test_the_years_to_choose_end_with_this_one_or_what_is_planned() -> None:
    today = date(2026, 11, 25)
    assert domain.years_between(None, None, today) == ["2026-27"]
    assert domain.years_between(date(2025, 3, 1), date(2027, 10, 1), today) == [
        "2027-28", "2026-27", "2025-26", "2024-25",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "earliest", "latest"),
    [(date.min, None, "2000-01", "2026-27"), (date(1899, 9, 1), None, "2000-01", "2026-27"),
     (None, date.max, "2026-27", "2100-01"), (date(2026, 11, 25), date(3000, 9, 1), "2026-27",
     "2100-01")],
)  # fmt: skip
def test_a_date_of_no_programme_year_leaves_the_years_that_are_reported(
    first: date | None, last: date | None, earliest: str, latest: str
) -> None:
    years = domain.years_between(first, last, date(2026, 11, 25))
    assert (years[-1], years[0]) == (earliest, latest)
