"""A Network Day takes what fits it and refuses the rest, naming all that is wrong."""

import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from services.scheduling import domain
from services.scheduling.domain import NetworkDayStatus, PlaceStatus
from shared.events import scheduling as events
from shared.events.vocabulary import Attendance, CancellationReason, Role
from tests.unit.scheduling.days import (
    DAY,
    NETWORK,
    OTHER_NETWORK,
    TODAY,
    applicant,
    booked,
    held,
    ids,
    known,
    network_day,
    register,
    schedule,
)


def test_a_day_is_scheduled_with_all_its_facts_in_the_event() -> None:
    day, scheduled = schedule()
    assert day.status is NetworkDayStatus.SCHEDULED
    assert scheduled.network_ids == (NETWORK,)
    assert (scheduled.date, scheduled.places, scheduled.hours) == (DAY, 2, Decimal(5))


@pytest.mark.parametrize("places", [0, -1, 2_001])
def test_a_day_without_a_sensible_number_of_places_is_refused(places: int) -> None:
    with pytest.raises(domain.PlacesRefused):
        schedule(places=places)


@pytest.mark.parametrize("hours", ["0", "-1", "0.1", "1.3", "12.25", "1000", "NaN", "Infinity"])
def test_absurd_hours_are_refused(hours: str) -> None:
    with pytest.raises(domain.HoursRefused):
        schedule(hours=Decimal(hours))


@pytest.mark.parametrize("hours", ["0.25", "1.5", "5", "12"])
def test_quarter_hours_up_to_twelve_are_taken(hours: str) -> None:
    assert schedule(hours=Decimal(hours))[1].hours == Decimal(hours)


@pytest.mark.parametrize(
    ("date", "role", "fits"),
    [
        ("2024-09-01", "office", True),
        ("2024-08-31", "office", False),
        ("2025-09-01", "adviser", True),
        ("2025-08-31", "adviser", False),
        ("2029-08-31", "adviser", True),
        ("2029-09-01", "office", False),
        ("1066-10-14", "office", False),
    ],
)
def test_days_are_dated_near_today(date: str, role: str, fits: bool) -> None:
    facts = {"date": datetime.date.fromisoformat(date), "role": role}
    if fits:
        schedule(**facts)
    else:
        with pytest.raises(domain.UnlikelyDate):
            schedule(**facts)


@pytest.mark.parametrize(
    ("facts", "pointers"),
    [
        ({"network_ids": []}, ["#/network_ids"]),
        ({"network_ids": [OTHER_NETWORK]}, ["#/network_ids/0"]),
        (
            {"network_ids": [NETWORK, NETWORK, OTHER_NETWORK]},
            ["#/network_ids/1", "#/network_ids/2"],
        ),
        ({"known": known(established_on="2026-11-21")}, ["#/network_ids/0"]),
        ({"known": known(closed_on=datetime.date(2026, 11, 19))}, ["#/network_ids/0"]),
    ],
)
def test_networks_are_named_once_known_and_open_on_the_date(
    facts: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(domain.NetworksRefused) as refused:
        schedule(**facts)
    assert [error.pointer for error in refused.value.errors] == pointers


def test_a_network_is_open_on_its_last_day() -> None:
    schedule(known=known(closed_on=DAY))


def test_places_are_booked_until_the_day_is_full_and_then_queued() -> None:
    day = network_day(places=1)
    day, first, first_event = day.book(uuid4(), applicant())
    day, second, second_event = day.book(uuid4(), applicant())
    assert (first.status, second.status) == (PlaceStatus.BOOKED, PlaceStatus.WAITING)
    assert isinstance(first_event, events.PlaceBooked)
    assert not first_event.from_waiting_list
    assert isinstance(second_event, events.PlaceWaitlisted)
    assert second_event.number == 2


@pytest.mark.parametrize(
    ("someone", "refusal"),
    [
        (applicant(role=None), domain.NoPostAtSchool),
        (applicant(erased=True), domain.NoPostAtSchool),
        (applicant(network_id=None), domain.SchoolNotInNetwork),
        (applicant(network_id=OTHER_NETWORK), domain.SchoolNotInNetwork),
    ],
)
def test_a_place_is_for_staff_of_a_member_school_of_the_network(
    someone: domain.Applicant, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        network_day().book(uuid4(), someone)


def test_a_person_has_one_place_a_day_and_may_book_again_after_a_release() -> None:
    someone = applicant()
    day, place, _ = network_day().book(uuid4(), someone)
    with pytest.raises(domain.AlreadyHasAPlace):
        day.book(uuid4(), someone)
    day, _ = day.release(place.place_id)
    day, again, _ = day.book(uuid4(), someone)
    assert again.status is PlaceStatus.BOOKED


def test_a_released_place_goes_to_the_first_in_the_queue() -> None:
    day = booked(network_day(places=1), people=3)
    first, second = day.waiting
    day, (released, promoted) = day.release(day.booked[0].place_id)
    assert isinstance(released, events.PlaceReleased)
    assert isinstance(promoted, events.PlaceBooked)
    assert (promoted.place_id, promoted.from_waiting_list) == (first.place_id, True)
    assert ids(day.booked) == [first.place_id]
    assert ids(day.waiting) == [second.place_id]


def test_leaving_the_queue_frees_nothing() -> None:
    day = booked(network_day(places=1), people=3)
    day, made = day.release(day.waiting[0].place_id)
    assert [type(event) for event in made] == [events.PlaceReleased]


def test_a_place_is_released_once_and_must_exist() -> None:
    day = booked(network_day())
    place_id = day.booked[0].place_id
    day, _ = day.release(place_id)
    with pytest.raises(domain.PlaceAlreadyReleased):
        day.release(place_id)
    with pytest.raises(domain.PlaceNotFound):
        day.release(uuid4())


def reschedule(day: domain.NetworkDay, **changes: Any) -> tuple[domain.NetworkDay, list[Any]]:
    facts: dict[str, Any] = {"date": None, "venue": None, "places": None, "known": known()}
    return day.reschedule(**{**facts, "today": TODAY, "role": "office", **changes})


def test_added_places_go_to_the_queue_in_its_order() -> None:
    day = booked(network_day(places=1), people=4)
    queue = ids(day.waiting)
    day, (rescheduled, *promoted) = reschedule(day, places=3)
    assert rescheduled.places == 3
    assert [event.place_id for event in promoted] == queue[:2]
    assert ids(day.waiting) == queue[2:]


def test_places_are_not_lowered_below_those_booked() -> None:
    with pytest.raises(domain.PlacesRefused):
        reschedule(booked(network_day(places=3), people=2), places=1)


def test_rescheduling_to_the_same_makes_no_event() -> None:
    day = network_day()
    assert reschedule(day, venue=day.venue) == (day, [])


def test_a_day_moves_only_to_a_date_on_which_its_networks_are_open() -> None:
    with pytest.raises(domain.NetworksRefused):
        reschedule(network_day(), date=TODAY, known=known(closed_on=DAY))


def test_the_register_has_every_booked_place_with_the_role_on_the_day() -> None:
    day = booked(network_day(), people=2)
    first, second = ids(day.booked)
    day, event = day.hold(
        [(first, Attendance.LATE), (second, Attendance.ABSENT)], {second: Role.HEADTEACHER}, TODAY
    )
    assert day.status is NetworkDayStatus.HELD
    assert [(e.place_id, e.attendance, e.role) for e in event.entries] == [
        (first, Attendance.LATE, Role.MIDDLE_LEADER),
        (second, Attendance.ABSENT, Role.HEADTEACHER),
    ]


def test_all_faults_of_a_register_are_named_at_once() -> None:
    day = booked(network_day(places=2), people=3)
    first, second = ids(day.booked)
    stranger, waiting = uuid4(), day.waiting[0].place_id
    entries = [(each, Attendance.ATTENDED) for each in (first, first, stranger, waiting)]
    with pytest.raises(domain.RegisterRefused) as refused:
        day.hold(entries, {}, TODAY)
    assert [error.pointer for error in refused.value.errors] == [
        "#/register/0/place_id",
        "#/register/1/place_id",
        "#/register/2/place_id",
        "#/register/3/place_id",
        "#/register",
    ]
    assert str(second) in refused.value.errors[-1].detail


def test_a_day_is_held_neither_twice_nor_early_nor_empty_nor_when_cancelled() -> None:
    day = booked(network_day())
    with pytest.raises(domain.DayAlreadyHeld):
        held(held(day))
    with pytest.raises(domain.DayNotYetCome):
        day.hold(register(day), {}, DAY - datetime.timedelta(days=1))
    with pytest.raises(domain.NobodyBooked):
        held(network_day())
    with pytest.raises(domain.DayIsCancelled):
        held(day.cancel(CancellationReason.WEATHER)[0])


def test_a_reopened_day_has_its_places_and_no_register() -> None:
    day = booked(network_day(), people=2)
    reopened, event = held(day).reopen()
    assert reopened == day
    assert event.day_id == day.day_id
    assert held(reopened).status is NetworkDayStatus.HELD


def test_a_correction_says_what_the_entry_was() -> None:
    day = held(booked(network_day()))
    place_id = day.booked[0].place_id
    day, event = day.correct_attendance(place_id, Attendance.EXCUSED)
    assert event is not None
    assert (event.was, event.attendance) == (Attendance.ATTENDED, Attendance.EXCUSED)
    assert day.correct_attendance(place_id, Attendance.EXCUSED) == (day, None)


def test_only_an_entry_of_a_held_days_register_is_corrected() -> None:
    day = booked(network_day(places=1), people=2)
    waiting = day.waiting[0].place_id
    with pytest.raises(domain.DayNotHeld):
        day.correct_attendance(day.booked[0].place_id, Attendance.ABSENT)
    with pytest.raises(domain.PlaceNotOnRegister):
        held(day).correct_attendance(waiting, Attendance.ABSENT)


def test_a_cancelled_day_keeps_its_places_and_accepts_nothing_more() -> None:
    day, event = booked(network_day()).cancel(CancellationReason.VENUE)
    assert event.reason is CancellationReason.VENUE
    assert len(day.booked) == 1
    for act in (
        lambda: day.book(uuid4(), applicant()),
        lambda: day.release(day.booked[0].place_id),
        lambda: reschedule(day, places=9),
        lambda: day.cancel(CancellationReason.VENUE),
    ):
        with pytest.raises(domain.DayIsCancelled):
            act()
    with pytest.raises(domain.DayNotHeld):
        day.reopen()


def test_a_held_day_is_neither_booked_nor_cancelled_nor_rescheduled() -> None:
    day = held(booked(network_day()))
    for act in (
        lambda: day.book(uuid4(), applicant()),
        lambda: day.release(day.booked[0].place_id),
        lambda: reschedule(day, places=9),
        lambda: day.cancel(CancellationReason.VENUE),
    ):
        with pytest.raises(domain.DayAlreadyHeld):
            act()
