"""What cpd publishes: what a person has earned."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from shared.events.envelope import Event
from shared.events.topics import CPD
from shared.events.vocabulary import CpdSource, Strand


class CpdCredited(Event, topic=CPD, key="person_id"):
    """Hours earned on a date; `source_id` is the day's id, or the own record's."""

    person_id: UUID
    credit_id: UUID
    hours: Decimal
    strand: Strand
    source: CpdSource
    source_id: UUID
    school_id: UUID | None
    earned_on: date


class CpdRevoked(Event, topic=CPD, key="person_id"):
    """A credit counts no longer; it repeats the credit's facts, so that nobody looks them up."""

    person_id: UUID
    credit_id: UUID
    hours: Decimal
    strand: Strand
    source: CpdSource
    source_id: UUID
    school_id: UUID | None
    earned_on: date
