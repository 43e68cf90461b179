"""What the services have acknowledged, counted as the report should count it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deploy.demo.trusts.records import Known
from shared.events.vocabulary import Attendance


@dataclass
class Tally:
    """Counts of a programme year. Registers are by day and place, so that a correction replaces."""

    networks: int = 0
    newly_established: int = 0
    member_schools: int = 0
    joined: int = 0
    cancelled: int = 0
    registers: dict[str, dict[str, Attendance]] = field(default_factory=dict)
    """Day → place → attendance."""
    hours_of_day: dict[str, Decimal] = field(default_factory=dict)
    person_of_place: dict[str, str] = field(default_factory=dict)
    visits: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    """Delivered Development Day → school and hours."""
    other_hours: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """Person → hours of Development Days and own records."""
    named: set[str] = field(default_factory=set)
    """People named in delivered Development Days."""
    merged: dict[str, str] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """What the report should say, by the path of each figure."""
        marks = [mark for _, _, mark in self._marks()]
        hours = sum(self._hours().values(), Decimal(0))
        return {
            "networks.total": self.networks,
            "networks.newly_established": self.newly_established,
            "member_schools.total": self.member_schools,
            "member_schools.joined": self.joined,
            "leaders.total": len(self._leaders()),
            "network_days.held": len(self.registers),
            "network_days.cancelled": self.cancelled,
            **{f"attendance.{mark}": marks.count(mark) for mark in Attendance},
            "days_in_schools": len(self.visits),
            "cpd_hours.total": f"{hours:.2f}",
        }

    def known_to(self, schools: Collection[str], staff: Mapping[str, str]) -> Known:
        """What a trust should know that has these schools and, by its own ids, these people."""
        people = {self._stays(person) for person in staff.values()}
        return Known(
            schools=frozenset(schools),
            staff={external_id: self._stays(person) for external_id, person in staff.items()},
            attendance={
                place: mark for _, place, mark in self._marks() if self._who(place) in people
            },
            visits={
                day: hours for day, (school, hours) in self.visits.items() if school in schools
            },
            hours={person: hours for person, hours in self._hours().items() if person in people},
        )

    def _leaders(self) -> set[str]:
        present = {self._who(place) for _, place, mark in self._marks() if mark.present}
        return present | {self._stays(person) for person in self.named}

    def _hours(self) -> dict[str, Decimal]:
        """Person → hours, of those who have some."""
        hours: dict[str, Decimal] = defaultdict(Decimal)
        for day, place, mark in self._marks():
            if mark.present:
                hours[self._who(place)] += self.hours_of_day[day]
        for person, others in self.other_hours.items():
            hours[self._stays(person)] += others
        return hours

    def _marks(self) -> Iterator[tuple[str, str, Attendance]]:
        """Day, place and attendance."""
        for day, register in self.registers.items():
            for place, mark in register.items():
                yield day, place, mark

    def _who(self, place: str) -> str:
        return self._stays(self.person_of_place[place])

    def _stays(self, person: str) -> str:
        """The record that stays, where two were merged."""
        return self.merged.get(person, person)


def differences(expected: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, str]:
    """Where the report says something else: figure → what it says and what was acknowledged."""
    found = {}
    for path, value in expected.items():
        said: Any = report
        for step in path.split("."):
            said = said[step]
        if said != value:
            found[path] = f"{said} of {value}"
    return found
