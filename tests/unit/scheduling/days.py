"""Valid days and what is known of their people, with one call; a test changes what it is about."""

import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from services.scheduling.domain import (
    AdviserOn,
    Applicant,
    DevelopmentDay,
    KnownNetwork,
    NetworkDay,
    Place,
    SchoolOn,
    StaffMember,
    Visit,
)
from shared.events.vocabulary import Attendance, Role, Strand

TODAY = datetime.date(2026, 11, 25)
DAY = datetime.date(2026, 11, 20)
NETWORK, OTHER_NETWORK, SCHOOL, ADVISER = (uuid4() for _ in range(4))


def known(*network_ids: UUID, established_on: str = "2020-09-01", **more: Any) -> dict[UUID, Any]:
    on = datetime.date.fromisoformat(established_on)
    return {
        each: KnownNetwork(network_id=each, established_on=on, **more)
        for each in network_ids or (NETWORK,)
    }


def schedule(**changes: Any) -> tuple[NetworkDay, Any]:
    facts: dict[str, Any] = {
        "day_id": uuid4(),
        "title": "Leading a subject",
        "network_ids": [NETWORK],
        "date": DAY,
        "venue": "Town Hall, Leeds",
        "places": 2,
        "strand": Strand.LEADERSHIP,
        "hours": Decimal(5),
        "known": known(),
        "today": TODAY,
        "role": "office",
    }
    return NetworkDay.schedule(**{**facts, **changes})


def network_day(**changes: Any) -> NetworkDay:
    return schedule(**changes)[0]


def applicant(
    person_id: UUID | None = None,
    *,
    role: Role | None = Role.MIDDLE_LEADER,
    network_id: UUID | None = NETWORK,
    erased: bool = False,
) -> Applicant:
    return Applicant(
        member=StaffMember(person_id=person_id or uuid4(), role=role, erased=erased),
        school=SchoolOn(school_id=SCHOOL, network_id=network_id),
    )


def booked(day: NetworkDay, people: int = 1) -> NetworkDay:
    for _ in range(people):
        day, _, _ = day.book(uuid4(), applicant())
    return day


def register(
    day: NetworkDay, attendance: Attendance = Attendance.ATTENDED
) -> list[tuple[UUID, Attendance]]:
    return [(place.place_id, attendance) for place in day.booked]


def held(day: NetworkDay) -> NetworkDay:
    return day.hold(register(day), {}, TODAY)[0]


def ids(places: tuple[Place, ...]) -> list[UUID]:
    return [place.place_id for place in places]


def visit(date: datetime.date = DAY, **changes: Any) -> Visit:
    facts: dict[str, Any] = {
        "date": date,
        "school": SchoolOn(school_id=SCHOOL, network_id=NETWORK),
        "adviser": AdviserOn(person_id=ADVISER, network_ids=frozenset({NETWORK})),
    }
    return Visit(**{**facts, **changes})


def planned(**changes: Any) -> DevelopmentDay:
    facts: dict[str, Any] = {
        "day_id": uuid4(),
        "visit": visit(),
        "strand": Strand.PEDAGOGY_AND_CURRICULUM,
        "follows_up": None,
        "today": TODAY,
        "role": "adviser",
    }
    return DevelopmentDay.plan(**{**facts, **changes})[0]


def staff(*people: UUID, role: Role | None = Role.SENIOR_LEADER) -> dict[UUID, StaffMember]:
    return {each: StaffMember(person_id=each, role=role) for each in people}


def delivered(day: DevelopmentDay, *people: UUID) -> DevelopmentDay:
    people = people or (uuid4(),)
    return day.deliver(
        hours=Decimal("2.5"),
        participants=people,
        school=SchoolOn(school_id=SCHOOL, network_id=NETWORK),
        staff=staff(*people),
        today=TODAY,
    )[0]
