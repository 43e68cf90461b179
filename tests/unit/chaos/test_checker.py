"""The checker finds what it is there to find: a sound world, spoiled in one way each time."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import commands, consumers, programme, streams
from tests.chaos.checker.evidence import Evidence, Fact, Write
from tests.chaos.checker.findings import DISORDERED, DOUBLED, LOST, WRONG
from tests.chaos.ledger import Command, Outcome

DAY, SCHOOL = "day", "school"


def fact(nth: int, kind: str, topic: str, key: str, sequence: int, **data: Any) -> Fact:
    return Fact(
        id=f"id-{nth}",
        topic=topic,
        key=key,
        sequence=sequence,
        type=kind,
        value=json.dumps(data),
        place=nth,
        partition=0,
        actor=f"chaos-{nth}",
    )


def on_day(nth: int, kind: str, sequence: int, **data: Any) -> Fact:
    return fact(nth, kind, "aspire.scheduling", DAY, sequence, **data)


def booking(nth: int, sequence: int, place: str, *, from_queue: bool = False) -> Fact:
    return on_day(nth, "PlaceBooked", sequence, place_id=place, from_waiting_list=from_queue)


FACTS = (
    fact(0, "SchoolRegistered", "aspire.membership", SCHOOL, 1),
    on_day(1, "NetworkDayScheduled", 1, places=1, day_id=DAY),
    booking(2, 2, "a"),
    on_day(3, "PlaceWaitlisted", 3, place_id="b", number=2),
    on_day(4, "PlaceWaitlisted", 4, place_id="c", number=3),
    on_day(5, "PlaceReleased", 5, place_id="a"),
    replace(booking(6, 6, "b", from_queue=True), actor="chaos-5"),
)
KINDS = ("import", "schedule", "book", "book", "book", "release")
ANSWERS: tuple[dict[str, str], ...] = (
    {}, {"day_id": DAY}, {"place_id": "a"}, {"place_id": "b"}, {"place_id": "c"}, {}
)  # fmt: skip


def command(number: int, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Command:
    return Command(
        number=number,
        kind=KINDS[number],
        service="scheduling",
        method="POST",
        path="/register-imports" if number == 0 else "/x",
        body={},
        key=f"key-{number}",
        attempts=1,
        outcome=outcome,
        status=200,
        answer=ANSWERS[number],
    )


def writes(*moves: tuple[str, int, int], table: str, owner: str) -> list[Write]:
    """The inbox moved once for each, and a row written in each's transaction at first."""
    found = [
        Write(2 * n, f"tx-{at}-{new}", "inbox", "UPDATE", at, was, new)
        for n, (at, was, new) in enumerate(moves)
    ]
    at, _, new = moves[0]
    return [*found, Write(99, f"tx-{at}-{new}", table, "INSERT", owner, None, None)]


def sound() -> tuple[Evidence, list[Command]]:
    school = ("aspire.membership/school", 0, 1)
    day = ("aspire.scheduling/day", 0, 6)
    member, schedule = ("aspire.membership", SCHOOL), ("aspire.scheduling", DAY)
    evidence = Evidence(
        journals={
            "membership": [FACTS[0]], "scheduling": list(FACTS[1:]), "cpd": [], "reporting": [],
        },
        streams={member: 1, schedule: 6},
        topics=list(FACTS),
        inboxes={
            "scheduling": {member: (1, "id-0")},
            "cpd": {member: (1, "id-0"), schedule: (6, "id-6")},
            "reporting": {member: (1, "id-0"), schedule: (6, "id-6")},
        },
        writes={
            "scheduling": writes(school, table="school", owner=SCHOOL),
            "cpd": writes(school, day, table="inbox", owner="")[:-1],
            "reporting": [
                *writes(school, table="school", owner=SCHOOL),
                *writes(day, table="network_day", owner=DAY),
            ],
        },
        leftovers={("cpd", "parked"): 0, ("cpd", "outbox"): 0},
        answers={f"key-{n}": (200, json.dumps(ANSWERS[n]).encode()) for n in range(6)},
        rows={
            "places": [
                {"place_id": place, "day_id": DAY, "status": status, "attendance": None}
                for place, status in (("a", "released"), ("b", "booked"), ("c", "waiting"))
            ],
            "credits in cpd": [],
            "credits in reporting": [],
        },
    )  # fmt: skip
    return evidence, [command(number) for number in range(6)]


def found(evidence: Evidence, ledger: list[Command]) -> set[str]:
    checks = [
        *commands.checks(evidence, ledger),
        *streams.checks(evidence),
        *consumers.checks(evidence),
        *programme.checks(evidence),
    ]
    return {fault for check in checks for fault in check.counts()}


Spoil = Callable[[Evidence, list[Command]], Any]


def in_journal(at: int, **changes: Any) -> Spoil:
    def spoil(evidence: Evidence, _: list[Command]) -> None:
        journal = evidence.journals["scheduling"]
        journal[at] = replace(journal[at], **changes)

    return spoil


def move(service: str, at: int, **changes: Any) -> Spoil:
    def spoil(evidence: Evidence, _: list[Command]) -> None:
        evidence.writes[service][at] = replace(evidence.writes[service][at], **changes)

    return spoil


def waiting(evidence: Evidence, _: list[Command]) -> None:
    places = evidence.rows["places"]
    del places[0]
    places[0] = {**places[0], "status": "waiting"}


SPOILED: dict[str, tuple[Spoil, str]] = {
    "an acknowledged command is not in the journal": (
        lambda e, _: e.journals["scheduling"].pop(1), LOST
    ),
    "a command is done twice": (
        lambda e, _: e.journals["scheduling"].append(booking(2, 7, "a")), DOUBLED
    ),
    "a refused command is done": (
        lambda _, ledger: ledger.__setitem__(2, command(2, Outcome.REFUSED)), DOUBLED
    ),
    "an unanswered command is half done": (
        lambda e, ledger: (
            ledger.__setitem__(5, command(5, Outcome.UNKNOWN)),
            e.journals["scheduling"].pop(4),
        ),
        WRONG,
    ),
    "nobody sent a command": (lambda _, ledger: ledger.pop(), DOUBLED),
    "an answer is not kept": (lambda e, _: e.answers.pop("key-3"), LOST),
    "another answer is kept": (
        lambda e, _: e.answers.update({"key-3": (200, b'{"place_id": "z"}')}), WRONG
    ),
    "the journal has another order": (
        lambda e, _: e.journals["scheduling"].reverse(), DISORDERED
    ),
    "the journal has a gap": (in_journal(2, sequence=30), LOST),
    "an event is not on the topic": (lambda e, _: e.topics.pop(), LOST),
    "an event is on the topic as another": (
        lambda e, _: e.topics.__setitem__(3, replace(e.topics[3], value="{}")), WRONG
    ),
    "a ghost is on the topic": (lambda e, _: e.topics.append(booking(77, 7, "x")), WRONG),
    "a topic has another order": (lambda e, _: e.topics.reverse(), DISORDERED),
    "a sequence is there with two ids": (
        lambda e, _: e.topics.append(replace(e.topics[3], id="other")), DOUBLED
    ),
    "a consumer lacks the last event": (
        lambda e, _: e.inboxes["cpd"].update({("aspire.scheduling", DAY): (5, "id-5")}), LOST
    ),
    "a consumer took another event": (
        lambda e, _: e.inboxes["cpd"].update({("aspire.scheduling", DAY): (6, "id-9")}), WRONG
    ),
    "an event takes effect again": (move("cpd", 1, was=3, becomes=6), DISORDERED),
    "an effect is lost": (lambda e, _: e.writes["scheduling"].pop(), LOST),
    "an effect is done twice": (
        lambda e, _: e.writes["scheduling"].append(e.writes["scheduling"][-1]), DOUBLED
    ),
    "an effect is past the inbox": (move("scheduling", -1, transaction="another"), WRONG),
    "something is parked": (lambda e, _: e.leftovers.update({("cpd", "parked"): 1}), WRONG),
    "a day is overbooked": (
        in_journal(2, type="PlaceBooked", value='{"place_id": "b", "from_waiting_list": false}'),
        WRONG,
    ),
    "the queue is served out of order": (
        in_journal(5, value='{"place_id": "c", "from_waiting_list": true}'), WRONG
    ),
    "a place is not as its events say": (waiting, WRONG),
    "somebody has hours that nobody earned": (
        lambda e, _: e.rows["credits in cpd"].append({"day": DAY, "person": "p", "hours": 1}),
        WRONG,
    ),
}  # fmt: skip


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found(*sound()) == set()


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_is_found(what: str) -> None:
    spoil, fault = SPOILED[what]
    evidence, ledger = sound()
    spoil(evidence, ledger)
    assert fault in found(evidence, ledger)
