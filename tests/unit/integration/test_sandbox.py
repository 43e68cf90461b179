"""A sandbox's days, and what membership would say of what its systems report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.integration.domain.playing import Post, Said, said_of
from services.integration.domain.sandbox import FIRST_URN, Sandbox, founded, heard, midnight
from services.integration.domain.sandbox_days import day
from services.integration.domain.staff import Staff
from services.integration.domain.telling import TOLD, slices
from shared.events import Event
from shared.events import membership as m
from shared.events import scheduling as s
from shared.events.vocabulary import Role

TODAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SANDBOX = Sandbox(trust_id=UUID(int=1), first_urn=FIRST_URN)
PERSON, ASH, ELM = UUID(int=2), UUID(int=3), UUID(int=4)


def first_day(sandbox: Sandbox = SANDBOX) -> list[Event]:
    return [*founded(sandbox, TODAY), *day(sandbox, 1, TODAY)]


def test_all_of_it_follows_from_the_trusts_id() -> None:
    assert first_day() == first_day()
    other = first_day(replace(SANDBOX, trust_id=UUID(int=9)))
    assert not {event.key for event in first_day()} & {event.key for event in other}


def test_every_event_is_as_published_and_most_kinds_happen() -> None:
    for event in first_day():
        assert type(event).model_validate_json(event.model_dump_json()) == event
    assert len({type(event) for event in first_day()} & set(TOLD)) == 18


def test_days_differ_in_ids_and_people() -> None:
    def booked(number: int) -> list[Any]:
        return [each for each in day(SANDBOX, number, TODAY) if isinstance(each, s.PlaceBooked)]

    first, second = booked(1), booked(2)
    assert not {each.place_id for each in first} & {each.place_id for each in second}
    assert {each.person_id for each in first} != {each.person_id for each in second}


def test_a_register_has_an_entry_of_a_school_that_is_not_the_trusts() -> None:
    [held] = [event for event in first_day() if isinstance(event, s.NetworkDayHeld)]
    next_door = SANDBOX.schools[-1].school_id
    assert sum(entry.school_id == next_door for entry in held.entries) == 1
    assert not any(
        isinstance(event, m.SchoolJoinedGroup) and event.school_id == next_door
        for event in first_day()
    )


def test_events_are_heard_with_sequences_and_times_that_ascend() -> None:
    last = {f"membership/{SANDBOX.trust_id}": 7}
    received = heard(SANDBOX, first_day(), last, midnight(NOW), NOW)
    assert len({event.id for event in received}) == len(received)
    times = [event.time for event in received]
    assert times == sorted(times)
    assert (times[0].date(), times[-1]) == (TODAY, NOW)
    told = [event for event in received if type(event.data) in TOLD]
    counted: Counter[str] = Counter(last)
    for event in told:
        for each in slices(event):
            stream = each.stream
        counted[stream] += 1
        assert event.sequence == counted[stream]


def test_what_is_told_after_a_reset_has_ids_of_its_own() -> None:
    before = heard(SANDBOX, first_day(), {}, NOW, NOW)
    after = heard(replace(SANDBOX, begins=52), first_day(), {}, NOW, NOW)
    assert not {event.id for event in before} & {event.id for event in after}


def test_midnight_is_londons() -> None:
    assert midnight(datetime(2026, 7, 1, 23, 30, tzinfo=UTC)).hour == 23


def staff(**changes: Any) -> Staff:
    known: dict[str, Any] = {
        "trust_id": UUID(int=1), "external_id": "E1", "school_id": ASH, "role_code": "HOD",
        "role_title": None, "role": Role.OTHER, "from_on": date(2026, 9, 1), "to_on": None,
        "name": "Zoë", "email": None,
    }  # fmt: skip
    return Staff(**known | changes)


def said(now: Staff, posts: Sequence[Post] = (), known: bool = True) -> Said:
    return said_of([(PERSON, now)], {PERSON} if known else set(), posts)


def told(said: Said) -> list[str]:
    return [type(event).__name__ for event in said.events]


HELD = Post(
    post_id=UUID(int=5), person_id=PERSON, school_id=ASH, role=Role.OTHER,
    appointed_on=date(2020, 9, 1), records=("E1",),
)  # fmt: skip
ENDED = replace(HELD, left_on=date(2026, 8, 31))


def test_somebody_new_is_introduced_and_appointed() -> None:
    found = said(staff(), known=False)
    assert told(found) == ["PersonProfile", "LeaderAppointed"]
    assert said(staff(), found.posts) == Said([], [])


@pytest.mark.parametrize(
    ("now", "posts", "events"),
    [
        (staff(), [HELD], []),
        (staff(), [replace(HELD, records=())], []),
        (staff(school_id=ELM), [HELD], ["LeaderLeft", "LeaderAppointed"]),
        (staff(role=Role.HEADTEACHER), [HELD], ["LeaderLeft", "LeaderAppointed"]),
        (staff(to_on=date(2026, 12, 31)), [HELD], ["LeaderLeft"]),
        (staff(to_on=date(2026, 12, 31)), [], ["LeaderAppointed", "LeaderLeft"]),
        (staff(to_on=date(2020, 1, 1)), [HELD], []),
        (staff(), [ENDED], ["LeaderAppointed"]),
        (staff(from_on=date(2026, 8, 1)), [ENDED], []),
        (staff(from_on=date(2026, 8, 1)), [replace(ENDED, records=())], []),
    ],
    ids=["held", "entered", "moved", "new role", "left", "gone", "too early", "again", "known",
         "overlaps"],
)  # fmt: skip
def test_what_becomes_of_a_report(now: Staff, posts: list[Post], events: list[str]) -> None:
    assert told(said(now, posts)) == events


def test_a_post_ends_the_day_before_the_next_one() -> None:
    found = said(staff(school_id=ELM), [HELD])
    [left] = [event for event in found.events if isinstance(event, m.LeaderLeft)]
    assert left.left_on == date(2026, 9, 1) - timedelta(days=1)
    assert {post.post_id: post.records for post in found.posts} == {
        HELD.post_id: (),
        found.posts[-1].post_id: ("E1",),
    }


def test_two_records_may_mean_one_post() -> None:
    found = said(staff(external_id="E2"), [HELD])
    assert (told(found), [post.records for post in found.posts]) == ([], [("E1", "E2")])
