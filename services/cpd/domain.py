"""What a person has earned: how days become credits, and what an own record may hold.

Pure functions of what happened: a day says which credits must stand, and `difference` says what
has to be credited and revoked so that exactly these do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from shared.clock import ProgrammeYear
from shared.events.cpd import CpdCredited, CpdRevoked
from shared.events.scheduling import (
    AttendanceCorrected,
    DevelopmentDayCorrected,
    DevelopmentDayDelivered,
    NetworkDayHeld,
)
from shared.events.vocabulary import CpdSource, Strand
from shared.problems import FieldError, Invalid, NotFound, Refused

CREDIT: Final = uuid5(NAMESPACE_URL, "https://aspire.example/credit")
"""The namespace of credit ids."""

QUARTER: Final = Decimal("0.25")
MOST_HOURS: Final = Decimal(24)
YEARS_BACK: Final = 10
"""How old an own record may be."""


@dataclass(frozen=True, kw_only=True)
class Credit:
    """Hours that a person has earned on a date, by a strand and a source."""

    credit_id: UUID
    person_id: UUID
    hours: Decimal
    strand: Strand
    source: CpdSource
    source_id: UUID
    school_id: UUID | None
    earned_on: date

    def credited(self) -> CpdCredited:
        return CpdCredited.model_validate(vars(self))

    def revoked(self) -> CpdRevoked:
        return CpdRevoked.model_validate(vars(self))

    def says_the_same(self, other: "Credit") -> bool:
        """Whether both credit the same, so that the one that stands may stay."""
        return replace(self, credit_id=other.credit_id) == other


def credit_id(cause_id: UUID, person_id: UUID) -> UUID:
    """The id of what one event credits to one person; the same whenever it is worked out."""
    return uuid5(CREDIT, f"{cause_id}/{person_id}")


# What days credit


def credits_of_held_day(cause_id: UUID, day: NetworkDayHeld) -> list[Credit]:
    """One credit for each person whom the register has as present, however many places."""
    present = {entry.person_id: entry for entry in day.entries if entry.attendance.present}
    return [
        Credit(
            credit_id=credit_id(cause_id, person_id),
            person_id=person_id,
            hours=day.hours,
            strand=day.strand,
            source=CpdSource.NETWORK_DAY,
            source_id=day.day_id,
            school_id=entry.school_id,
            earned_on=day.date,
        )
        for person_id, entry in sorted(present.items())
    ]


def credits_after_correction(
    cause_id: UUID, correction: AttendanceCorrected, before: Iterable[Credit]
) -> list[Credit]:
    """What stands of the day once one entry of its register is corrected."""
    others = [credit for credit in before if credit.person_id != correction.person_id]
    if not correction.attendance.present:
        return others
    return [
        *others,
        Credit(
            credit_id=credit_id(cause_id, correction.person_id),
            person_id=correction.person_id,
            hours=correction.hours,
            strand=correction.strand,
            source=CpdSource.NETWORK_DAY,
            source_id=correction.day_id,
            school_id=correction.school_id,
            earned_on=correction.date,
        ),
    ]


def credits_of_delivered_day(
    cause_id: UUID, day: DevelopmentDayDelivered | DevelopmentDayCorrected
) -> list[Credit]:
    """One credit for each participant of a delivered Development Day."""
    return [
        Credit(
            credit_id=credit_id(cause_id, person_id),
            person_id=person_id,
            hours=day.hours,
            strand=day.strand,
            source=CpdSource.DEVELOPMENT_DAY,
            source_id=day.day_id,
            school_id=day.school_id,
            earned_on=day.date,
        )
        for person_id in sorted({participant.person_id for participant in day.participants})
    ]


@dataclass(frozen=True)
class Difference:
    """What leads from the credits that stand to those that should, each sorted by person."""

    revoked: tuple[Credit, ...] = ()
    credited: tuple[Credit, ...] = ()

    def events(self) -> list[CpdRevoked | CpdCredited]:
        """What happened, in order: first what counts no longer, then what counts instead."""
        return [
            *(credit.revoked() for credit in self.revoked),
            *(credit.credited() for credit in self.credited),
        ]


def difference(before: Iterable[Credit], after: Iterable[Credit]) -> Difference:
    """How the credits of one day change. A credit of which any fact changed is revoked and made
    anew; one that says the same stays as it is."""
    standing = {credit.person_id: credit for credit in before}
    wanted = {credit.person_id: credit for credit in after}
    kept = {
        person_id
        for person_id in standing.keys() & wanted.keys()
        if standing[person_id].says_the_same(wanted[person_id])
    }
    return Difference(
        revoked=tuple(standing[person_id] for person_id in sorted(standing.keys() - kept)),
        credited=tuple(wanted[person_id] for person_id in sorted(wanted.keys() - kept)),
    )


# Own records


class OwnRecordNotValid(Invalid):
    title = "The own record is not valid"


class OwnRecordRevoked(Refused):
    title = "The own record is revoked already"


class PersonUnknown(NotFound):
    title = "There is no such person"

    DETAIL: ClassVar[str] = (
        "No person {person_id} is known here, or none whose record you may see. "
        "Someone who has just been appointed appears within seconds."
    )

    def __init__(self, person_id: UUID) -> None:
        super().__init__(self.DETAIL.format(person_id=person_id))


class OwnRecordUnknown(NotFound):
    title = "There is no such own record"


@dataclass(frozen=True, kw_only=True)
class OwnRecord:
    """Hours that a person has entered: learning that was no day of the programme."""

    credit: Credit
    title: str | None = None
    is_revoked: bool = False

    @classmethod
    def enter(
        cls,
        *,
        own_record_id: UUID,
        person_id: UUID,
        school_id: UUID | None,
        hours: Decimal,
        strand: Strand,
        earned_on: date,
        title: str | None,
        today: date,
    ) -> tuple["OwnRecord", CpdCredited]:
        """A new own record; OwnRecordNotValid names every field that is wrong."""
        if errors := [*_wrong_hours(hours), *_wrong_date(earned_on, today)]:
            raise OwnRecordNotValid(
                " ".join(error.detail for error in errors) + " Nothing was recorded.",
                errors=errors,
            )
        credit = Credit(
            credit_id=own_record_id,
            person_id=person_id,
            hours=hours.quantize(Decimal("0.01")),
            strand=strand,
            source=CpdSource.OWN_RECORD,
            source_id=own_record_id,
            school_id=school_id,
            earned_on=earned_on,
        )
        return cls(credit=credit, title=title), credit.credited()

    def revoke(self) -> tuple["OwnRecord", CpdRevoked]:
        """The record counts no longer. Raises OwnRecordRevoked the second time."""
        if self.is_revoked:
            raise OwnRecordRevoked(
                f"The own record {self.credit.credit_id} was revoked before: its hours count no "
                "longer. Enter a new one if they should."
            )
        return replace(self, is_revoked=True), self.credit.revoked()


def _wrong_hours(hours: Decimal) -> list[FieldError]:
    if not hours.is_finite() or not 0 < hours <= MOST_HOURS or hours % QUARTER:
        return [
            FieldError(
                "#/hours",
                f"{hours} hours cannot be recorded: give more than 0 and at most {MOST_HOURS}, "
                "in quarter hours (0.25, 0.5, 0.75, 1 …).",
            )
        ]
    return []


def _wrong_date(earned_on: date, today: date) -> list[FieldError]:
    if earned_on > today:
        wrong = f"{earned_on} is in the future: record hours once they are earned."
    elif earned_on < _years_before(today, YEARS_BACK):
        wrong = f"{earned_on} is more than {YEARS_BACK} years ago: that is too old to record."
    else:
        return []
    return [FieldError("#/earned_on", wrong)]


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


# A person's record


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Hours of one strand, source and programme year."""

    strand: Strand
    source: CpdSource
    year: int
    hours: Decimal


@dataclass(frozen=True, kw_only=True)
class Record:
    """The hours that stand for a person, in all and by what."""

    hours: Decimal
    by_strand: dict[Strand, Decimal]
    by_year: dict[str, Decimal]
    by_source: dict[CpdSource, Decimal]

    @classmethod
    def of(cls, sums: Iterable[Sum]) -> "Record":
        """Adds up. Every strand and source is there, and each year in which hours were earned."""
        by_strand = dict.fromkeys(Strand, Decimal(0))
        by_source = dict.fromkeys(CpdSource, Decimal(0))
        by_year: dict[str, Decimal] = {}
        total = Decimal(0)
        for each in sorted(sums, key=lambda each: each.year):
            year = str(ProgrammeYear(each.year))
            total += each.hours
            by_strand[each.strand] += each.hours
            by_source[each.source] += each.hours
            by_year[year] = by_year.get(year, Decimal(0)) + each.hours
        return cls(hours=total, by_strand=by_strand, by_year=by_year, by_source=by_source)
