"""What a trust's system makes of the events that it is told."""

from decimal import Decimal
from typing import Any

import pytest

from deploy.demo.tally import Tally
from deploy.demo.trusts import Known, Records
from shared.events.vocabulary import Attendance

NOTHING: dict[str, Any] = {
    "schools": frozenset(), "staff": {}, "attendance": {}, "visits": {}, "hours": {}
}  # fmt: skip


def told(*events: tuple[str, dict[str, Any]]) -> Records:
    records = Records()
    for number, (kind, data) in enumerate(events):
        event = {"id": str(number), "type": f"uk.aspire.any.{kind}.v1", "data": data}
        records.take(event)
        records.take(event)  # as a receiver may be sent it twice
    assert records.told == len(events)
    return records


def held(*marks: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    entries = [{"place_id": place, "attendance": mark, "school_id": "s"} for place, mark in marks]
    return "NetworkDayHeld", {"day_id": "day", "entries": entries}


def test_each_school_of_the_trust_has_its_part_of_a_register() -> None:
    records = told(held(("a", "attended")), held(("b", "absent")))
    assert records.known().attendance == {"a": "attended", "b": "absent"}
    assert records.known().schools == {"s"}


def test_the_register_of_a_day_that_is_reopened_counts_for_nothing() -> None:
    reopened = ("NetworkDayReopened", {"day_id": "day"})
    records = told(held(("a", "absent"), ("b", "absent")), reopened, held(("a", "late")))
    assert records.known().attendance == {"a": "late"}


def test_a_mark_that_is_corrected_counts_as_it_is_now() -> None:
    corrected = {"day_id": "day", "place_id": "a", "attendance": "late", "school_id": "s"}
    records = told(held(("a", "absent")), ("AttendanceCorrected", corrected))
    assert records.known().attendance == {"a": "late"}


def test_hours_that_are_revoked_do_not_count() -> None:
    earned = [{"person_id": "ann", "credit_id": each, "hours": "2.50"} for each in ("x", "y")]
    records = told(*(("CpdCredited", each) for each in earned), ("CpdRevoked", earned[0]))
    assert records.known().hours == {"ann": Decimal("2.5")}


def test_two_records_of_one_person_are_one_to_the_trust() -> None:
    records = told(
        ("StaffMatched", {"external_id": "E1", "person_id": "ann"}),
        ("StaffMatched", {"external_id": "E2", "person_id": "a."}),
        ("CpdCredited", {"person_id": "a.", "credit_id": "x", "hours": "1"}),
        ("PeopleMerged", {"person_id": "ann", "merged_person_id": "a."}),
        ("CpdCredited", {"person_id": "ann", "credit_id": "y", "hours": "2"}),
    )
    assert records.person("E2") == "ann"
    assert records.person("E3") is None
    assert records.known().staff == {"E1": "ann", "E2": "ann"}
    assert records.known().hours == {"ann": Decimal(3)}


@pytest.mark.parametrize(
    ("knows", "words"),
    [
        ({"schools": frozenset({"s"}), "visits": {"v": Decimal(2)}}, []),
        ({"schools": frozenset({"s", "t"})}, ["schools: 0 missing, 1 not its own",
                                              "visits: 1 missing, 0 not its own"]),
        ({"schools": frozenset({"s"}), "visits": {"v": Decimal(3)}},
         ["visits: 1 missing, 1 not its own"]),
    ],
)  # fmt: skip
def test_what_is_not_exactly_the_trusts_own_is_said(
    knows: dict[str, Any], words: list[str]
) -> None:
    own = Known(**NOTHING | {"schools": frozenset({"s"}), "visits": {"v": Decimal(2)}})
    assert Known(**NOTHING | knows).differences(own) == words


def test_of_the_year_a_trust_should_know_what_is_of_its_schools_and_people() -> None:
    tally = Tally(
        registers={"day": {"a": Attendance.ATTENDED, "b": Attendance.LATE, "c": Attendance.ABSENT}},
        hours_of_day={"day": Decimal(5)},
        person_of_place={"a": "ann", "b": "bob", "c": "a."},
        visits={"v": ("s", Decimal(2)), "w": ("t", Decimal(3))},
        other_hours={"ann": Decimal("1.5"), "bob": Decimal(9)},
        merged={"a.": "ann"},
    )
    assert tally.known_to({"s"}, {"E1": "ann", "E2": "a."}) == Known(
        schools=frozenset({"s"}),
        staff={"E1": "ann", "E2": "ann"},
        attendance={"a": "attended", "c": "absent"},
        visits={"v": Decimal(2)},
        hours={"ann": Decimal("6.5")},
    )
