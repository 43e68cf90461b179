"""Places of a Network Day: who may have one, and what becomes of it."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.scheduling.domain.known import Applicant
from shared.events.vocabulary import Attendance, Role
from shared.problems import FieldError, NotFound, Refused


class PlaceStatus(StrEnum):
    BOOKED = "booked"
    WAITING = "waiting"
    RELEASED = "released"


class PlacesRefused(Refused):
    status = 422
    title = "The number of places does not fit"


class NoPostAtSchool(Refused):
    status = 422
    title = "The person has no post at the school"


class SchoolNotInNetwork(Refused):
    status = 422
    title = "The school is not in the day's networks"


class AlreadyHasAPlace(Refused):
    status = 409
    title = "The person has a place already"


class PlaceNotFound(NotFound):
    title = "No such place"


class PlaceAlreadyReleased(Refused):
    status = 409
    title = "The place has been released already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A person's application for a day. `number` counts the day's applications in their order.

    `booked_as` is the id under which it was booked, and the one that its events carry for good:
    what they caused elsewhere is kept under it. `person_id` is the person that stays.
    """

    place_id: UUID
    person_id: UUID
    booked_as: UUID
    school_id: UUID
    role: Role
    status: PlaceStatus
    number: int
    attendance: Attendance | None = None


def check_applicant(
    day_id: UUID, network_ids: Sequence[UUID], date: datetime.date, applicant: Applicant
) -> None:
    """Refuses a person without a post at the school, and a school outside the day's networks."""
    person_id, school_id = applicant.member.person_id, applicant.school.school_id
    if not applicant.member.may_come:
        raise NoPostAtSchool(
            f"Person {person_id} has no post at school {school_id} on {date}. "
            "A place is for staff of the school: record the post in membership first.",
            errors=[FieldError("#/person_id", "no post at the school on the day")],
        )
    if applicant.school.network_id not in network_ids:
        raise SchoolNotInNetwork(
            f"School {school_id} is no active member of the networks of day {day_id} on "
            f"{date}. Choose a day of the school's own network.",
            errors=[FieldError("#/school_id", "not in the day's networks")],
        )
