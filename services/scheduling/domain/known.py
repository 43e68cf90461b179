"""What scheduling knows from membership's events, as it stands on one date."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.events.vocabulary import Role
from shared.problems import FieldError, Refused


class NetworksRefused(Refused):
    status = 422
    title = "The day's networks do not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNetwork:
    """A network; `closed_on` is its last day."""

    network_id: UUID
    established_on: datetime.date
    closed_on: datetime.date | None = None

    def open_on(self, day: datetime.date) -> bool:
        """Whether the network is established and not closed on `day`."""
        return self.established_on <= day and (self.closed_on is None or day <= self.closed_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolOn:
    """A school on a date; `network_id` is None where it is no active member of any network."""

    school_id: UUID
    network_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviserOn:
    """A person on a date: whose adviser they are, and whether another Development Day has them."""

    person_id: UUID
    network_ids: frozenset[UUID]
    elsewhere: bool = False
    erased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMember:
    """A person as they stand at a school on a date; `role` is None without a post there.

    `person_id` is that of the person that stays, where records have been merged.
    """

    person_id: UUID
    role: Role | None
    erased: bool = False

    @property
    def may_come(self) -> bool:
        """Whether the person has a post and may be named anew."""
        return self.role is not None and not self.erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Whoever a place is wanted for: the person and the school, both on the day's date."""

    member: StaffMember
    school: SchoolOn


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedUp:
    """A Network Day as seen by the Development Day that follows it up."""

    day_id: UUID
    date: datetime.date
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a Development Day on `date` meets: school and adviser as they are on it.

    `network_day` is the Network Day that is followed up, None if there is none for the school.
    """

    date: datetime.date
    school: SchoolOn
    adviser: AdviserOn
    network_day: FollowedUp | None = None


def check_networks(
    network_ids: Sequence[UUID], date: datetime.date, known: Mapping[UUID, KnownNetwork]
) -> None:
    """Refuses no networks, one named twice, and any that is unknown or not open on `date`."""
    faults = []
    for number, network_id in enumerate(network_ids):
        network = known.get(network_id)
        if network_id in network_ids[:number]:
            fault = f"network {network_id} is named twice"
        elif network is None:
            fault = f"no network {network_id} is known here"
        elif not network.open_on(date):
            fault = (
                f"network {network_id} is not open on {date} "
                f"(established {network.established_on}, closed {network.closed_on or 'not'})"
            )
        else:
            continue
        faults.append(FieldError(f"#/network_ids/{number}", fault))
    if not network_ids:
        faults.append(FieldError("#/network_ids", "name at least one network"))
    if faults:
        raise NetworksRefused(
            "A Network Day is for at least one network, each known and open on its date: "
            + "; ".join(fault.detail for fault in faults),
            errors=faults,
        )
