"""What was acknowledged adds up by the programme's definitions."""

from decimal import Decimal

from deploy.demo.tally import Tally, differences
from shared.events.vocabulary import Attendance


def test_hours_count_for_those_who_came() -> None:
    tally = Tally(
        registers={"day": {"a": Attendance.ATTENDED, "b": Attendance.LATE, "c": Attendance.ABSENT}},
        hours_of_day={"day": Decimal(5)},
        person_of_place={"a": "ann", "b": "bob", "c": "cy"},
        other_hours={"ann": Decimal("1.5")},
    )
    figures = tally.figures()
    assert figures["cpd_hours.total"] == "11.50"
    assert figures["leaders.total"] == 2
    assert figures["attendance.absent"] == 1


def test_two_records_of_one_person_are_one_leader() -> None:
    tally = Tally(named={"ann", "a."}, merged={"a.": "ann"})
    assert tally.figures()["leaders.total"] == 1


def test_a_figure_that_differs_is_named() -> None:
    report = {"networks": {"total": 18}, "days_in_schools": 3}
    expected = {"networks.total": 19, "days_in_schools": 3}
    assert differences(expected, report) == {"networks.total": "18 of 19"}
