"""A school: our own id, the details that the register has, and one URN after another."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Self
from uuid import UUID

from shared.events import membership as events
from shared.events.membership import SchoolDetails, StartingPoint
from shared.events.vocabulary import Framework
from shared.problems import Invalid, Refused

FIRST_URN: Final = 100_000
LAST_URN: Final = 999_999

LAST_OVERALL_GRADE: Final = date(2024, 9, 30)
"""Overall grades ended in September 2024."""
FIRST_REPORT_CARD: Final = date(2025, 11, 1)
"""Report cards began in November 2025."""


class UrnRefused(Invalid):
    title = "The URN cannot be used"


class UrnTaken(Refused):
    title = "The URN names another school"


class LaestabTaken(Refused):
    title = "The LAESTAB names another school"


class SchoolIsClosed(Refused):
    title = "The school is closed"


class SchoolDatesRefused(Invalid):
    title = "The date does not fit the school"


class InspectionRefused(Invalid):
    title = "The inspection does not fit its framework"


class InspectionAlreadyRecorded(Refused):
    title = "The inspection is recorded already"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedUrn:
    """A URN of a school; `valid_from` is None for the first, whose begin nobody has told us."""

    urn: int
    valid_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """An establishment of the register. `urns` are all that it has had, the current one last."""

    school_id: UUID
    details: SchoolDetails
    closed_on: date | None = None
    urns: tuple[DatedUrn, ...] = ()

    @classmethod
    def register(
        cls, school_id: UUID, details: SchoolDetails
    ) -> tuple[Self, events.SchoolRegistered]:
        check_urn(details.urn, "urn")
        school = cls(school_id=school_id, details=details, urns=(DatedUrn(urn=details.urn),))
        return school, events.SchoolRegistered(school_id=school_id, details=details)

    @property
    def laestab(self) -> tuple[str, str] | None:
        """Local authority and establishment number, which together name one open school."""
        la_code, number = self.details.la_code, self.details.establishment_number
        return (la_code, number) if la_code and number else None

    def change_details(
        self, details: SchoolDetails
    ) -> tuple[Self, events.SchoolDetailsChanged | None]:
        """No event where nothing is different."""
        if details == self.details:
            return self, None
        changed = events.SchoolDetailsChanged(school_id=self.school_id, details=details)
        return replace(self, details=details), changed

    def change_urn(self, new_urn: int, changed_on: date) -> tuple[Self, events.SchoolUrnChanged]:
        """A new legal establishment succeeds, as when a school becomes an academy."""
        check_urn(new_urn, "new_urn")
        self.check_open()
        old_urn = self.details.urn
        if any(known.urn == new_urn for known in self.urns):
            raise UrnTaken(f"{self.details.name} has or had the URN {new_urn} already.")
        since = self.urns[-1].valid_from if self.urns else None
        if since is not None and changed_on <= since:
            raise SchoolDatesRefused(
                f"{self.details.name} has had the URN {old_urn} since {since}: the next one comes "
                "after that day.",
                errors=[("#/changed_on", f"after {since}")],
            )
        changed = events.SchoolUrnChanged(
            school_id=self.school_id, old_urn=old_urn, new_urn=new_urn, changed_on=changed_on
        )
        details = self.details.model_copy(update={"urn": new_urn})
        urns = (*self.urns, DatedUrn(urn=new_urn, valid_from=changed_on))
        return replace(self, details=details, urns=urns), changed

    def close(self, closed_on: date) -> tuple[Self, events.SchoolClosed]:
        self.check_open()
        closed = events.SchoolClosed(school_id=self.school_id, closed_on=closed_on)
        return replace(self, closed_on=closed_on), closed

    def record_inspection(self, inspection: StartingPoint) -> events.InspectionRecorded:
        if inspection.framework is Framework.NOT_INSPECTED or inspection.inspected_on is None:
            raise InspectionRefused("An inspection has a framework, a judgement and a date.")
        check_inspection(inspection, "#")
        return events.InspectionRecorded(school_id=self.school_id, inspection=inspection)

    def check_open(self) -> None:
        if self.closed_on is not None:
            raise SchoolIsClosed(
                f"{self.details.name} (URN {self.details.urn}) closed on {self.closed_on}. "
                "Take the school that succeeded it."
            )


def check_urn(urn: int, field: str) -> None:
    """UrnRefused where it has not six digits; `field` names it in the request."""
    if not FIRST_URN <= urn <= LAST_URN:
        raise UrnRefused(
            f"{urn} is no URN: a URN has six digits, as in 123456.",
            errors=[(f"#/{field}", "six digits")],
        )


def check_inspection(inspection: StartingPoint, pointer: str) -> None:
    """InspectionRefused where the framework did not apply on the day of the inspection."""
    day = inspection.inspected_on
    wrong = None
    match inspection.framework:
        case Framework.NOT_INSPECTED if day is not None:
            wrong = "A school that was not inspected has no date of inspection."
        case Framework.OVERALL_GRADE if day is not None and day > LAST_OVERALL_GRADE:
            wrong = f"Overall grades ended in September 2024: there is none of {day}."
        case Framework.REPORT_CARD if day is not None and day < FIRST_REPORT_CARD:
            wrong = f"Report cards began in November 2025: there is none of {day}."
    if wrong:
        raise InspectionRefused(wrong, errors=[(f"{pointer}/inspected_on", wrong)])
