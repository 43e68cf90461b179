"""What a year consists of, before any of it has happened. Things refer to each other by number."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deploy.demo.terms import Term
from shared.clock import ProgrammeYear
from shared.events.vocabulary import (
    Attendance,
    CancellationReason,
    GroupKind,
    Pathway,
    Region,
    Role,
    Strand,
)


@dataclass(frozen=True, kw_only=True)
class KnownSchool:
    """A school of the imported register, as membership lists it."""

    school_id: str
    urn: int
    name: str
    la_code: str
    region: Region


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network and the names of its two advisers."""

    number: int
    name: str
    region: Region
    established_on: datetime.date
    advisers: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group that brings its schools in on the pathway connect."""

    name: str
    kind: GroupKind
    founded_on: datetime.date


@dataclass(frozen=True, kw_only=True)
class Leader:
    """A member of a school's staff. `succeeds` is the one whose post they took over."""

    number: int
    school: int
    name: str
    email: str
    role: Role
    appointed_on: datetime.date
    left_on: datetime.date | None = None
    succeeds: int | None = None
    same_as: int | None = None
    """The leader who this record turns out to be, when the two are merged in spring."""

    def serves_on(self, day: datetime.date) -> bool:
        """Whether they are in post."""
        return self.appointed_on <= day and (self.left_on is None or day <= self.left_on)


@dataclass(frozen=True, kw_only=True)
class MemberSchool:
    """A school that is a member in the year, and what becomes of its membership in it."""

    number: int
    school: KnownSchool
    network: int
    pathway: Pathway
    group: int | None
    joined_on: datetime.date
    starting_point: Mapping[str, Any]
    moves_to: tuple[int, datetime.date] | None = None
    paused_on: datetime.date | None = None
    resumed_on: datetime.date | None = None
    left_on: datetime.date | None = None

    def network_on(self, day: datetime.date) -> int | None:
        """The network that it is an active member of."""
        if day < self.joined_on or (self.left_on is not None and day > self.left_on):
            return None
        resumed = self.resumed_on is not None and self.resumed_on <= day
        if self.paused_on is not None and self.paused_on <= day and not resumed:
            return None
        if self.moves_to is not None and day >= self.moves_to[1]:
            return self.moves_to[0]
        return self.network


@dataclass(frozen=True, kw_only=True)
class NetworkDay:
    """A Network Day and all that happens to it. `attendance` is of every applicant."""

    networks: tuple[int, ...]
    title: str
    strand: Strand
    hours: Decimal
    date: datetime.date
    venue: str
    places: int
    applicants: tuple[int, ...]
    attendance: Mapping[int, Attendance]
    released: tuple[int, ...] = ()
    first_date: datetime.date | None = None
    """The date that it was scheduled for, before it was rescheduled."""
    more_places: int = 0
    cancelled: CancellationReason | None = None
    reopened: bool = False
    corrections: Mapping[int, Attendance] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DevelopmentDay:
    """An adviser's day in a school; `adviser` is 0 or 1 of the network's two."""

    school: int
    network: int
    adviser: int
    date: datetime.date
    strand: Strand
    hours: Decimal
    participants: tuple[int, ...]
    first_date: datetime.date | None = None
    cancelled: CancellationReason | None = None
    corrected_hours: Decimal | None = None
    follows_up: bool = False


@dataclass(frozen=True, kw_only=True)
class OwnRecord:
    """Learning that a leader enters; some are revoked again."""

    leader: int
    hours: Decimal
    strand: Strand
    earned_on: datetime.date
    title: str
    revoked: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole year."""

    year: ProgrammeYear
    terms: tuple[Term, Term, Term]
    networks: tuple[Network, ...]
    groups: tuple[Group, ...]
    schools: tuple[MemberSchool, ...]
    leaders: tuple[Leader, ...]
    network_days: tuple[NetworkDay, ...]
    development_days: tuple[DevelopmentDay, ...]
    own_records: tuple[OwnRecord, ...]
