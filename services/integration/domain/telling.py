"""What goes out to trusts of each event: slices that concern one school, group, person or day.

Nothing here has a name or free text about a person: only events that name people have, and those
are not told. To whom a slice belongs is found out later, by the feeder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto
from typing import Any, Final
from uuid import UUID, uuid5

from shared.events import Event, Received, cpd, integration, mis
from shared.events import membership as m
from shared.events import scheduling as s


class Audience(StrEnum):
    """To whom a slice belongs: the trusts that have the school, are the group, have the person, or
    have a school with a place on the day."""

    SCHOOL = auto()
    GROUP = auto()
    PERSON = auto()
    DAY = auto()


class Cut(StrEnum):
    """How an event is cut into slices."""

    SCHOOL = auto()
    """It is its school's."""
    GROUP = auto()
    """It is its group's, if that is a trust."""
    TRUST = auto()
    """It is its trust's."""
    PERSON = auto()
    """It is its person's, and told to whoever has, or once had, that person."""
    SCHOOL_OR_PERSON = auto()
    """It is its school's, or where it has none its person's."""
    PLACE = auto()
    """It is its school's, which takes part in the day from now on."""
    DAY = auto()
    """It is of every school that takes part in the day, now or later."""
    REGISTER = auto()
    """Each school takes part in the day, and has its own entries of the register."""


TOLD: Final[Mapping[type[Event], Cut]] = {
    m.SchoolRegistered: Cut.SCHOOL,
    m.SchoolDetailsChanged: Cut.SCHOOL,
    m.SchoolUrnChanged: Cut.SCHOOL,
    m.SchoolClosed: Cut.SCHOOL,
    m.SchoolJoined: Cut.SCHOOL,
    m.SchoolMovedNetwork: Cut.SCHOOL,
    m.MembershipPaused: Cut.SCHOOL,
    m.MembershipResumed: Cut.SCHOOL,
    m.MembershipCompleted: Cut.SCHOOL,
    m.SchoolLeft: Cut.SCHOOL,
    m.MembershipCorrected: Cut.SCHOOL,
    m.InspectionRecorded: Cut.SCHOOL,
    m.GroupRegistered: Cut.GROUP,
    m.GroupRenamed: Cut.GROUP,
    m.SchoolJoinedGroup: Cut.GROUP,
    m.SchoolLeftGroup: Cut.GROUP,
    integration.StaffMatched: Cut.TRUST,
    integration.WebhookRested: Cut.TRUST,
    m.LeaderAppointed: Cut.SCHOOL,
    m.LeaderLeft: Cut.SCHOOL,
    m.PeopleMerged: Cut.PERSON,
    m.PersonErased: Cut.PERSON,
    s.NetworkDayScheduled: Cut.DAY,
    s.NetworkDayRescheduled: Cut.DAY,
    s.NetworkDayCancelled: Cut.DAY,
    s.PlaceBooked: Cut.PLACE,
    s.PlaceWaitlisted: Cut.PLACE,
    s.PlaceReleased: Cut.PLACE,
    s.NetworkDayHeld: Cut.REGISTER,
    s.NetworkDayReopened: Cut.DAY,
    s.AttendanceCorrected: Cut.PLACE,
    s.DevelopmentDayPlanned: Cut.PLACE,
    s.DevelopmentDayRescheduled: Cut.DAY,
    s.DevelopmentDayDelivered: Cut.PLACE,
    s.DevelopmentDayCorrected: Cut.PLACE,
    s.DevelopmentDayCancelled: Cut.DAY,
    cpd.CpdCredited: Cut.SCHOOL_OR_PERSON,
    cpd.CpdRevoked: Cut.SCHOOL_OR_PERSON,
}

NOT_TOLD: Final[frozenset[type[Event]]] = frozenset(
    {
        # They are of no school.
        m.NetworkEstablished, m.NetworkRenamed, m.NetworkClosed,
        m.AdviserAssigned, m.AdviserUnassigned,
        # They name people.
        m.PersonProfile, m.PersonProfileErased, mis.StaffProfile, mis.StaffProfileErased,
        # Trusts have said them themselves, or know them from their credentials.
        mis.StaffReported, mis.StaffLeft, mis.AbsenceReported, mis.SchoolReported,
        integration.TrustConnected, integration.TrustCredentialsRotated, integration.TrustRevoked,
        integration.WebhookRegistered, integration.WebhookRemoved, integration.WebhookWoken,
    }
)  # fmt: skip

TYPES: Final = frozenset(event.type for event in TOLD)
"""The CloudEvents types that a trust may be told."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What is told of an event to one audience.

    `id` is the event's own wherever nothing is cut out. `stream` is what is delivered in order:
    service and key. `day_id` is the day in which the school takes part from now on.
    """

    id: UUID
    event_id: UUID
    type: str
    source: str
    subject: str
    sequence: str
    time: datetime
    stream: str
    audience: Audience
    audience_id: UUID
    formerly: bool = False
    day_id: UUID | None = None
    traceparent: str | None = None
    data: Mapping[str, Any]


def slices(event: Received[Event]) -> Iterator[Slice]:
    """Of an event of one of the types that are told."""
    data = event.data.model_dump(mode="json")
    match TOLD[type(event.data)]:
        case Cut.GROUP:
            yield _slice(event, data, Audience.GROUP, data["group_id"])
        case Cut.TRUST:
            yield _slice(event, data, Audience.GROUP, data["trust_id"])
        case Cut.PERSON:
            yield _slice(event, data, Audience.PERSON, data["person_id"], formerly=True)
        case Cut.SCHOOL_OR_PERSON if data["school_id"] is None:
            yield _slice(event, data, Audience.PERSON, data["person_id"])
        case Cut.DAY:
            yield _slice(event, data, Audience.DAY, data["day_id"])
        case Cut.REGISTER:
            for school_id in sorted({entry["school_id"] for entry in data["entries"]}):
                own = [entry for entry in data["entries"] if entry["school_id"] == school_id]
                cut = data | {"entries": own}
                yield _slice(
                    event, cut, Audience.SCHOOL, school_id,
                    id=uuid5(event.id, school_id), day_id=UUID(event.key),
                )  # fmt: skip
        case Cut.PLACE:
            day_id = UUID(event.key)
            yield _slice(event, data, Audience.SCHOOL, data["school_id"], day_id=day_id)
        case _:
            yield _slice(event, data, Audience.SCHOOL, data["school_id"])


def _slice(
    event: Received[Event], data: Mapping[str, Any], audience: Audience, audience_id: str,
    *, id: UUID | None = None, formerly: bool = False, day_id: UUID | None = None,  # noqa: A002
) -> Slice:  # fmt: skip
    service = event.data.topic.service
    return Slice(
        id=id or event.id,
        event_id=event.id,
        type=event.data.type,
        source=f"/aspire/{service}",
        subject=event.key,
        sequence=f"{event.sequence:012d}",
        time=event.time,
        stream=f"{service}/{event.key}",
        audience=audience,
        audience_id=UUID(audience_id),
        formerly=formerly,
        day_id=day_id,
        traceparent=event.traceparent,
        data=data,
    )


@dataclass(frozen=True)
class Told:
    """A slice as it stands in a trust's feed. `position` counts 1, 2, 3 for each trust."""

    position: int
    id: UUID
    type: str
    source: str
    subject: str
    sequence: str
    time: datetime
    stream: str
    data: dict[str, Any]
    traceparent: str | None


@dataclass(frozen=True)
class ExternalIds:
    """What a trust itself calls people and schools, by our ids, as far as it has told us."""

    people: Mapping[str, Sequence[str]] = field(default_factory=dict)
    schools: Mapping[str, Sequence[str]] = field(default_factory=dict)


PERSON_FIELDS: Final = ("person_id", "merged_person_id", "adviser_id")


def mentioned(data: object, *fields: str) -> Iterator[str]:
    """The ids in fields of these names, wherever they stand."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name in fields and value is not None:
                yield value
            else:
                yield from mentioned(value, *fields)
    elif isinstance(data, list):
        for each in data:
            yield from mentioned(each, *fields)


def envelope(told: Told, external_ids: ExternalIds) -> dict[str, Any]:
    """The CloudEvent 1.0 in its JSON format, with the trust's own ids beside ours in the data, and
    `partitionkey` and `sequence` of the standard's extensions."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(told.id),
        "source": told.source,
        "type": told.type,
        "subject": told.subject,
        "time": told.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": told.sequence,
        "partitionkey": told.stream,
    }
    if told.traceparent is not None:
        event["traceparent"] = told.traceparent
    people = _known(external_ids.people, mentioned(told.data, *PERSON_FIELDS))
    schools = _known(external_ids.schools, mentioned(told.data, "school_id"))
    event["data"] = told.data | {"external_ids": {"people": people, "schools": schools}}
    return event


def _known(called: Mapping[str, Sequence[str]], ids: Iterator[str]) -> dict[str, list[str]]:
    return {each: list(called[each]) for each in sorted(set(ids)) if each in called}
