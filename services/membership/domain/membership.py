"""A membership: a school on a pathway in a network for a period, and how it may change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Self
from uuid import UUID

from services.membership.domain.network import Network
from services.membership.domain.school import School, check_inspection
from shared.events import membership as events
from shared.events.membership import StartingPoint
from shared.events.vocabulary import LeavingReason, MembershipStatus, Pathway
from shared.problems import Invalid, Refused

YEARS: Final = 3
"""Schools join for three years."""
OPEN: Final = (MembershipStatus.ACTIVE, MembershipStatus.PAUSED)

CORRECTABLE: Final = ("network_id", "pathway", "joined_on", "starting_point", "group_id", "void")


class SchoolAlreadyMember(Refused):
    title = "School is already a member"


class MembershipHasEnded(Refused):
    title = "The membership has ended"


class MembershipNotActive(Refused):
    title = "The membership is not active"


class MembershipNotPaused(Refused):
    title = "The membership is not paused"


class MembershipDatesRefused(Invalid):
    title = "The date does not fit the membership"


class SchoolNotInGroup(Refused):
    title = "The school is not in the group"


class GroupNeeded(Invalid):
    title = "The pathway needs a group"


class AlreadyInNetwork(Refused):
    title = "The school is in the network already"


class CorrectionRefused(Invalid):
    title = "The correction cannot be made"


@dataclass(frozen=True, slots=True, kw_only=True)
class InGroup:
    """A group that a membership names, and whether the school was in it on the day of joining."""

    group_id: UUID
    name: str
    has_school: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An earlier membership's days, from the first to the last; None: it goes on."""

    joined_on: date
    ended_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A school's membership. `network_id` is where it is now, `joined_network_id` where it joined.

    `first_change_on` and `last_change_on` are the dates of its first and latest move, pause or
    resumption; `ended_on` is its last day, `void` says that it should never have been.
    """

    membership_id: UUID
    school_id: UUID
    network_id: UUID
    joined_network_id: UUID
    pathway: Pathway
    status: MembershipStatus
    joined_on: date
    ends_on: date
    starting_point: StartingPoint
    group_id: UUID | None = None
    first_change_on: date | None = None
    last_change_on: date | None = None
    moved: bool = False
    ended_on: date | None = None
    void: bool = False

    @classmethod
    def join(
        cls,
        membership_id: UUID,
        school: School,
        network: Network,
        *,
        pathway: Pathway,
        joined_on: date,
        starting_point: StartingPoint,
        group: InGroup | None,
        others: Sequence[Period],
    ) -> tuple[Self, events.SchoolJoined]:
        """`others` are the school's memberships so far, without void ones."""
        school.check_open()
        network.check_has(joined_on, "joined_on")
        _check_pathway(pathway, group, joined_on)
        _check_starting_point(starting_point, joined_on)
        _check_free(school.details.name, joined_on, None, others)
        ends_on = agreed_end(joined_on)
        group_id = group.group_id if group else None
        membership = cls(
            membership_id=membership_id,
            school_id=school.school_id,
            network_id=network.network_id,
            joined_network_id=network.network_id,
            pathway=pathway,
            status=MembershipStatus.ACTIVE,
            joined_on=joined_on,
            ends_on=ends_on,
            starting_point=starting_point,
            group_id=group_id,
        )
        return membership, events.SchoolJoined(
            school_id=school.school_id,
            membership_id=membership_id,
            network_id=network.network_id,
            pathway=pathway,
            joined_on=joined_on,
            ends_on=ends_on,
            starting_point=starting_point,
            group_id=group_id,
        )

    def move(self, network: Network, moved_on: date) -> tuple[Self, events.SchoolMovedNetwork]:
        """`moved_on` is the first day in the new network."""
        self._check_open()
        if network.network_id == self.network_id:
            raise AlreadyInNetwork(f"The school is in the network {network.name} already.")
        network.check_has(moved_on, "moved_on")
        if moved_on <= self.joined_on:
            raise _too_early("moved_on", moved_on, self.joined_on, after=True)
        self._check_order("moved_on", moved_on)
        moved = events.SchoolMovedNetwork(
            school_id=self.school_id,
            membership_id=self.membership_id,
            from_network_id=self.network_id,
            to_network_id=network.network_id,
            moved_on=moved_on,
        )
        return replace(self._changed(moved_on), network_id=network.network_id, moved=True), moved

    def pause(self, paused_on: date) -> tuple[Self, events.MembershipPaused]:
        self._check_active("paused")
        self._check_order("paused_on", paused_on)
        paused = events.MembershipPaused(
            school_id=self.school_id, membership_id=self.membership_id, paused_on=paused_on
        )
        return replace(self._changed(paused_on), status=MembershipStatus.PAUSED), paused

    def resume(self, resumed_on: date) -> tuple[Self, events.MembershipResumed]:
        """`resumed_on` is the first day on which it is active again."""
        self._check_open()
        if self.status is not MembershipStatus.PAUSED:
            raise MembershipNotPaused("The membership is active; only a paused one resumes.")
        self._check_order("resumed_on", resumed_on)
        resumed = events.MembershipResumed(
            school_id=self.school_id, membership_id=self.membership_id, resumed_on=resumed_on
        )
        return replace(self._changed(resumed_on), status=MembershipStatus.ACTIVE), resumed

    def complete(self, completed_on: date) -> tuple[Self, events.MembershipCompleted]:
        """The agreed period is over; whoever goes before its last day leaves."""
        self._check_open()
        if completed_on < self.ends_on:
            raise MembershipDatesRefused(
                f"The membership is agreed until {self.ends_on}: it cannot be completed before, "
                f"on {completed_on}. If the school goes earlier, record that it leaves.",
                errors=[("#/completed_on", f"{self.ends_on} or later")],
            )
        self._check_order("completed_on", completed_on)
        completed = events.MembershipCompleted(
            school_id=self.school_id, membership_id=self.membership_id, completed_on=completed_on
        )
        ended = replace(self, status=MembershipStatus.COMPLETED, ended_on=completed_on)
        return ended, completed

    def leave(self, left_on: date, reason: LeavingReason) -> tuple[Self, events.SchoolLeft]:
        """`left_on` is the last day of the membership."""
        self._check_open()
        self._check_order("left_on", left_on)
        left = events.SchoolLeft(
            school_id=self.school_id,
            membership_id=self.membership_id,
            left_on=left_on,
            reason=reason,
        )
        return replace(self, status=MembershipStatus.WITHDRAWN, ended_on=left_on), left

    def correct(
        self,
        wrong: Sequence[str],
        *,
        network: Network,
        pathway: Pathway,
        joined_on: date,
        starting_point: StartingPoint,
        group: InGroup | None,
        void: bool,
        others: Sequence[Period],
    ) -> tuple[Self, events.MembershipCorrected]:
        """The membership as it should have been recorded; `wrong` names what was wrong.

        `network` is the one that the school joined; a move is not undone. A membership may be
        corrected after it has ended, but not once it is void.
        """
        if self.void:
            raise MembershipHasEnded("The membership was recorded by mistake: it is void.")
        ends_on = agreed_end(joined_on) if joined_on != self.joined_on else self.ends_on
        if not void:
            self._check_correction(network, joined_on)
            # A network that closed since had the school then; only a new one must be open.
            if network.network_id != self.joined_network_id:
                network.check_has(joined_on, "network_id")
            elif joined_on < network.established_on:
                network.check_has(joined_on, "joined_on")
            _check_pathway(pathway, group, joined_on)
            _check_starting_point(starting_point, joined_on)
            _check_free("The school", joined_on, self.ended_on, others)
        group_id = group.group_id if group else None
        corrected = replace(
            self,
            joined_network_id=network.network_id,
            network_id=self.network_id if self.moved else network.network_id,
            pathway=pathway,
            joined_on=joined_on,
            ends_on=ends_on,
            starting_point=starting_point,
            group_id=group_id,
            void=void,
            status=MembershipStatus.WITHDRAWN if void else self.status,
            ended_on=(self.ended_on or joined_on) if void else self.ended_on,
        )
        return corrected, events.MembershipCorrected(
            school_id=self.school_id,
            membership_id=self.membership_id,
            wrong=tuple(wrong),
            network_id=network.network_id,
            pathway=pathway,
            joined_on=joined_on,
            ends_on=ends_on,
            starting_point=starting_point,
            group_id=group_id,
            void=void,
        )

    def _check_correction(self, network: Network, joined_on: date) -> None:
        if self.moved and network.network_id != self.joined_network_id:
            raise CorrectionRefused(
                "The school has moved since it joined; the network that it joined cannot be "
                "corrected any more. Void the membership and record it anew."
            )
        limit = min(
            (day for day in (self.first_change_on, self.ended_on) if day is not None),
            default=None,
        )
        if limit is not None and joined_on > limit:
            raise MembershipDatesRefused(
                f"The membership changed or ended on {limit}: it cannot begin after that, "
                f"on {joined_on}.",
                errors=[("#/joined_on", f"{limit} or earlier")],
            )

    def _changed(self, day: date) -> Self:
        return replace(self, first_change_on=self.first_change_on or day, last_change_on=day)

    def _check_open(self) -> None:
        if self.status not in OPEN:
            raise MembershipHasEnded(
                f"The membership ended on {self.ended_on} ({self.status}). "
                "Record a new membership if the school comes back."
            )

    def _check_active(self, becomes: str) -> None:
        self._check_open()
        if self.status is not MembershipStatus.ACTIVE:
            raise MembershipNotActive(
                f"The membership is {self.status} since {self.last_change_on}; only an active one "
                f"can be {becomes}."
            )

    def _check_order(self, field: str, day: date) -> None:
        earliest = max(self.joined_on, self.last_change_on or self.joined_on)
        if day < earliest:
            raise _too_early(field, day, earliest, after=False)


def agreed_end(joined_on: date) -> date:
    """The last day of three years from `joined_on`."""
    try:
        anniversary = joined_on.replace(year=joined_on.year + YEARS)
    except ValueError:  # 29 February
        anniversary = date(joined_on.year + YEARS, 3, 1)
    return anniversary - timedelta(days=1)


def _too_early(field: str, day: date, earliest: date, *, after: bool) -> MembershipDatesRefused:
    rule = f"after {earliest}" if after else f"{earliest} or later"
    return MembershipDatesRefused(
        f"What happens to a membership is dated in order: {field} is {rule}, not {day}.",
        errors=[(f"#/{field}", rule)],
    )


def _check_pathway(pathway: Pathway, group: InGroup | None, joined_on: date) -> None:
    if group is None:
        if pathway is Pathway.CONNECT:
            raise GroupNeeded(
                "On the pathway connect a school joins with its group: name the group that it "
                "is in, or take the pathway partner_schools.",
                errors=[("#/group_id", "needed on the pathway connect")],
            )
    elif not group.has_school:
        raise SchoolNotInGroup(
            f"The school is not in the group {group.name} on {joined_on}. Record first that it "
            "joined the group, or name another group."
        )


def _check_starting_point(starting_point: StartingPoint, joined_on: date) -> None:
    check_inspection(starting_point, "#/starting_point")
    if starting_point.inspected_on is not None and starting_point.inspected_on > joined_on:
        raise MembershipDatesRefused(
            "The starting point is the judgement at joining: the inspection of "
            f"{starting_point.inspected_on} came after the school joined on {joined_on}.",
            errors=[("#/starting_point/inspected_on", f"{joined_on} or earlier")],
        )


def _check_free(
    school: str, joined_on: date, ended_on: date | None, others: Sequence[Period]
) -> None:
    """SchoolAlreadyMember where the period from `joined_on` meets one of `others`."""
    for other in others:
        ends_before = ended_on is not None and ended_on < other.joined_on
        begins_after = other.ended_on is not None and joined_on > other.ended_on
        if not (ends_before or begins_after):
            until = f"until {other.ended_on}" if other.ended_on else "which goes on"
            raise SchoolAlreadyMember(
                f"{school} has a membership since {other.joined_on}, {until}: a school is a member "
                "once at a time. End that membership first, or take a date after it."
            )
