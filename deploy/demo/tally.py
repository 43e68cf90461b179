"""What the services have acknowledged, counted as the report should count it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.events.vocabulary import Attendance


@dataclass
class Tally:
    """Counts of a programme year. Registers are by day and place, so that a correction replaces."""

    networks: int = 0
    newly_established: int = 0
    member_schools: int = 0
    joined: int = 0
    cancelled: int = 0
    days_in_schools: int = 0
    registers: dict[str, dict[str, Attendance]] = field(default_factory=dict)
    """Day → place → attendance."""
    hours_of_day: dict[str, Decimal] = field(default_factory=dict)
    person_of_place: dict[str, str] = field(default_factory=dict)
    other_hours: Decimal = Decimal(0)
    """Of Development Days and own records."""
    named: set[str] = field(default_factory=set)
    """People named in delivered Development Days."""
    merged: dict[str, str] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """What the report should say, by the path of each figure."""
        marks = [mark for register in self.registers.values() for mark in register.values()]
        hours = sum(
            (
                self.hours_of_day[day] * sum(mark.present for mark in register.values())
                for day, register in self.registers.items()
            ),
            self.other_hours,
        )
        return {
            "networks.total": self.networks,
            "networks.newly_established": self.newly_established,
            "member_schools.total": self.member_schools,
            "member_schools.joined": self.joined,
            "leaders.total": len(self._leaders()),
            "network_days.held": len(self.registers),
            "network_days.cancelled": self.cancelled,
            **{f"attendance.{mark}": marks.count(mark) for mark in Attendance},
            "days_in_schools": self.days_in_schools,
            "cpd_hours.total": f"{hours:.2f}",
        }

    def _leaders(self) -> set[str]:
        present = {
            self.person_of_place[place]
            for register in self.registers.values()
            for place, mark in register.items()
            if mark.present
        }
        return {self.merged.get(person, person) for person in present | self.named}


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
