"""A Network Day: its places and its waiting list, and the register once it was held."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.scheduling.domain.known import Applicant, KnownNetwork, check_networks
from services.scheduling.domain.limits import (
    MOST_PLACES,
    check_date,
    check_has_come,
    check_hours,
)
from services.scheduling.domain.places import (
    AlreadyHasAPlace,
    Place,
    PlaceAlreadyReleased,
    PlaceNotFound,
    PlacesRefused,
    PlaceStatus,
    check_applicant,
)
from services.scheduling.domain.register import (
    NobodyBooked,
    PlaceNotOnRegister,
    check_present_once,
    check_register,
    entry_of,
)
from shared.events import Event
from shared.events import scheduling as events
from shared.events.vocabulary import Attendance, CancellationReason, Role, Strand
from shared.problems import FieldError, Refused


class NetworkDayStatus(StrEnum):
    SCHEDULED = "scheduled"
    HELD = "held"
    CANCELLED = "cancelled"


class DayAlreadyHeld(Refused):
    status = 409
    title = "The day has been held already"


class DayIsCancelled(Refused):
    status = 409
    title = "The day is cancelled"


class DayNotHeld(Refused):
    status = 409
    title = "The day has not been held"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDay:
    """One day for one or more networks at a venue. `hours` are the CPD hours of an attender."""

    day_id: UUID
    title: str
    network_ids: tuple[UUID, ...]
    date: datetime.date
    venue: str
    places: int
    strand: Strand
    hours: Decimal
    status: NetworkDayStatus = NetworkDayStatus.SCHEDULED
    reason: CancellationReason | None = None
    applications: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.places <= MOST_PLACES:
            raise PlacesRefused(
                f"A Network Day has from 1 to {MOST_PLACES} places, not {self.places}.",
                errors=[FieldError("#/places", f"from 1 to {MOST_PLACES}")],
            )
        check_hours(self.hours)

    @property
    def booked(self) -> tuple[Place, ...]:
        """The places that are taken, in the order of application."""
        return self._with(PlaceStatus.BOOKED)

    @property
    def waiting(self) -> tuple[Place, ...]:
        """The waiting list, the first in the queue first."""
        return self._with(PlaceStatus.WAITING)

    @classmethod
    def schedule(
        cls,
        *,
        day_id: UUID,
        title: str,
        network_ids: Sequence[UUID],
        date: datetime.date,
        venue: str,
        places: int,
        strand: Strand,
        hours: Decimal,
        known: Mapping[UUID, KnownNetwork],
        today: datetime.date,
        role: str,
    ) -> tuple[Self, events.NetworkDayScheduled]:
        """A new day, for networks that are all in `known` and open on its date."""
        day = cls(
            day_id=day_id,
            title=title,
            network_ids=tuple(network_ids),
            date=date,
            venue=venue,
            places=places,
            strand=strand,
            hours=hours,
        )
        check_date(date, today, role)
        check_networks(day.network_ids, day.date, known)
        return day, events.NetworkDayScheduled(
            day_id=day_id,
            title=title,
            network_ids=day.network_ids,
            date=date,
            venue=venue,
            places=places,
            strand=strand,
            hours=hours,
        )

    def reschedule(
        self,
        *,
        date: datetime.date | None,
        venue: str | None,
        places: int | None,
        known: Mapping[UUID, KnownNetwork],
        today: datetime.date,
        role: str,
    ) -> tuple[Self, list[Event]]:
        """Another date, venue or number of places; None leaves one as it is.

        Places that are added go to the first in the queue. Nothing new makes no event.
        """
        self._check_scheduled("rescheduled")
        day = replace(
            self,
            date=date or self.date,
            venue=venue or self.venue,
            places=self.places if places is None else places,
        )
        if day == self:
            return self, []
        if day.places < len(self.booked):
            raise PlacesRefused(
                f"{len(self.booked)} places are booked, so there cannot be {day.places}. "
                "Release places first.",
                errors=[FieldError("#/places", f"{len(self.booked)} or more")],
            )
        if day.date != self.date:
            check_date(day.date, today, role)
            check_networks(day.network_ids, day.date, known)
        rescheduled = events.NetworkDayRescheduled(
            day_id=self.day_id, date=day.date, venue=day.venue, places=day.places
        )
        day, promoted = day.filled()
        return day, [rescheduled, *promoted]

    def cancel(self, reason: CancellationReason) -> tuple[Self, events.NetworkDayCancelled]:
        """The day will not take place. Its places stay as they are; it accepts no more."""
        self._check_scheduled("cancelled")
        day = replace(self, status=NetworkDayStatus.CANCELLED, reason=reason)
        return day, events.NetworkDayCancelled(day_id=self.day_id, reason=reason)

    def book(self, place_id: UUID, applicant: Applicant) -> tuple[Self, Place, Event]:
        """A place for a person of a member school; on the waiting list if the day is full."""
        self._check_scheduled("booked")
        check_applicant(self.day_id, self.network_ids, self.date, applicant)
        self._check_has_no_place(applicant.member.person_id)
        person_id, role = applicant.member.person_id, applicant.member.role
        assert role is not None
        full = len(self.booked) >= self.places
        place = Place(
            place_id=place_id,
            person_id=person_id,
            booked_as=person_id,
            school_id=applicant.school.school_id,
            role=role,
            status=PlaceStatus.WAITING if full else PlaceStatus.BOOKED,
            number=max((each.number for each in self.applications), default=0) + 1,
        )
        day = replace(self, applications=(*self.applications, place))
        return day, place, self._waitlisted(place) if full else self._booked(place)

    def release(self, place_id: UUID) -> tuple[Self, list[Event]]:
        """Gives a place back, or leaves the queue, whose first then gets what was freed."""
        place = self.place(place_id)
        self._check_scheduled("released from")
        if place.status is PlaceStatus.RELEASED:
            raise PlaceAlreadyReleased(f"Place {place_id} was released before. Book a new one.")
        released = events.PlaceReleased(
            day_id=self.day_id,
            place_id=place_id,
            person_id=place.booked_as,
            school_id=place.school_id,
        )
        day = self._changed(replace(place, status=PlaceStatus.RELEASED))
        day, promoted = day.filled()
        return day, [released, *promoted]

    def hold(
        self,
        register: Sequence[tuple[UUID, Attendance]],
        roles: Mapping[UUID, Role],
        today: datetime.date,
    ) -> tuple[Self, events.NetworkDayHeld]:
        """The day took place. `register` names every booked place once, and no other.

        `roles` are the roles on the day by place id; where one is missing (a post that was closed
        after the booking) the role at booking stands.
        """
        self._check_scheduled("held")
        check_has_come(self.date, today, "held")
        if not self.booked:
            raise NobodyBooked(
                f"Nobody has a place on day {self.day_id}, so there is no register. "
                "Book those who came, or cancel the day."
            )
        check_register(self.booked, register)
        attendance = dict(register)
        day = replace(
            self,
            status=NetworkDayStatus.HELD,
            applications=tuple(
                replace(
                    place,
                    attendance=attendance[place.place_id],
                    role=roles.get(place.place_id, place.role),
                )
                if place.status is PlaceStatus.BOOKED
                else place
                for place in self.applications
            ),
        )
        check_present_once(day.booked, "#/register")
        return day, events.NetworkDayHeld(
            day_id=self.day_id,
            network_ids=self.network_ids,
            date=self.date,
            strand=self.strand,
            hours=self.hours,
            entries=tuple(entry_of(place) for place in day.booked),
        )

    def reopen(self) -> tuple[Self, events.NetworkDayReopened]:
        """The day had been recorded as held by mistake: it is as it was before."""
        self._check_held("reopened")
        day = replace(
            self,
            status=NetworkDayStatus.SCHEDULED,
            applications=tuple(replace(place, attendance=None) for place in self.applications),
        )
        return day, events.NetworkDayReopened(day_id=self.day_id)

    def correct_attendance(
        self, place_id: UUID, attendance: Attendance
    ) -> tuple[Self, events.AttendanceCorrected | None]:
        """One entry of the register was wrong; the same attendance again is no correction."""
        place = self.place(place_id)
        self._check_held("corrected")
        if place.status is not PlaceStatus.BOOKED or place.attendance is None:
            raise PlaceNotOnRegister(
                f"Place {place_id} was {place.status} when the day was held, so the register has "
                "no entry for it. Correct an entry of the register."
            )
        if place.attendance is attendance:
            return self, None
        day = self._changed(replace(place, attendance=attendance))
        if attendance.present and not place.attendance.present:
            check_present_once(day.booked, "#/attendance")
        corrected = events.AttendanceCorrected(
            day_id=self.day_id,
            date=self.date,
            strand=self.strand,
            hours=self.hours,
            place_id=place_id,
            person_id=place.booked_as,
            school_id=place.school_id,
            role=place.role,
            was=place.attendance,
            attendance=attendance,
        )
        return day, corrected

    def place(self, place_id: UUID) -> Place:
        """The place of that id.

        Raises:
            PlaceNotFound: the day has none.
        """
        for each in self.applications:
            if each.place_id == place_id:
                return each
        raise PlaceNotFound(f"Day {self.day_id} has no place {place_id}. See the day's places.")

    def _with(self, status: PlaceStatus) -> tuple[Place, ...]:
        places = (place for place in self.applications if place.status is status)
        return tuple(sorted(places, key=lambda place: place.number))

    def _changed(self, place: Place) -> Self:
        return replace(
            self,
            applications=tuple(
                place if each.place_id == place.place_id else each for each in self.applications
            ),
        )

    def filled(self) -> tuple[Self, list[Event]]:
        """Free places go to the first in the queue, as many as there are."""
        day, promoted = self, list[Event]()
        for place in self.waiting[: max(0, self.places - len(self.booked))]:
            day = day._changed(replace(place, status=PlaceStatus.BOOKED))
            promoted.append(self._booked(place, from_waiting_list=True))
        return day, promoted

    def _booked(self, place: Place, *, from_waiting_list: bool = False) -> events.PlaceBooked:
        return events.PlaceBooked(
            day_id=self.day_id,
            place_id=place.place_id,
            person_id=place.booked_as,
            school_id=place.school_id,
            from_waiting_list=from_waiting_list,
        )

    def _waitlisted(self, place: Place) -> events.PlaceWaitlisted:
        return events.PlaceWaitlisted(
            day_id=self.day_id,
            place_id=place.place_id,
            person_id=place.booked_as,
            school_id=place.school_id,
            number=place.number,
        )

    def _check_scheduled(self, act: str) -> None:
        if self.status is NetworkDayStatus.HELD:
            raise DayAlreadyHeld(
                f"Day {self.day_id} has been held, so it cannot be {act}. "
                "Correct its register, or have the office reopen it."
            )
        if self.status is NetworkDayStatus.CANCELLED:
            raise DayIsCancelled(
                f"Day {self.day_id} is cancelled, so it cannot be {act}. Schedule a new day."
            )

    def _check_held(self, act: str) -> None:
        if self.status is not NetworkDayStatus.HELD:
            raise DayNotHeld(
                f"Day {self.day_id} is {self.status}; only a held day can be {act}. "
                "Record its register first."
            )

    def _check_has_no_place(self, person_id: UUID) -> None:
        for place in (*self.booked, *self.waiting):
            if place.person_id == person_id:
                raise AlreadyHasAPlace(
                    f"Person {person_id} is {place.status} on day {self.day_id} with place "
                    f"{place.place_id}. Release that place before booking another."
                )
