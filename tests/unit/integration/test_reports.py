"""What of a trust's reports is taken, and what it comes to."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.integration.domain.reports import REPORTS, AbsenceReport, LeavingReport, StaffReport
from services.integration.domain.staff import (
    DatesRunBackwards,
    SchoolIsNotTheTrusts,
    Schools,
    SchoolUnknown,
    Staff,
    StaffErased,
    decide,
)
from shared.events.vocabulary import Role

TRUST, ASH, ELM = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = date(2026, 11, 2)
SCHOOLS = Schools(
    by_urn={100001: ASH, 100002: ELM},
    by_external_id={},
    stays={
        ASH: [(date(2018, 1, 1), date(2020, 1, 1)), (date(2026, 10, 1), None)],
        ELM: [(date(2026, 9, 1), date(2026, 10, 1))],
    },
)
ROLES = {"HT": Role.HEADTEACHER}


def report(first: str = "2026-10-01", last: str | None = None, **changes: Any) -> StaffReport:
    data = {"external_id": "E1", "name": "Ada Example", "school_urn": 100001, "role_code": "HT",
            "from": date.fromisoformat(first),
            "to": None if last is None else date.fromisoformat(last)}  # fmt: skip
    return StaffReport.model_validate(data | changes)


def reported(*reports: StaffReport) -> tuple[Staff | None, list[str]]:
    """The member of staff after the reports, and the names of what happened."""
    staff: Staff | None = None
    happened: list[str] = []
    for each in reports:
        staff, facts = decide(TRUST, each, staff, SCHOOLS, TODAY, ROLES)
        happened += [type(fact).__name__ for fact in facts]
    return staff, happened


@pytest.mark.parametrize(
    ("first", "last", "urn", "taken"),
    [
        ("2026-10-01", None, 100001, True),
        ("2000-09-01", None, 100001, True),  # the school is the trust's today
        ("2027-09-01", None, 100001, True),
        ("2019-09-01", "2019-12-31", 100001, True),
        ("2019-09-01", "2020-01-01", 100001, False),  # its last day is the first outside
        ("2019-09-01", "2027-12-31", 100001, True),
        ("2026-09-01", None, 100002, False),
        ("2026-09-01", "2026-09-30", 100002, True),
        ("2026-12-01", None, 100002, False),
    ],
)
def test_the_school_is_the_trusts_on_the_day_of_the_post_that_is_nearest_to_today(
    first: str, last: str | None, urn: int, taken: bool
) -> None:
    asked = report(first, last, school_urn=urn)
    if taken:
        assert reported(asked)[1] == ["StaffProfile", "StaffReported"]
    else:
        with pytest.raises(SchoolIsNotTheTrusts):
            reported(asked)


def test_a_urn_that_nobody_has_is_told_from_a_school_of_somebody_else() -> None:
    with pytest.raises(SchoolUnknown):
        reported(report(school_urn=100009))


def test_only_what_has_changed_is_told() -> None:
    one = report()
    assert reported(one, one)[1] == ["StaffProfile", "StaffReported"]
    assert reported(one, report(role_title="Head"))[1][2:] == []
    assert reported(one, report(role_code="DHT"))[1][2:] == ["StaffReported"]
    assert reported(one, report(work_email="a@b.example"))[1][2:] == ["StaffProfile"]


def test_a_title_that_changed_is_kept_although_nothing_is_told() -> None:
    staff, _ = reported(report(), report(role_title="Head"))
    assert staff is not None
    assert staff.role_title == "Head"


def test_nobody_leaves_before_they_began() -> None:
    staff, _ = reported(report("2026-10-05"))
    leaving = LeavingReport(external_id="E1", left_on=date(2026, 10, 4))
    with pytest.raises(DatesRunBackwards):
        decide(TRUST, leaving, staff, SCHOOLS, TODAY, ROLES)
    same_day = LeavingReport(external_id="E1", left_on=date(2026, 10, 5))
    after, facts = decide(TRUST, same_day, staff, SCHOOLS, TODAY, ROLES)
    assert after is not None
    assert after.to_on == date(2026, 10, 5)
    assert len(facts) == 1


def test_nothing_is_taken_for_an_erased_record() -> None:
    staff, _ = reported(report(work_email="a@b.example"))
    assert staff is not None
    erased, [fact] = staff.erase()
    assert (erased.name, erased.email, erased.role_title) == (None, None, None)
    assert type(fact).__name__ == "StaffProfileErased"
    assert erased.erase() == (erased, ())
    away = AbsenceReport.model_validate({"external_id": "E1", "from": TODAY})
    for again in (report(), away, LeavingReport(external_id="E1", left_on=TODAY)):
        with pytest.raises(StaffErased):
            decide(TRUST, again, erased, SCHOOLS, TODAY, ROLES)


def test_what_may_be_sent_is_named_as_the_programme_names_types() -> None:
    assert all(name.startswith("uk.aspire.mis.") and name.endswith(".v1") for name in REPORTS)
