"""What trusts' systems report, in one language. The key is the trust's id and the external id.

No personal data is in it, but on the compacted topic that is made for them.
"""

from datetime import date
from uuid import UUID

from shared.events.envelope import Event
from shared.events.topics import MIS, MIS_PEOPLE
from shared.events.vocabulary import Role


def record_of(trust_id: UUID, external_id: str) -> str:
    """The key of what a trust reports under one of its own ids."""
    return f"{trust_id}/{external_id}"


class StaffReported(Event, topic=MIS, key="record"):
    """A post of a member of staff, as it is from now on; `to_on` is its last day. `role_code` is
    the trust's own, and `role` what it meant when it was reported."""

    record: str
    trust_id: UUID
    external_id: str
    school_id: UUID
    role_code: str
    from_on: date
    to_on: date | None = None
    role: Role = Role.OTHER


class StaffLeft(Event, topic=MIS, key="record"):
    """The post has ended; `left_on` is its last day."""

    record: str
    trust_id: UUID
    external_id: str
    school_id: UUID
    left_on: date


class AbsenceReported(Event, topic=MIS, key="record"):
    """The member of staff is away from the first day to the last; nobody says why."""

    record: str
    trust_id: UUID
    external_id: str
    school_id: UUID
    from_on: date
    to_on: date | None = None


class SchoolReported(Event, topic=MIS, key="record"):
    """What a trust calls one of its schools."""

    record: str
    trust_id: UUID
    external_id: str
    school_id: UUID


class StaffProfile(Event, topic=MIS_PEOPLE, key="record"):
    """What a trust calls a member of staff, and their work e-mail address."""

    record: str
    name: str
    email: str | None = None


class StaffProfileErased(Event, topic=MIS_PEOPLE, key="record", tombstone=True):
    """The tombstone that erases a profile from the compacted topic."""

    record: str
