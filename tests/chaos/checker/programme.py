"""The rules of the programme, from the history of events: places, queues, hours, the report."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.chaos.checker.evidence import Evidence, Fact
from tests.chaos.checker.findings import Check
from tests.system.adding_up import PRESENT, add_up, as_reported


def checks(evidence: Evidence) -> list[Check]:
    """Days, advisers, hours, report."""
    return [_days(evidence), _advisers(evidence), _hours(evidence), _report(evidence)]


@dataclass
class Day:
    """A Network Day as its events tell it."""

    places: int = 0
    booked: set[str] = field(default_factory=set)
    queue: list[tuple[int, str]] = field(default_factory=list)
    released: set[str] = field(default_factory=set)
    marks: dict[str, str] = field(default_factory=dict)

    def take(self, fact: Fact) -> str | None:
        """Go on by an event; answers what is wrong with it."""
        data = fact.data
        place = data.get("place_id", "")
        match fact.type:
            case "NetworkDayScheduled" | "NetworkDayRescheduled":
                self.places = data["places"]
            case "PlaceWaitlisted":
                self.queue.append((data["number"], place))
                if len(self.booked) < self.places:
                    return "somebody waits although a place is free"
            case "PlaceBooked":
                return self._book(place, from_queue=data["from_waiting_list"])
            case "PlaceReleased":
                return self._release(place)
            case "NetworkDayHeld":
                self.marks = {each["place_id"]: each["attendance"] for each in data["entries"]}
                if self.marks.keys() != self.booked:
                    return "the register has others than those booked"
            case "AttendanceCorrected":
                if self.marks[place] != data["was"]:
                    return f"it was {self.marks[place]}, and is corrected as {data['was']}"
                self.marks[place] = data["attendance"]
            case "NetworkDayReopened":
                self.marks = {}
        return None

    def _book(self, place: str, *, from_queue: bool) -> str | None:
        if place in self.booked or place in self.released:
            return "the place is booked twice"
        waiting = sorted(self.queue)
        if from_queue:
            if not waiting or waiting[0][1] != place:
                return f"the first in the queue is {waiting[:1]}"
            self.queue.remove(waiting[0])
        self.booked.add(place)
        if len(self.booked) > self.places:
            return f"overbooked: {len(self.booked)} of {self.places}"
        if waiting and not from_queue:
            return f"{waiting[0]} was in the queue before"
        return None

    def _release(self, place: str) -> str | None:
        self.released.add(place)
        waiting = [each for each in self.queue if each[1] == place]
        if place in self.booked:
            self.booked.remove(place)
        elif waiting:
            self.queue.remove(waiting[0])
        else:
            return "nobody had the place"
        return None


def _days(evidence: Evidence) -> Check:
    check = Check("no day is overbooked, queues are served in order, places are as events say")
    days: dict[str, Day] = defaultdict(Day)
    for fact in evidence.journals["scheduling"]:
        if not fact.type.startswith("DevelopmentDay"):
            check.looked_at += 1
            if trouble := days[fact.key].take(fact):
                check.wrong(f"{trouble}: {fact} {fact.value}")
    for row in evidence.rows["places"]:
        day, place = days[row["day_id"]], row["place_id"]
        waits = any(each == place for _, each in day.queue)
        status = "booked" if place in day.booked else "waiting" if waits else "released"
        if (row["status"], row["attendance"]) != (status, day.marks.get(place)):
            check.wrong(f"place {place} is {status} {day.marks.get(place)} by its events: {row}")
    return check


def _advisers(evidence: Evidence) -> Check:
    check = Check("no adviser is in two places on one date")
    visits: dict[str, tuple[str, str] | None] = {}
    for fact in evidence.journals["scheduling"]:
        if fact.type == "DevelopmentDayPlanned":
            visits[fact.key] = (fact.data["adviser_id"], fact.data["date"])
        elif fact.type == "DevelopmentDayCancelled":
            visits[fact.key] = None
    check.looked_at = len(visits)
    for at, number in Counter(visits.values()).items():
        if at is not None and number > 1:
            check.doubled(f"{at} has {number} Development Days")
    return check


Credits = dict[tuple[str, str], Decimal]
"""Hours by day and person."""


def _hours(evidence: Evidence) -> Check:
    """What registers and participants come to, what cpd keeps, what it said, what reporting has."""
    check = Check("attendance becomes CPD hours once, corrections and all")
    due = _due(evidence)
    for name in ("cpd", "reporting"):
        found = [((r["day"], r["person"]), r["hours"]) for r in evidence.rows[f"credits in {name}"]]
        check.looked_at += len(due)
        for of, number in Counter(of for of, _ in found).items():
            if number > 1:
                check.doubled(f"{name} has {number} credits for {of}")
        hours = dict(found)
        for of in due.keys() - hours.keys():
            check.lost(f"{name} lacks {due[of]} hours of {of}")
        for of in hours.keys() - due.keys():
            check.wrong(f"{name} has {hours[of]} hours of {of}, which nobody earned")
        for of in due.keys() & hours.keys():
            if due[of] != hours[of]:
                check.wrong(f"{name} has {hours[of]} of {due[of]} hours of {of}")
    return check


def _due(evidence: Evidence) -> Credits:
    days: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for fact in evidence.journals["scheduling"]:
        data: Any = fact.data
        match fact.type:
            case "NetworkDayHeld":
                days[fact.key] = {
                    each["person_id"]: Decimal(data["hours"])
                    for each in data["entries"]
                    if each["attendance"] in PRESENT
                }
            case "AttendanceCorrected":
                days[fact.key].pop(data["person_id"], None)
                if data["attendance"] in PRESENT:
                    days[fact.key][data["person_id"]] = Decimal(data["hours"])
            case "DevelopmentDayDelivered" | "DevelopmentDayCorrected":
                days[fact.key] = {
                    each["person_id"]: Decimal(data["hours"]) for each in data["participants"]
                }
            case "NetworkDayReopened" | "DevelopmentDayCancelled":
                days[fact.key] = {}
    return {
        (day, person): hours for day, people in days.items() for person, hours in people.items()
    }


def _report(evidence: Evidence) -> Check:
    check = Check("the national report is what the events add up to")
    facts = {
        (fact.topic, fact.key, fact.sequence): (fact.type, fact.key, fact.sequence, fact.data)
        for fact in evidence.topics
        if fact.topic != "aspire.people"
    }
    events = [facts[at] for at in sorted(facts, key=lambda at: (at[1], at[2]))]
    today = datetime.now(UTC).date().isoformat()
    for year, report in evidence.reports.items():
        first = int(year[:4])
        wanted = add_up(events, f"{first}-09-01", f"{first + 1}-08-31", today)
        said = as_reported(report)
        for name in wanted.keys() | said.keys():
            check.looked_at += 1
            if wanted.get(name) != said.get(name):
                check.wrong(f"{year} {name}: {said.get(name)} of {wanted.get(name)}")
    return check
