"""A day of a sandbox: a Network Day, a Development Day in a school, and a day to come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from services.integration.domain.sandbox import NAMES, FictionalPerson, Sandbox
from shared.events import Event, cpd
from shared.events import scheduling as s
from shared.events.vocabulary import Attendance, CpdSource, Strand

HOURS: Final = Decimal("5.5")


def day(sandbox: Sandbox, number: int, today: date) -> Iterator[Event]:
    """What scheduling and cpd would say on the trust's day of that number, from 1 on: other people
    come on each."""
    *own, guest = sandbox.people
    turned = own[(number * 5) % len(own) :] + own[: (number * 5) % len(own)]
    strand = tuple(Strand)[number % len(Strand)]
    yield from _NetworkDay(sandbox, number, today, strand, (*turned[:5], guest)).events()
    yield from _in_school(sandbox, number, today, strand)
    coming = sandbox.id_of(f"the day after day {number}")
    facts: dict[str, Any] = {"venue": NAMES[0][0], "places": 40}
    yield s.NetworkDayScheduled(
        day_id=coming, title="What we have tried", network_ids=(sandbox.id_of("network"),),
        date=today + timedelta(days=28), strand=strand, hours=HOURS, **facts,
    )  # fmt: skip
    yield s.PlaceBooked(
        day_id=coming, place_id=uuid5(coming, "place"), person_id=turned[5].person_id,
        school_id=turned[5].school.school_id,
    )  # fmt: skip
    yield s.NetworkDayRescheduled(day_id=coming, date=today + timedelta(days=35), **facts)


@dataclass(frozen=True)
class _NetworkDay:
    """Four of the trust come, one of them from the waiting list; so does the guest."""

    sandbox: Sandbox
    number: int
    today: date
    strand: Strand
    people: Sequence[FictionalPerson]

    @property
    def day_id(self) -> UUID:
        return self.sandbox.id_of(f"network day {self.number}")

    def events(self) -> Iterator[Event]:
        yield s.NetworkDayScheduled(
            day_id=self.day_id, title="Leading a department",
            network_ids=(self.sandbox.id_of("network"),), date=self.today, venue=NAMES[1][0],
            places=5, strand=self.strand, hours=HOURS,
        )  # fmt: skip
        ann, bob, cy, dot, eve, guest = self.people
        for each in (ann, bob, cy, dot, guest):
            yield s.PlaceBooked(**self._place(each))
        yield s.PlaceWaitlisted(**self._place(eve), number=1)
        yield s.PlaceReleased(**self._place(dot))
        yield s.PlaceBooked(**self._place(eve), from_waiting_list=True)
        came = {
            ann: Attendance.ATTENDED, bob: Attendance.LATE, cy: Attendance.ABSENT,
            eve: Attendance.ATTENDED, guest: Attendance.ATTENDED,
        }  # fmt: skip
        yield s.NetworkDayHeld(
            day_id=self.day_id, network_ids=(self.sandbox.id_of("network"),), date=self.today,
            strand=self.strand, hours=HOURS,
            entries=tuple(self._entry(each, attendance) for each, attendance in came.items()),
        )  # fmt: skip
        for each, attendance in came.items():
            if attendance.present:
                yield cpd.CpdCredited(**self._credit(each))
        yield self._corrected(cy, Attendance.ABSENT, Attendance.ATTENDED)
        yield cpd.CpdCredited(**self._credit(cy))
        yield self._corrected(bob, Attendance.LATE, Attendance.ABSENT)
        yield cpd.CpdRevoked(**self._credit(bob))

    def _place(self, who: FictionalPerson) -> dict[str, Any]:
        return {"day_id": self.day_id} | self._who(who)

    def _who(self, who: FictionalPerson) -> dict[str, Any]:
        return {
            "place_id": uuid5(self.day_id, who.name),
            "person_id": who.person_id,
            "school_id": who.school.school_id,
        }

    def _entry(self, who: FictionalPerson, attendance: Attendance) -> s.RegisterEntry:
        return s.RegisterEntry(**self._who(who), role=who.role, attendance=attendance)

    def _corrected(
        self, who: FictionalPerson, was: Attendance, attendance: Attendance
    ) -> s.AttendanceCorrected:
        return s.AttendanceCorrected(
            **self._place(who), date=self.today, strand=self.strand, hours=HOURS, role=who.role,
            was=was, attendance=attendance,
        )  # fmt: skip

    def _credit(self, who: FictionalPerson) -> dict[str, Any]:
        return _credit(who, self.day_id, CpdSource.NETWORK_DAY, self.strand, self.today)


def _in_school(sandbox: Sandbox, number: int, today: date, strand: Strand) -> Iterator[Event]:
    """A Development Day at one of the trust's schools, with all its people."""
    school = sandbox.schools[number % (len(NAMES) - 1)]
    people = [each for each in sandbox.people if each.school == school]
    facts: dict[str, Any] = {
        "day_id": sandbox.id_of(f"development day {number}"),
        "school_id": school.school_id,
        "network_id": sandbox.id_of("network"),
        "adviser_id": sandbox.id_of("adviser"),
        "date": today,
        "strand": strand,
    }
    yield s.DevelopmentDayPlanned(**facts, follows_up=sandbox.id_of(f"network day {number}"))
    yield s.DevelopmentDayDelivered(
        **facts, hours=HOURS,
        participants=tuple(
            s.Participant(person_id=each.person_id, role=each.role) for each in people
        ),
    )  # fmt: skip
    for each in people:
        yield cpd.CpdCredited(
            **_credit(each, facts["day_id"], CpdSource.DEVELOPMENT_DAY, strand, today)
        )


def _credit(
    who: FictionalPerson, source_id: UUID, source: CpdSource, strand: Strand, today: date
) -> dict[str, Any]:
    return {
        "person_id": who.person_id,
        "credit_id": uuid5(source_id, f"credit of {who.name}"),
        "hours": HOURS,
        "strand": strand,
        "source": source,
        "source_id": source_id,
        "school_id": who.school.school_id,
        "earned_on": today,
    }
