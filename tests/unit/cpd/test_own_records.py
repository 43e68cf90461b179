"""What an own record may hold, and what a person's record adds up to."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from services.cpd import domain
from shared.events.vocabulary import CpdSource, Strand

TODAY = date(2026, 11, 25)


def enter(hours: str = "1.5", earned_on: date = TODAY, today: date = TODAY) -> domain.OwnRecord:
    record, _ = domain.OwnRecord.enter(
        own_record_id=uuid4(),
        person_id=uuid4(),
        school_id=None,
        hours=Decimal(hours),
        strand=Strand.LEADERSHIP,
        earned_on=earned_on,
        title="A course",
        today=today,
    )
    return record


@pytest.mark.parametrize("hours", ["0.25", "1", "7.75", "24", "1E+1"])
def test_quarter_hours_up_to_a_day_are_recorded(hours: str) -> None:
    assert enter(hours).credit.hours == Decimal(hours)


@pytest.mark.parametrize("hours", ["0", "-1", "24.25", "0.1", "1.3", "1e30", "NaN", "Infinity"])
def test_other_hours_are_refused(hours: str) -> None:
    with pytest.raises(domain.OwnRecordNotValid, match="quarter hours") as refused:
        enter(hours)
    assert [error.pointer for error in refused.value.errors] == ["#/hours"]


@pytest.mark.parametrize("earned_on", [date(2016, 11, 25), date(2026, 11, 25)])
def test_dates_of_the_last_ten_years_are_recorded(earned_on: date) -> None:
    assert enter(earned_on=earned_on).credit.earned_on == earned_on


@pytest.mark.parametrize(
    ("earned_on", "reason"),
    [(date(2026, 11, 26), "in the future"), (date(2016, 11, 24), "more than 10 years ago")],
)
def test_other_dates_are_refused(earned_on: date, reason: str) -> None:
    with pytest.raises(domain.OwnRecordNotValid, match=reason):
        enter(earned_on=earned_on)


def test_ten_years_before_a_leap_day() -> None:
    leap_day = date(2028, 2, 29)
    assert enter(earned_on=date(2018, 2, 28), today=leap_day)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(domain.OwnRecordNotValid) as refused:
        enter("-1", date(2030, 1, 1))
    assert [error.pointer for error in refused.value.errors] == ["#/hours", "#/earned_on"]


def test_an_own_record_is_revoked_once() -> None:
    record, revoked = enter().revoke()
    assert revoked.credit_id == record.credit.credit_id
    with pytest.raises(domain.OwnRecordRevoked):
        record.revoke()


def test_a_record_adds_up_by_strand_source_and_year() -> None:
    record = domain.Record.of(
        domain.Sum(strand=strand, source=source, year=year, hours=Decimal(hours))
        for strand, source, year, hours in [
            (Strand.LEADERSHIP, CpdSource.NETWORK_DAY, 2026, "5.5"),
            (Strand.LEADERSHIP, CpdSource.OWN_RECORD, 2025, "1.25"),
            (Strand.LEARNING_ENVIRONMENT, CpdSource.DEVELOPMENT_DAY, 2026, "2"),
        ]
    )
    assert record.hours == Decimal("8.75")
    assert record.by_strand[Strand.LEADERSHIP] == Decimal("6.75")
    assert record.by_strand[Strand.PEDAGOGY_AND_CURRICULUM] == 0
    assert record.by_year == {"2025-26": Decimal("1.25"), "2026-27": Decimal("7.5")}
    assert record.by_source == {
        CpdSource.NETWORK_DAY: Decimal("5.5"),
        CpdSource.DEVELOPMENT_DAY: Decimal(2),
        CpdSource.OWN_RECORD: Decimal("1.25"),
    }
