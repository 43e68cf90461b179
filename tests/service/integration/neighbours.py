"""Trusts that share a network, a day and a person, and a school that has moved between them.

Ash is Solent's and Cedar Tamar's. Dale was Solent's and is Tamar's from 15 October on; Elm is of a
federation; Apart has no school. Zoë has posts at Ash and Cedar, Yan at Dale. Each event says whose
it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from deploy.docs.samples import sample
from services.integration.domain.telling import TOLD, Cut, slices
from services.integration.effects import effects
from services.integration.store import feeding
from shared.events import Event, Received, cpd, scheduling
from shared.events import membership as m
from shared.events.vocabulary import Attendance, GroupKind, Role
from tests.service.integration.world import joined, left, named, school, trust

BEFORE, AFTER = date(2026, 10, 10), date(2026, 10, 20)
MOVED = date(2026, 10, 15)
TRUSTS = ("Solent", "Tamar", "Apart")
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Happened:
    """`whose`: the trusts to which it belongs. `till_known`: those that are told, too, where it is
    heard of before that the school or the person has left."""

    event: Received[Any]
    whose: frozenset[str]
    till_known: frozenset[str] = NOBODY


class Log:
    """What happens, in its order."""

    def __init__(self) -> None:
        self.all: list[Happened] = []
        self._sequences: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, event: Event, on: date, *whose: str, till_known: Iterable[str] = ()) -> None:
        """At nine in the morning of the day."""
        key = event.topic.name, event.key
        self._sequences[key] += 1
        received: Received[Any] = Received(
            id=uuid5(named("events"), f"{key} {self._sequences[key]}"), topic=event.topic.name,
            key=event.key, sequence=self._sequences[key],
            time=datetime(on.year, on.month, on.day, 9, tzinfo=UTC),
            data=event, partition=0, offset=len(self.all), traceparent=None,
        )  # fmt: skip
        self.all.append(Happened(received, frozenset(whose), frozenset(till_known)))

    def by_key(self) -> list[list[Happened]]:
        found: dict[tuple[str, str], list[Happened]] = defaultdict(list)
        for each in self.all:
            found[each.event.topic, each.event.key].append(each)
        return list(found.values())


def appointed(person: str, school: str, on: date = date(2020, 9, 1)) -> m.LeaderAppointed:
    return m.LeaderAppointed(
        person_id=named(person), post_id=named(f"{person} at {school}"), school_id=named(school),
        role=Role.OTHER, appointed_on=on,
    )  # fmt: skip


def ended(person: str, school: str, on: date) -> m.LeaderLeft:
    return m.LeaderLeft(
        person_id=named(person), post_id=named(f"{person} at {school}"), school_id=named(school),
        left_on=on,
    )  # fmt: skip


def who_belongs_to_whom(log: Log) -> None:
    start = date(2026, 9, 1)
    log.add(trust("Solent"), start, "Solent")
    log.add(trust("Tamar"), start, "Tamar")
    log.add(trust("Apart"), start, "Apart")
    log.add(trust("Friends", GroupKind.FEDERATION), start)
    for of, name in (("Solent", "Ash"), ("Solent", "Dale"), ("Tamar", "Cedar")):
        log.add(joined(of, name), start, of)
    log.add(joined("Friends", "Elm"), start)
    log.add(joined("Friends", "Ash"), start)
    for urn, (name, *whose) in enumerate(
        (("Ash", "Solent"), ("Cedar", "Tamar"), ("Dale", "Solent"), ("Elm",)), 100001
    ):
        log.add(school(name, urn), start, *whose)
    log.add(appointed("Zoë", "Ash"), start, "Solent")
    log.add(appointed("Zoë", "Cedar"), start, "Tamar")
    log.add(appointed("Yan", "Dale"), start, "Solent")


def dale_moves(log: Log) -> None:
    log.add(left("Solent", "Dale", MOVED), MOVED, "Solent")
    log.add(joined("Tamar", "Dale", MOVED), MOVED, "Tamar")


def place(kind: type[Event], day: str, person: str, school: str) -> Any:
    return sample(
        kind, day_id=named(day), person_id=named(person), school_id=named(school),
        place_id=named(f"{person} on {day}"),
    )  # fmt: skip


def register(day: str, *people: tuple[str, str]) -> scheduling.NetworkDayHeld:
    """Of (person, school)."""
    entries = [
        scheduling.RegisterEntry(
            place_id=named(f"{person} on {day}"), person_id=named(person), school_id=named(school),
            role=Role.OTHER, attendance=Attendance.ATTENDED,
        )
        for person, school in people
    ]  # fmt: skip
    return sample(scheduling.NetworkDayHeld, day_id=named(day), entries=entries)


def a_shared_day(log: Log) -> None:
    """Scheduled and moved before anybody has a place; Dale's first place is after it has moved."""
    day = named("day")
    both = ("Solent", "Tamar")
    first = date(2026, 9, 15)
    log.add(sample(scheduling.NetworkDayScheduled, day_id=day), first, *both)
    log.add(sample(scheduling.NetworkDayRescheduled, day_id=day), first, *both)
    log.add(place(scheduling.PlaceBooked, "day", "Zoë", "Ash"), BEFORE, "Solent")
    log.add(place(scheduling.PlaceBooked, "day", "Zoë", "Cedar"), BEFORE, "Tamar")
    log.add(
        place(scheduling.PlaceWaitlisted, "day", "Yan", "Dale"), AFTER, "Tamar",
        till_known=["Solent"],
    )  # fmt: skip
    log.add(place(scheduling.PlaceReleased, "day", "Zoë", "Ash"), AFTER, "Solent")
    register_of = register("day", ("Zoë", "Cedar"), ("Yan", "Dale"), ("Zoë", "Ash"))
    log.add(register_of, AFTER, *both)
    log.add(
        place(scheduling.AttendanceCorrected, "day", "Yan", "Dale"), AFTER, "Tamar",
        till_known=["Solent"],
    )  # fmt: skip
    log.add(sample(scheduling.NetworkDayReopened, day_id=day), AFTER, *both)
    log.add(sample(scheduling.NetworkDayCancelled, day_id=day), AFTER, *both)


def days_in_school(log: Log) -> None:
    """One at Ash, and one at Dale that is Solent's until the school moves."""
    kinds = (
        scheduling.DevelopmentDayPlanned, scheduling.DevelopmentDayRescheduled,
        scheduling.DevelopmentDayDelivered, scheduling.DevelopmentDayCorrected,
        scheduling.DevelopmentDayCancelled,
    )  # fmt: skip
    for kind in kinds:
        event = sample(kind, **_fitting(kind, "visit to Ash", "Ash"))
        log.add(event, BEFORE, "Solent")
    for kind, on, whose, more in (
        (kinds[0], BEFORE, "Solent", ()),
        (kinds[1], AFTER, "Tamar", ("Solent",)),
    ):
        event = sample(kind, **_fitting(kind, "visit to Dale", "Dale"))
        log.add(event, on, whose, till_known=more)


def _fitting(kind: type[Event], day: str, school: str) -> dict[str, Any]:
    ids = {"day_id": named(day), "school_id": named(school)}
    return {name: value for name, value in ids.items() if name in kind.model_fields}


def credits_of_people(log: Log) -> None:
    """Without a school they belong to all trusts that have the person on that day."""
    for kind in (cpd.CpdCredited, cpd.CpdRevoked):
        here = sample(kind, person_id=named("Zoë"), school_id=named("Cedar"))
        own = sample(kind, person_id=named("Zoë"), school_id=None)
        of_yan = sample(kind, person_id=named("Yan"), school_id=None)
        log.add(here, BEFORE, "Tamar")
        log.add(own, BEFORE, "Solent", "Tamar")
        log.add(of_yan, BEFORE, "Solent")
        log.add(of_yan, AFTER, "Tamar", till_known=["Solent"])


def a_merge(log: Log) -> None:
    """Zoe, who was at Ash until September, turns out to be Xia, who has a post at Cedar."""
    start, on = date(2026, 9, 1), date(2026, 9, 20)
    log.add(appointed("Zoe", "Ash"), start, "Solent")
    log.add(ended("Zoe", "Ash", date(2026, 9, 10)), start, "Solent")
    log.add(appointed("Xia", "Cedar"), start, "Tamar")
    log.add(
        m.PeopleMerged(person_id=named("Xia"), merged_person_id=named("Zoe")), on,
        "Solent", "Tamar",
    )  # fmt: skip
    credit = sample(cpd.CpdCredited, person_id=named("Zoe"), school_id=None)
    log.add(credit, BEFORE, "Tamar", till_known=["Solent"])
    log.add(m.PersonErased(person_id=named("Zoe")), AFTER, "Solent", "Tamar")


def neighbours(*parts: Any) -> Log:
    log = Log()
    for part in parts:
        part(log)
    return log


def every_type(log: Log) -> None:
    """What no other part has, at a school of each trust, of both and of none."""
    there = {type(each.event.data) for each in log.all}
    for kind in TOLD:
        if kind in there and kind is not m.SchoolRegistered:
            continue
        if "school_id" in kind.model_fields:
            for name, on, whose, more in (
                ("Ash", BEFORE, ("Solent",), ()), ("Cedar", AFTER, ("Tamar",), ()),
                ("Dale", BEFORE, ("Solent",), ()), ("Dale", AFTER, ("Tamar",), ("Solent",)),
                ("Elm", BEFORE, (), ()),
            ):  # fmt: skip
                log.add(sample(kind, school_id=named(name)), on, *whose, till_known=more)
        elif TOLD[kind] is Cut.TRUST:
            for name in TRUSTS:
                log.add(sample(kind, trust_id=named(name)), BEFORE, name)
        else:
            assert kind is m.GroupRenamed
            for name, whose in (("Solent", ("Solent",)), ("Friends", ())):
                log.add(m.GroupRenamed(group_id=named(name), name=name), BEFORE, *whose)


SCHOOLS_REGISTER = {
    named("Ash"): ({"Solent"}, NOBODY),
    named("Cedar"): ({"Tamar"}, NOBODY),
    named("Dale"): ({"Tamar"}, {"Solent"}),
}
"""Whose a school's entries on the register of the shared day are, as in `Happened`."""


def whose(happened: Happened) -> Iterator[tuple[UUID, Set[str], Set[str]]]:
    """(Slice, to which trusts it belongs, who is told as well until ends are known)."""
    for each in slices(happened.event):
        if TOLD[type(happened.event.data)] is Cut.REGISTER:
            yield each.id, *SCHOOLS_REGISTER[each.audience_id]
        else:
            yield each.id, happened.whose, happened.till_known


WHOLE = (who_belongs_to_whom, dale_moves, a_shared_day, days_in_school, credits_of_people, a_merge,
         every_type)  # fmt: skip


async def take_in(connection: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
    """One effect after the other."""
    for event in events:
        effect = effects.of(event.data.type)
        assert effect is not None
        await effect(connection, [event])


async def feed_all(connection: asyncpg.Connection, most: int = 1000) -> int:
    """The feeder's turns, until nothing is due; how many slices were appended."""
    appended = 0
    while await feeding.is_due(connection):
        appended += await feeding.take_turn(connection, most)
    return appended


def owed(log: Log, trust: str, *kinds: type[Event]) -> tuple[set[UUID], set[UUID]]:
    """What belongs to a trust, all or of these types, and that with what it is told until ends are
    known."""
    parts = [
        part
        for each in log.all
        if not kinds or isinstance(each.event.data, kinds)
        for part in whose(each)
    ]
    own = {each for each, theirs, _ in parts if trust in theirs}
    return own, own | {each for each, _, more in parts if trust in more}
