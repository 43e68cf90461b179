"""A sandbox: a fictional trust, whose days are played, for a developer to try things out.

All of it follows from the trust's id, so a sandbox that is put back to its first day has the same
schools and people. What is told of it afterwards are new events, with ids of their own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from services.integration.domain.telling import TYPES
from shared.clock import LONDON, london_date
from shared.events import Event, Received
from shared.events import membership as m
from shared.events.vocabulary import Framework, GroupKind, Judgement, Pathway, Region, Role
from shared.problems import NotFound

FIRST_URN: Final = 900000
"""No school has a URN from here on: the register of schools (GIAS) gives out others."""
SINCE: Final = date(2020, 9, 1)
"""Since when the schools are the trust's, and people have their posts."""
NAMES: Final = (
    ("Alderbrook Primary School", "Alderbrook"),
    ("Birchfield Academy", "Birchfield"),
    ("Coppice Lane School", "Coppice"),
    ("Nextdoor Community School", "Nextdoor"),
)
"""The last one is of no trust, and takes part in the same days."""
STAFF: Final = (
    ("Amina Fictional", "Bryn Fictional", "Chloe Fictional", "Dev Fictional"),
    ("Esther Fictional", "Farid Fictional", "Grace Fictional", "Hugo Fictional"),
    ("Iris Fictional", "Jonas Fictional", "Keira Fictional", "Lev Fictional"),
    ("Mara Fictional",),
)
ROLES: Final = (Role.HEADTEACHER, Role.SENIOR_LEADER, Role.MIDDLE_LEADER, Role.OTHER)
TWICE: Final = "Hugo Fictional"
"""Whom the programme had on record twice."""


class SandboxUnknown(NotFound):
    title = "There is no such sandbox"

    def __init__(self, trust_id: UUID) -> None:
        super().__init__(
            f"{trust_id} is no sandbox. `aspire trust sandbox list` shows those that there are; "
            "nothing of a real trust is reset or removed."
        )


@dataclass(frozen=True, kw_only=True)
class FictionalSchool:
    school_id: UUID
    urn: int
    name: str
    town: str


@dataclass(frozen=True, kw_only=True)
class FictionalPerson:
    person_id: UUID
    post_id: UUID
    name: str
    email: str
    role: Role
    school: FictionalSchool


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """`begins` is the position behind which its feed begins, another one after each reset; `days`
    says how many have been played."""

    trust_id: UUID
    first_urn: int
    begins: int = 0
    days: int = 0

    @property
    def name(self) -> str:
        return f"Sandbox Learning Trust {self.trust_id.hex[:4]}"

    @property
    def schools(self) -> Sequence[FictionalSchool]:
        """The trust's own, and behind them the one next door."""
        return tuple(
            FictionalSchool(
                school_id=self.id_of(town), urn=self.first_urn + number, name=name, town=town
            )
            for number, (name, town) in enumerate(NAMES)
        )

    @property
    def people(self) -> Sequence[FictionalPerson]:
        """The trust's own, and behind them the one next door."""
        return tuple(
            FictionalPerson(
                person_id=self.id_of(name),
                post_id=post_of(self.id_of(name), 0),
                name=name,
                email=f"{name.split()[0].lower()}@{school.town.lower()}.example",
                role=role,
                school=school,
            )
            for school, names in zip(self.schools, STAFF, strict=True)
            for name, role in zip(names, ROLES, strict=False)
        )

    def id_of(self, name: str) -> UUID:
        return uuid5(self.trust_id, name)


def post_of(person_id: UUID, number: int) -> UUID:
    """The id of the how-manieth post of a fictional person, from 0 on."""
    return uuid5(person_id, f"post {number}")


def founded(sandbox: Sandbox, today: date) -> Iterator[Event]:
    """What membership would have said of the trust before its first day."""
    *own, _ = sandbox.schools
    yield m.GroupRegistered(group_id=sandbox.trust_id, name=sandbox.name, kind=GroupKind.TRUST)
    for school in sandbox.schools:
        details = m.SchoolDetails(
            urn=school.urn, name=school.name, town=school.town, region=Region.SOUTH_EAST
        )
        yield m.SchoolRegistered(school_id=school.school_id, details=details)
    for school in own:
        yield m.SchoolJoinedGroup(
            group_id=sandbox.trust_id, school_id=school.school_id, joined_on=SINCE
        )
    for school in own:
        yield m.SchoolJoined(
            school_id=school.school_id,
            membership_id=sandbox.id_of(f"membership of {school.town}"),
            network_id=sandbox.id_of("network"),
            pathway=Pathway.CONNECT,
            joined_on=today,
            ends_on=today + timedelta(days=3 * 365),
            starting_point=m.StartingPoint(
                framework=Framework.OVERALL_GRADE, judgement=Judgement.REQUIRES_IMPROVEMENT
            ),
            group_id=sandbox.trust_id,
        )
    yield from _staffed(sandbox)
    yield m.InspectionRecorded(
        school_id=own[0].school_id,
        inspection=m.StartingPoint(
            framework=Framework.OVERALL_GRADE, judgement=Judgement.GOOD, inspected_on=today
        ),
    )


def _staffed(sandbox: Sandbox) -> Iterator[Event]:
    twice = sandbox.id_of(f"{TWICE}, once more")
    for each in sandbox.people:
        yield m.PersonProfile(person_id=each.person_id, name=each.name, email=each.email)
    yield m.PersonProfile(person_id=twice, name=TWICE)
    for each in sandbox.people:
        yield _appointed(each, each.person_id)
    [hugo] = (each for each in sandbox.people if each.name == TWICE)
    yield _appointed(hugo, twice)
    yield m.PeopleMerged(person_id=hugo.person_id, merged_person_id=twice)
    yield m.PersonProfileErased(person_id=twice)


def _appointed(who: FictionalPerson, person_id: UUID) -> m.LeaderAppointed:
    return m.LeaderAppointed(
        person_id=person_id,
        post_id=post_of(person_id, 0),
        school_id=who.school.school_id,
        role=who.role,
        appointed_on=SINCE,
    )


def heard(
    sandbox: Sandbox,
    events: Sequence[Event],
    last: Mapping[str, int],
    since: datetime,
    now: datetime,
) -> list[Received[Event]]:
    """The events as if Kafka had brought them: at times that ascend from `since` to `now`, and with
    the sequences that follow the last ones, by stream (service and key)."""
    sequences = Counter(last)
    received: list[Received[Event]] = []
    for number, event in enumerate(events, 1):
        stream = stream_of(event)
        sequences[stream] += event.type in TYPES  # others have a topic of their own
        name = f"{sandbox.begins}/{event.type}/{stream}/{sequences[stream]}"
        time = since + (now - since) * number / len(events)
        received.append(
            Received(
                id=uuid5(sandbox.trust_id, name), topic=event.topic.name, key=event.key,
                sequence=sequences[stream], time=time, data=event, partition=0, offset=0,
            )
        )  # fmt: skip
    return received


def stream_of(event: Event) -> str:
    return f"{event.topic.service}/{event.key}"


def midnight(now: datetime) -> datetime:
    """When the day has begun in London."""
    return datetime.combine(london_date(now), datetime.min.time(), LONDON).astimezone(UTC)
