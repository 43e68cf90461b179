"""A Development Day is an adviser's, at a member school of their network, and one a date."""

import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from services.scheduling import domain
from services.scheduling.domain import (
    AdviserOn,
    DevelopmentDay,
    DevelopmentDayStatus,
    FollowedUp,
    SchoolOn,
)
from shared.events.vocabulary import CancellationReason, Role, Strand
from tests.unit.scheduling.days import (
    ADVISER,
    DAY,
    NETWORK,
    OTHER_NETWORK,
    SCHOOL,
    TODAY,
    delivered,
    planned,
    staff,
    visit,
)

OUTSIDE = SchoolOn(school_id=SCHOOL, network_id=None)
TOMORROW = TODAY + datetime.timedelta(days=1)


def test_a_day_is_planned_in_the_network_of_the_school() -> None:
    day = planned()
    assert (day.network_id, day.adviser_id) == (NETWORK, ADVISER)
    assert day.status is DevelopmentDayStatus.PLANNED


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"school": OUTSIDE}, domain.SchoolNotAMember),
        (
            {"school": SchoolOn(school_id=SCHOOL, network_id=OTHER_NETWORK)},
            domain.AdviserNotAssigned,
        ),
        (
            {"adviser": AdviserOn(person_id=ADVISER, network_ids=frozenset())},
            domain.AdviserNotAssigned,
        ),
        (
            {
                "adviser": AdviserOn(
                    person_id=ADVISER, network_ids=frozenset({NETWORK}), elsewhere=True
                )
            },
            domain.AdviserElsewhere,
        ),
        (
            {
                "adviser": AdviserOn(
                    person_id=ADVISER, network_ids=frozenset({NETWORK}), erased=True
                )
            },
            domain.AdviserNotAssigned,
        ),
        ({"date": datetime.date(1999, 1, 1)}, domain.UnlikelyDate),
    ],
)
def test_a_day_that_does_not_fit_school_or_adviser_is_refused(
    facts: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        planned(visit=visit(**facts))


@pytest.mark.parametrize(
    ("followed", "fits"),
    [
        (FollowedUp(day_id=NETWORK, date=DAY, cancelled=False), True),
        (FollowedUp(day_id=NETWORK, date=DAY, cancelled=True), False),
        (FollowedUp(day_id=NETWORK, date=TODAY, cancelled=False), False),
        (None, False),
    ],
)
def test_a_day_follows_up_a_known_network_day_of_the_date_or_before(
    followed: FollowedUp | None, fits: bool
) -> None:
    facts = {"follows_up": NETWORK, "visit": visit(network_day=followed)}
    if fits:
        assert planned(**facts).follows_up == NETWORK
    else:
        with pytest.raises(domain.FollowsUpRefused):
            planned(**facts)


def test_a_day_is_rescheduled_to_another_date_and_adviser() -> None:
    other = AdviserOn(person_id=uuid4(), network_ids=frozenset({NETWORK}))
    day, event = planned().reschedule(visit(TOMORROW, adviser=other), today=TODAY, role="adviser")
    assert event is not None
    assert (event.date, event.adviser_id) == (TOMORROW, other.person_id)
    assert day.reschedule(visit(TOMORROW, adviser=other), today=TODAY, role="adviser") == (
        day,
        None,
    )


def deliver(day: DevelopmentDay, **changes: Any) -> Any:
    person = uuid4()
    facts: dict[str, Any] = {
        "hours": Decimal("1.5"),
        "participants": [person],
        "school": SchoolOn(school_id=SCHOOL, network_id=NETWORK),
        "staff": staff(person),
        "today": TODAY,
    }
    return day.deliver(**{**facts, **changes})


def test_a_delivered_day_names_its_participants_by_their_role_on_the_day() -> None:
    _, event = deliver(planned())
    assert [each.role for each in event.participants] == [Role.SENIOR_LEADER]
    assert event.hours == Decimal("1.5")


def test_a_day_is_delivered_neither_early_nor_twice_nor_when_cancelled() -> None:
    with pytest.raises(domain.DayNotYetCome):
        deliver(planned(visit=visit(TOMORROW)))
    with pytest.raises(domain.DayNotPlanned):
        deliver(delivered(planned()))
    with pytest.raises(domain.DayNotPlanned):
        deliver(planned().cancel(CancellationReason.SCHOOL_REQUEST)[0])


@pytest.mark.parametrize("hours", ["0", "-2", "12.25", "0.1"])
def test_absurd_hours_are_refused(hours: str) -> None:
    with pytest.raises(domain.HoursRefused):
        deliver(planned(), hours=Decimal(hours))


def test_all_participants_that_do_not_fit_are_named_at_once() -> None:
    here, elsewhere, unknown = uuid4(), uuid4(), uuid4()
    with pytest.raises(domain.ParticipantsRefused) as refused:
        deliver(
            planned(),
            participants=[here, elsewhere, here, unknown],
            staff={**staff(here), **staff(elsewhere, role=None)},
        )
    assert [error.pointer for error in refused.value.errors] == [
        "#/participants/1",
        "#/participants/2",
        "#/participants/3",
    ]


def test_a_day_at_which_nobody_took_part_or_whose_school_left_is_refused() -> None:
    with pytest.raises(domain.ParticipantsRefused):
        deliver(planned(), participants=[])
    with pytest.raises(domain.SchoolNotAMember):
        deliver(planned(), school=OUTSIDE)


def correct(day: DevelopmentDay, **changes: Any) -> Any:
    facts: dict[str, Any] = {"visit": visit(), "staff": {}, "today": TODAY, "role": "office"}
    return day.correct(**{**facts, **changes})


def test_a_correction_carries_the_day_as_it_should_have_been() -> None:
    someone, added = uuid4(), uuid4()
    day = delivered(planned(), someone)
    day, event = correct(
        day,
        strand=Strand.LEADERSHIP,
        hours=Decimal(3),
        participants=[someone, added],
        staff=staff(added, role=Role.OTHER),
    )
    assert (event.strand, event.hours) == (Strand.LEADERSHIP, Decimal(3))
    assert [(each.person_id, each.role) for each in event.participants] == [
        (someone, Role.SENIOR_LEADER),
        (added, Role.OTHER),
    ]


def test_a_corrected_date_is_held_against_school_adviser_and_posts() -> None:
    someone = uuid4()
    day = delivered(planned(), someone)
    earlier = visit(DAY - datetime.timedelta(days=1))
    with pytest.raises(domain.ParticipantsRefused):
        correct(day, visit=earlier, staff=staff(someone, role=None))
    with pytest.raises(domain.DayNotYetCome):
        correct(day, visit=visit(TOMORROW), staff=staff(someone))
    assert correct(day, visit=earlier, staff=staff(someone))[1].date == earlier.date


def test_nothing_new_is_no_correction_and_a_planned_day_is_not_corrected() -> None:
    day = delivered(planned())
    assert correct(day, hours=Decimal("2.50")) == (day, None)
    with pytest.raises(domain.DayNotDelivered):
        correct(planned())


def test_a_delivered_day_is_neither_cancelled_nor_rescheduled() -> None:
    with pytest.raises(domain.DayNotPlanned):
        delivered(planned()).cancel(CancellationReason.OTHER)
    with pytest.raises(domain.DayNotPlanned):
        delivered(planned()).reschedule(visit(TODAY), today=TODAY, role="office")
