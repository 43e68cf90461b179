"""What membership publishes: who is in the programme, and what a person is called."""

from datetime import date
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from shared.events.envelope import Event
from shared.events.topics import MEMBERSHIP, PEOPLE
from shared.events.vocabulary import (
    JUDGEMENTS_OF,
    Framework,
    GroupKind,
    Judgement,
    LeavingReason,
    Pathway,
    Region,
    Role,
)


class StartingPoint(BaseModel):
    """An inspection judgement together with the framework that it belongs to."""

    model_config = ConfigDict(frozen=True)

    framework: Framework
    judgement: Judgement | None = None
    inspected_on: date | None = None

    @model_validator(mode="after")
    def _judgement_is_of_its_framework(self) -> Self:
        allowed = JUDGEMENTS_OF[self.framework]
        if allowed and self.judgement is None:
            raise ValueError(f"a starting point under {self.framework} needs a judgement")
        if self.judgement is not None and self.judgement not in allowed:
            names = ", ".join(allowed) or "none"
            raise ValueError(f"{self.judgement} is no judgement of {self.framework}; use: {names}")
        return self


# Networks


class NetworkEstablished(Event, topic=MEMBERSHIP, key="network_id"):
    network_id: UUID
    name: str
    region: Region
    established_on: date


class NetworkRenamed(Event, topic=MEMBERSHIP, key="network_id"):
    network_id: UUID
    name: str


class NetworkClosed(Event, topic=MEMBERSHIP, key="network_id"):
    """`closed_on` is the network's last day."""

    network_id: UUID
    closed_on: date


class AdviserAssigned(Event, topic=MEMBERSHIP, key="network_id"):
    network_id: UUID
    person_id: UUID
    assigned_on: date


class AdviserUnassigned(Event, topic=MEMBERSHIP, key="network_id"):
    """`unassigned_on` is the first day on which the adviser is no longer the network's."""

    network_id: UUID
    person_id: UUID
    unassigned_on: date


# Schools


class SchoolDetails(BaseModel):
    """A school as the register has it (GIAS)."""

    model_config = ConfigDict(frozen=True)

    urn: int
    name: str
    la_code: str | None = None
    la_name: str | None = None
    establishment_number: str | None = None
    establishment_type: str | None = None
    phase: str | None = None
    region: Region | None = None
    town: str | None = None
    postcode: str | None = None
    pupils: int | None = None


class SchoolRegistered(Event, topic=MEMBERSHIP, key="school_id"):
    school_id: UUID
    details: SchoolDetails


class SchoolDetailsChanged(Event, topic=MEMBERSHIP, key="school_id"):
    """All details as they are from now on, not only the changed ones."""

    school_id: UUID
    details: SchoolDetails


class SchoolUrnChanged(Event, topic=MEMBERSHIP, key="school_id"):
    """One with a new URN succeeded the establishment, as when a school becomes an academy."""

    school_id: UUID
    old_urn: int
    new_urn: int
    changed_on: date


class SchoolClosed(Event, topic=MEMBERSHIP, key="school_id"):
    school_id: UUID
    closed_on: date


class SchoolJoined(Event, topic=MEMBERSHIP, key="school_id"):
    """`ends_on` is the last day of the membership as agreed on joining."""

    school_id: UUID
    membership_id: UUID
    network_id: UUID
    pathway: Pathway
    joined_on: date
    ends_on: date
    starting_point: StartingPoint
    group_id: UUID | None = None


class SchoolMovedNetwork(Event, topic=MEMBERSHIP, key="school_id"):
    """`moved_on` is the first day in the new network."""

    school_id: UUID
    membership_id: UUID
    from_network_id: UUID
    to_network_id: UUID
    moved_on: date


class MembershipPaused(Event, topic=MEMBERSHIP, key="school_id"):
    school_id: UUID
    membership_id: UUID
    paused_on: date


class MembershipResumed(Event, topic=MEMBERSHIP, key="school_id"):
    school_id: UUID
    membership_id: UUID
    resumed_on: date


class MembershipCompleted(Event, topic=MEMBERSHIP, key="school_id"):
    """`completed_on` is the last day of the membership."""

    school_id: UUID
    membership_id: UUID
    completed_on: date


class SchoolLeft(Event, topic=MEMBERSHIP, key="school_id"):
    """`left_on` is the last day of the membership."""

    school_id: UUID
    membership_id: UUID
    left_on: date
    reason: LeavingReason


class MembershipCorrected(Event, topic=MEMBERSHIP, key="school_id"):
    """The membership as it should have been recorded; `void` if it should never have been.

    `wrong` names the fields that were wrong. A correction does not undo moves and pauses.
    """

    school_id: UUID
    membership_id: UUID
    wrong: tuple[str, ...]
    network_id: UUID
    pathway: Pathway
    joined_on: date
    ends_on: date
    starting_point: StartingPoint
    group_id: UUID | None = None
    void: bool = False


class InspectionRecorded(Event, topic=MEMBERSHIP, key="school_id"):
    school_id: UUID
    inspection: StartingPoint


# Groups


class GroupRegistered(Event, topic=MEMBERSHIP, key="group_id"):
    group_id: UUID
    name: str
    kind: GroupKind
    register_code: str | None = None


class GroupRenamed(Event, topic=MEMBERSHIP, key="group_id"):
    group_id: UUID
    name: str


class SchoolJoinedGroup(Event, topic=MEMBERSHIP, key="group_id"):
    group_id: UUID
    school_id: UUID
    joined_on: date


class SchoolLeftGroup(Event, topic=MEMBERSHIP, key="group_id"):
    """`left_on` is the first day outside the group."""

    group_id: UUID
    school_id: UUID
    left_on: date


# People


class LeaderAppointed(Event, topic=MEMBERSHIP, key="person_id"):
    person_id: UUID
    post_id: UUID
    school_id: UUID
    role: Role
    appointed_on: date


class LeaderLeft(Event, topic=MEMBERSHIP, key="person_id"):
    """`left_on` is the last day in the post."""

    person_id: UUID
    post_id: UUID
    school_id: UUID
    left_on: date


class PeopleMerged(Event, topic=MEMBERSHIP, key="person_id"):
    """Two records were one person; `person_id` stays."""

    person_id: UUID
    merged_person_id: UUID


class PersonErased(Event, topic=MEMBERSHIP, key="person_id"):
    person_id: UUID


class PersonProfile(Event, topic=PEOPLE, key="person_id"):
    """What a person is called and how to reach them."""

    person_id: UUID
    name: str
    email: str | None = None


class PersonProfileErased(Event, topic=PEOPLE, key="person_id", tombstone=True):
    """The tombstone that erases a profile from the compacted topic."""

    person_id: UUID
