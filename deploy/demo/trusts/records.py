"""What a trust's own system makes of the events that it is told. It needs no names for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a trust knows of a year. People are by the platform's ids, those that stay where two
    records were merged; who has no hours is not among `hours`."""

    schools: frozenset[str]
    staff: Mapping[str, str]
    """The trust's own id of a member of staff → who that is."""
    attendance: Mapping[str, str]
    """Place on a Network Day that was held → how its leader was marked."""
    visits: Mapping[str, Decimal]
    """Delivered Development Day → hours."""
    hours: Mapping[str, Decimal]
    """Person → hours of CPD."""

    def differences(self, own: "Known") -> list[str]:
        """Where it is not exactly the trust's own, in words; none where it is."""
        found = []
        for each in fields(self):
            knows, should = (_items(getattr(of, each.name)) for of in (self, own))
            missing, foreign = len(should - knows), len(knows - should)
            if missing or foreign:
                found.append(f"{each.name}: {missing:,} missing, {foreign:,} not its own")
        return found


def _items(known: frozenset[str] | Mapping[str, Any]) -> set[Any]:
    return set(known.items()) if isinstance(known, Mapping) else set(known)


@dataclass
class Records:
    """Takes events in any number and way; one that it has taken changes nothing again."""

    told: int = 0
    _seen: set[str] = field(default_factory=set)
    _schools: set[str] = field(default_factory=set)
    _staff: dict[str, str] = field(default_factory=dict)
    _stays: dict[str, str] = field(default_factory=dict)
    _attendance: dict[str, dict[str, str]] = field(default_factory=dict)
    """Day → place → mark."""
    _visits: dict[str, Decimal] = field(default_factory=dict)
    _credits: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    """Credit → person and hours."""

    def take(self, event: Mapping[str, Any]) -> None:
        """A CloudEvent, as parsed from its JSON format."""
        if event["id"] in self._seen:
            return
        self._seen.add(event["id"])
        self.told += 1
        data = event["data"]
        self._schools.update(_schools_in(data))
        match event["type"].split("."):
            case [*_, "StaffMatched", _]:
                self._staff[data["external_id"]] = data["person_id"]
            case [*_, "PeopleMerged", _]:
                self._stays[data["merged_person_id"]] = data["person_id"]
            case [*_, "NetworkDayHeld", _]:
                # Each school of the trust has its own part of the register.
                marks = {each["place_id"]: each["attendance"] for each in data["entries"]}
                self._attendance.setdefault(data["day_id"], {}).update(marks)
            case [*_, "NetworkDayReopened", _]:
                self._attendance.pop(data["day_id"], None)
            case [*_, "AttendanceCorrected", _]:
                self._attendance[data["day_id"]][data["place_id"]] = data["attendance"]
            case [*_, "DevelopmentDayDelivered" | "DevelopmentDayCorrected", _]:
                self._visits[data["day_id"]] = Decimal(data["hours"])
            case [*_, "CpdCredited", _]:
                self._credits[data["credit_id"]] = (data["person_id"], Decimal(data["hours"]))
            case [*_, "CpdRevoked", _]:
                self._credits.pop(data["credit_id"], None)

    def person(self, external_id: str) -> str | None:
        """Who somebody is whom the trust has reported, once it is known."""
        known = self._staff.get(external_id)
        return self._stays.get(known, known) if known is not None else None

    def known(self) -> Known:
        hours: dict[str, Decimal] = {}
        for person, earned in self._credits.values():
            stays = self._stays.get(person, person)
            hours[stays] = hours.get(stays, Decimal(0)) + earned
        return Known(
            schools=frozenset(self._schools),
            staff={each: self._stays.get(who, who) for each, who in self._staff.items()},
            attendance={
                place: mark for day in self._attendance.values() for place, mark in day.items()
            },
            visits=dict(self._visits),
            hours=hours,
        )


def _schools_in(data: object) -> Iterator[str]:
    """Whom an event speaks of, wherever that stands in it."""
    if isinstance(data, dict):
        if data.get("school_id") is not None:
            yield data["school_id"]
        for value in data.values():
            yield from _schools_in(value)
    elif isinstance(data, list):
        for each in data:
            yield from _schools_in(each)
