"""A Development Day: an adviser's day inside one school, planned, delivered or cancelled."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.scheduling.domain.known import SchoolOn, StaffMember, Visit
from services.scheduling.domain.limits import (
    MOST_PARTICIPANTS,
    check_date,
    check_has_come,
    check_hours,
)
from shared.events import scheduling as events
from shared.events.scheduling import Participant
from shared.events.vocabulary import CancellationReason, Strand
from shared.problems import FieldError, Refused


class DevelopmentDayStatus(StrEnum):
    PLANNED = "planned"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class SchoolNotAMember(Refused):
    status = 422
    title = "The school is no active member on the date"


class AdviserNotAssigned(Refused):
    status = 422
    title = "The adviser is not assigned to the school's network"


class AdviserElsewhere(Refused):
    status = 409
    title = "The adviser is elsewhere on that date"


class FollowsUpRefused(Refused):
    status = 422
    title = "The day cannot follow up that Network Day"


class DayNotPlanned(Refused):
    status = 409
    title = "The day is not planned any more"


class DayNotDelivered(Refused):
    status = 409
    title = "The day has not been delivered"


class ParticipantsRefused(Refused):
    status = 422
    title = "The participants do not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentDay:
    """`hours` and `participants` are known once the day was delivered."""

    day_id: UUID
    school_id: UUID
    network_id: UUID
    adviser_id: UUID
    date: datetime.date
    strand: Strand
    follows_up: UUID | None = None
    status: DevelopmentDayStatus = DevelopmentDayStatus.PLANNED
    hours: Decimal | None = None
    participants: tuple[Participant, ...] = ()
    reason: CancellationReason | None = None

    @classmethod
    def plan(
        cls,
        *,
        day_id: UUID,
        visit: Visit,
        strand: Strand,
        follows_up: UUID | None,
        today: datetime.date,
        role: str,
    ) -> tuple[Self, events.DevelopmentDayPlanned]:
        """A new day of an adviser at a member school of their network."""
        check_date(visit.date, today, role)
        _check_not_erased(visit)
        day = cls(
            day_id=day_id,
            school_id=visit.school.school_id,
            network_id=_network_of(visit),
            adviser_id=visit.adviser.person_id,
            date=visit.date,
            strand=strand,
            follows_up=follows_up,
        )
        day.check_follows_up(visit)
        return day, events.DevelopmentDayPlanned(
            day_id=day_id,
            school_id=day.school_id,
            network_id=day.network_id,
            adviser_id=day.adviser_id,
            date=day.date,
            strand=strand,
            follows_up=follows_up,
        )

    def reschedule(
        self, visit: Visit, *, today: datetime.date, role: str
    ) -> tuple[Self, events.DevelopmentDayRescheduled | None]:
        """The date and adviser of `visit` from now on. The same ones make no event."""
        self._check_planned("rescheduled")
        if (visit.date, visit.adviser.person_id) == (self.date, self.adviser_id):
            return self, None
        check_date(visit.date, today, role)
        _check_not_erased(visit)
        self.check_follows_up(visit)
        day = replace(
            self,
            date=visit.date,
            adviser_id=visit.adviser.person_id,
            network_id=_network_of(visit),
        )
        return day, events.DevelopmentDayRescheduled(
            day_id=self.day_id, date=day.date, adviser_id=day.adviser_id
        )

    def deliver(
        self,
        *,
        hours: Decimal,
        participants: Sequence[UUID],
        school: SchoolOn,
        staff: Mapping[UUID, StaffMember],
        today: datetime.date,
    ) -> tuple[Self, events.DevelopmentDayDelivered]:
        """The day took place. `staff` has the participants by the id given, as on the date."""
        self._check_planned("delivered")
        check_has_come(self.date, today, "delivered")
        check_hours(hours)
        day = replace(
            self,
            status=DevelopmentDayStatus.DELIVERED,
            network_id=_membership_of(school, self.date),
            hours=hours,
            participants=_named(participants, staff, kept=()),
        )
        return day, events.DevelopmentDayDelivered.model_validate(_facts(day))

    def correct(
        self,
        *,
        visit: Visit,
        strand: Strand | None = None,
        hours: Decimal | None = None,
        participants: Sequence[UUID] | None = None,
        staff: Mapping[UUID, StaffMember],
        today: datetime.date,
        role: str,
    ) -> tuple[Self, events.DevelopmentDayCorrected | None]:
        """A delivered day as it should have been recorded; what is None was right.

        `visit` and `staff` (of the participants given, or else of those recorded) are as on the
        corrected date. While the date stays, whoever was recorded stays without a new look at
        their post; on another date they need one, but may have been erased since. Nothing new
        makes no event.
        """
        if self.status is not DevelopmentDayStatus.DELIVERED:
            raise DayNotDelivered(
                f"Day {self.day_id} is {self.status}; only a delivered day can be corrected. "
                "Reschedule or cancel a planned one."
            )
        if hours is not None:
            check_hours(hours)
        day = replace(self, strand=strand or self.strand, hours=hours or self.hours)
        moved = visit.date != self.date
        if moved:
            check_date(visit.date, today, role)
            check_has_come(visit.date, today, "delivered")
            self.check_follows_up(visit)
            day = replace(day, date=visit.date, network_id=_network_of(visit))
        if moved or participants is not None:
            recorded = tuple(each.person_id for each in self.participants)
            named = recorded if participants is None else participants
            kept = self._still_here(staff) if moved else self.participants
            day = replace(day, participants=_named(named, staff, kept))
        if day == self:
            return self, None
        return day, events.DevelopmentDayCorrected.model_validate(_facts(day))

    def cancel(self, reason: CancellationReason) -> tuple[Self, events.DevelopmentDayCancelled]:
        """The day will not take place; its adviser is free on that date again."""
        self._check_planned("cancelled")
        day = replace(self, status=DevelopmentDayStatus.CANCELLED, reason=reason)
        return day, events.DevelopmentDayCancelled(day_id=self.day_id, reason=reason)

    def check_follows_up(self, visit: Visit) -> None:
        """Refuses to follow up a Network Day that is unknown, cancelled, or later than `visit`."""
        if self.follows_up is None:
            return
        followed = visit.network_day
        if followed is None or followed.day_id != self.follows_up:
            fault = f"no Network Day {self.follows_up} of the school's network is known here"
        elif followed.cancelled:
            fault = f"Network Day {self.follows_up} is cancelled"
        elif followed.date > visit.date:
            fault = f"Network Day {self.follows_up} is on {followed.date}, after {visit.date}"
        else:
            return
        raise FollowsUpRefused(
            f"A Development Day follows up a Network Day on the same date or before: {fault}.",
            errors=[FieldError("#/follows_up", fault)],
        )

    def _still_here(self, staff: Mapping[UUID, StaffMember]) -> tuple[Participant, ...]:
        """Those recorded who have a post in `staff`, also where they were erased since."""
        recorded = {each.person_id for each in self.participants}
        return tuple(
            Participant(person_id=member.person_id, role=member.role)
            for member in staff.values()
            if member.person_id in recorded and member.role is not None
        )

    def _check_planned(self, act: str) -> None:
        if self.status is not DevelopmentDayStatus.PLANNED:
            way_out = (
                "Correct what was recorded."
                if self.status is DevelopmentDayStatus.DELIVERED
                else "Plan a new day."
            )
            raise DayNotPlanned(
                f"Day {self.day_id} is {self.status}, so it cannot be {act}. {way_out}"
            )


def _membership_of(school: SchoolOn, date: datetime.date) -> UUID:
    if school.network_id is None:
        raise SchoolNotAMember(
            f"School {school.school_id} is no active member of a network on {date}. "
            "Choose a date of its membership, or have the membership corrected.",
            errors=[FieldError("#/school_id", f"no active member on {date}")],
        )
    return school.network_id


def _check_not_erased(visit: Visit) -> None:
    """Days to come are for advisers to come; what an erased one has delivered stays correctable."""
    if visit.adviser.erased:
        raise AdviserNotAssigned(
            f"Person {visit.adviser.person_id} was erased, and leads no day any more. "
            "Choose another adviser of the school's network.",
            errors=[FieldError("#/adviser_id", "was erased")],
        )


def _network_of(visit: Visit) -> UUID:
    network_id = _membership_of(visit.school, visit.date)
    adviser = visit.adviser
    if network_id not in adviser.network_ids:
        raise AdviserNotAssigned(
            f"Person {adviser.person_id} is no adviser of network {network_id}, the school's, on "
            f"{visit.date}. Choose one of its advisers, or have this one assigned.",
            errors=[FieldError("#/adviser_id", f"not assigned to network {network_id}")],
        )
    if adviser.elsewhere:
        raise adviser_elsewhere(adviser.person_id, visit.date)
    return network_id


def adviser_elsewhere(adviser_id: UUID, date: datetime.date) -> AdviserElsewhere:
    """The refusal of an adviser's second Development Day on a date."""
    return AdviserElsewhere(
        f"Adviser {adviser_id} has another Development Day on {date}, and is in one place on one "
        "date. Choose another date or adviser, or cancel the other day.",
        errors=[FieldError("#/adviser_id", f"has another Development Day on {date}")],
    )


def _named(
    named: Sequence[UUID], staff: Mapping[UUID, StaffMember], kept: Sequence[Participant]
) -> tuple[Participant, ...]:
    """The participants, each once; whoever is in `kept` needs no post."""
    if not 1 <= len(named) <= MOST_PARTICIPANTS:
        raise ParticipantsRefused(
            f"A delivered day names from 1 to {MOST_PARTICIPANTS} participants, not {len(named)}.",
            errors=[FieldError("#/participants", f"from 1 to {MOST_PARTICIPANTS}")],
        )
    roles = {each.person_id: each.role for each in kept}
    participants: dict[UUID, Participant] = {}
    faults = []
    for number, given in enumerate(named):
        member = staff.get(given) or StaffMember(person_id=given, role=None)
        role = roles.get(member.person_id, member.role if member.may_come else None)
        if role is None:
            fault = f"person {given} has no post at the school on the day"
        elif member.person_id in participants:
            fault = f"person {given} is named twice"
        else:
            participants[member.person_id] = Participant(person_id=member.person_id, role=role)
            continue
        faults.append(FieldError(f"#/participants/{number}", fault))
    if faults:
        raise ParticipantsRefused(
            "Participants have a post at the school on the day, and are named once: "
            + "; ".join(fault.detail for fault in faults),
            errors=faults,
        )
    return tuple(participants.values())


def _facts(day: DevelopmentDay) -> dict[str, object]:
    return {
        "day_id": day.day_id,
        "school_id": day.school_id,
        "network_id": day.network_id,
        "adviser_id": day.adviser_id,
        "date": day.date,
        "strand": day.strand,
        "hours": day.hours,
        "participants": day.participants,
    }
