"""What scheduling publishes: which days happen and who comes."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.events.envelope import Event
from shared.events.topics import SCHEDULING
from shared.events.vocabulary import Attendance, CancellationReason, Role, Strand


class RegisterEntry(BaseModel):
    """One place on the register of a held day; `role` is the person's on that day."""

    model_config = ConfigDict(frozen=True)

    place_id: UUID
    person_id: UUID
    school_id: UUID
    role: Role
    attendance: Attendance


class NetworkDayScheduled(Event, topic=SCHEDULING, key="day_id"):
    """`hours` are the CPD hours that an attender earns."""

    day_id: UUID
    title: str
    network_ids: tuple[UUID, ...]
    date: date
    venue: str
    places: int
    strand: Strand
    hours: Decimal


class NetworkDayRescheduled(Event, topic=SCHEDULING, key="day_id"):
    """Date, venue and places as they are from now on."""

    day_id: UUID
    date: date
    venue: str
    places: int


class NetworkDayCancelled(Event, topic=SCHEDULING, key="day_id"):
    day_id: UUID
    reason: CancellationReason


class PlaceBooked(Event, topic=SCHEDULING, key="day_id"):
    """`from_waiting_list`: the place was freed or added, and the first in the queue got it."""

    day_id: UUID
    place_id: UUID
    person_id: UUID
    school_id: UUID
    from_waiting_list: bool = False


class PlaceWaitlisted(Event, topic=SCHEDULING, key="day_id"):
    """`number` orders the queue: lower comes first."""

    day_id: UUID
    place_id: UUID
    person_id: UUID
    school_id: UUID
    number: int


class PlaceReleased(Event, topic=SCHEDULING, key="day_id"):
    day_id: UUID
    place_id: UUID
    person_id: UUID
    school_id: UUID


class NetworkDayHeld(Event, topic=SCHEDULING, key="day_id"):
    """The day took place; its register, `entries`, has every booked place once."""

    day_id: UUID
    network_ids: tuple[UUID, ...]
    date: date
    strand: Strand
    hours: Decimal
    entries: tuple[RegisterEntry, ...]


class NetworkDayReopened(Event, topic=SCHEDULING, key="day_id"):
    """The day had been recorded as held by mistake: its register counts for nothing."""

    day_id: UUID


class AttendanceCorrected(Event, topic=SCHEDULING, key="day_id"):
    """One entry of a held day's register was wrong; the day's own facts come along."""

    day_id: UUID
    date: date
    strand: Strand
    hours: Decimal
    place_id: UUID
    person_id: UUID
    school_id: UUID
    role: Role
    was: Attendance
    attendance: Attendance


class Participant(BaseModel):
    """A person named in a delivered Development Day; `role` is the person's on that day."""

    model_config = ConfigDict(frozen=True)

    person_id: UUID
    role: Role


class DevelopmentDayPlanned(Event, topic=SCHEDULING, key="day_id"):
    """`follows_up` is the Network Day that this day continues in school."""

    day_id: UUID
    school_id: UUID
    network_id: UUID
    adviser_id: UUID
    date: date
    strand: Strand
    follows_up: UUID | None = None


class DevelopmentDayRescheduled(Event, topic=SCHEDULING, key="day_id"):
    """Date and adviser as they are from now on."""

    day_id: UUID
    date: date
    adviser_id: UUID


class DevelopmentDayDelivered(Event, topic=SCHEDULING, key="day_id"):
    """`hours` are the CPD hours that each participant earns."""

    day_id: UUID
    school_id: UUID
    network_id: UUID
    adviser_id: UUID
    date: date
    strand: Strand
    hours: Decimal
    participants: tuple[Participant, ...]


class DevelopmentDayCorrected(Event, topic=SCHEDULING, key="day_id"):
    """A delivered day as it should have been recorded."""

    day_id: UUID
    school_id: UUID
    network_id: UUID
    adviser_id: UUID
    date: date
    strand: Strand
    hours: Decimal
    participants: tuple[Participant, ...]


class DevelopmentDayCancelled(Event, topic=SCHEDULING, key="day_id"):
    day_id: UUID
    reason: CancellationReason
