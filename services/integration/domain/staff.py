"""What a trust reports of its staff and schools, and what of it is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.integration.domain.reports import (
    AbsenceReport,
    LeavingReport,
    Report,
    SchoolReport,
    StaffReport,
)
from shared.events import Event, mis
from shared.events.vocabulary import Role
from shared.problems import Invalid, NotFound, Refused


class SchoolUnknown(Invalid):
    title = "No school has this URN"


class SchoolIsNotTheTrusts(Invalid):
    title = "The school is not the trust's"


class ExternalIdOfAnother(Refused):
    title = "The external id names somebody else"


class StaffUnknown(NotFound):
    title = "No member of staff has this external id"


class StaffErased(Refused):
    status = 410
    title = "The record has been erased"


class DatesRunBackwards(Invalid):
    title = "The dates run backwards"


@dataclass(frozen=True, kw_only=True)
class Schools:
    """What a trust may report on: whose a URN is, also one that was replaced, what the trust calls
    its schools, and when each was in the trust (first day, first day outside)."""

    by_urn: Mapping[int, UUID]
    by_external_id: Mapping[str, UUID]
    stays: Mapping[UUID, Sequence[tuple[date, date | None]]]

    def named(self, urn: int, day: date) -> UUID:
        """Raises SchoolUnknown, SchoolIsNotTheTrusts."""
        school_id = self.by_urn.get(urn)
        if school_id is None:
            raise SchoolUnknown(
                f"No school that is known here has, or had, the URN {urn}. Look it up in the "
                "register of schools (GIAS)."
            )
        self.check(school_id, day)
        return school_id

    def check(self, school_id: UUID, day: date) -> None:
        """Raises SchoolIsNotTheTrusts."""
        for joined_on, left_on in self.stays.get(school_id, ()):
            if joined_on <= day and (left_on is None or day < left_on):
                return
        raise SchoolIsNotTheTrusts(
            f"The school is not in the trust on {day}, so the trust may not report on it. The "
            "programme office records which schools are the trust's."
        )


@dataclass(frozen=True, kw_only=True)
class Staff:
    """A member of staff in a post, as reported last; `to_on` is the last day. Name, e-mail address
    and title are None once erased."""

    trust_id: UUID
    external_id: str
    school_id: UUID
    role_code: str
    role_title: str | None
    role: Role
    from_on: date
    to_on: date | None
    name: str | None
    email: str | None
    erased: bool = False

    @property
    def record(self) -> str:
        return mis.record_of(self.trust_id, self.external_id)

    def check_usable(self) -> None:
        if self.erased:
            raise StaffErased(
                f"{self.external_id} has been erased here. Nothing more is taken for it."
            )

    def is_another_than(self, report: StaffReport) -> bool:
        """Whether the report names somebody else: neither the name nor the address is the same. A
        name changes, and so does an address; both at once are another member of staff."""
        same_name = plain(self.name) == plain(report.name)
        same_email = self.email is not None and plain(self.email) == plain(report.work_email)
        return not same_name and not same_email

    def erase(self) -> tuple["Staff", Sequence[Event]]:
        """What names the person goes; no events where it has gone already."""
        if self.erased:
            return self, ()
        erased = replace(self, name=None, email=None, role_title=None, erased=True)
        return erased, (mis.StaffProfileErased(record=self.record),)


Decided = tuple[Staff | None, Sequence[Event]]
"""The member of staff from now on, if there is one, and what happened; nothing where all of it was
known."""


def decide(
    trust_id: UUID,
    report: Report,
    known: Staff | None,
    schools: Schools,
    today: date,
    roles: Mapping[str, Role],
) -> Decided:
    """What becomes of a report; `known` is what the trust has told under the same external id, and
    `roles` what its role codes mean.

    Raises a Refused that says why it is not taken.
    """
    match report:
        case StaffReport():
            return _reported(trust_id, report, known, schools, today, roles)
        case SchoolReport():
            school_id = schools.named(report.school_urn, today)
            if schools.by_external_id.get(report.external_id) == school_id:
                return known, ()
            record = mis.record_of(trust_id, report.external_id)
            return known, (
                mis.SchoolReported(
                    record=record,
                    trust_id=trust_id,
                    external_id=report.external_id,
                    school_id=school_id,
                ),
            )
    if known is None:
        raise StaffUnknown(
            f"Nobody was reported under {report.external_id}. Send StaffReported first."
        )
    known.check_usable()
    match report:
        case LeavingReport():
            return _left(report, known, schools, today)
        case AbsenceReport():
            schools.check(known.school_id, _within(today, report.first, report.last))
            return known, (
                mis.AbsenceReported(
                    record=known.record,
                    trust_id=trust_id,
                    external_id=known.external_id,
                    school_id=known.school_id,
                    from_on=report.first,
                    to_on=report.last,
                ),
            )
    raise AssertionError(f"{type(report).__name__} is not decided on")


def _reported(
    trust_id: UUID,
    report: StaffReport,
    known: Staff | None,
    schools: Schools,
    today: date,
    roles: Mapping[str, Role],
) -> Decided:
    school_id = schools.named(report.school_urn, _within(today, report.first, report.last))
    if known is not None:
        known.check_usable()
        if known.is_another_than(report):
            raise ExternalIdOfAnother(
                f"{report.external_id} was reported with another name and another e-mail address. "
                "Give each member of staff an external id of their own; where one person has a new "
                "name and a new address, report one of them first."
            )
    staff = Staff(
        trust_id=trust_id,
        external_id=report.external_id,
        school_id=school_id,
        role_code=report.role_code,
        role_title=report.role_title,
        role=roles.get(report.role_code, Role.OTHER),
        from_on=report.first,
        to_on=report.last,
        name=report.name,
        email=report.work_email,
    )
    return staff, _changes(known, staff)


def _changes(known: Staff | None, staff: Staff) -> Sequence[Event]:
    happened: list[Event] = []
    if known is None or (known.name, known.email) != (staff.name, staff.email):
        assert staff.name is not None
        happened.append(mis.StaffProfile(record=staff.record, name=staff.name, email=staff.email))
    if known is None or _post(known) != _post(staff):
        happened.append(
            mis.StaffReported(
                record=staff.record,
                trust_id=staff.trust_id,
                external_id=staff.external_id,
                school_id=staff.school_id,
                role_code=staff.role_code,
                role=staff.role,
                from_on=staff.from_on,
                to_on=staff.to_on,
            )
        )
    return happened


def _left(report: LeavingReport, known: Staff, schools: Schools, today: date) -> Decided:
    if report.left_on < known.from_on:
        raise DatesRunBackwards(
            f"{report.external_id} began on {known.from_on} and cannot have left before that, on "
            f"{report.left_on}."
        )
    schools.check(known.school_id, min(today, report.left_on))
    if known.to_on == report.left_on:
        return known, ()
    return replace(known, to_on=report.left_on), (
        mis.StaffLeft(
            record=known.record,
            trust_id=known.trust_id,
            external_id=known.external_id,
            school_id=known.school_id,
            left_on=report.left_on,
        ),
    )


def _post(staff: Staff) -> tuple[object, ...]:
    return staff.school_id, staff.role_code, staff.role, staff.from_on, staff.to_on


def _within(today: date, first: date, last: date | None) -> date:
    """The day of a period that is nearest to today: on it the school has to be the trust's."""
    return max(first, today if last is None else min(today, last))


def plain(text: str | None) -> str | None:
    """A name or an address as it is compared: without capitals and spare spaces."""
    return None if text is None else " ".join(text.casefold().split())
