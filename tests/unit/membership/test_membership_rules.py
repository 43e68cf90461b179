"""How a membership begins, changes and ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.domain.membership import (
    OPEN,
    AlreadyInNetwork,
    CorrectionRefused,
    GroupNeeded,
    InGroup,
    Membership,
    MembershipDatesRefused,
    MembershipHasEnded,
    MembershipNotActive,
    MembershipNotPaused,
    Period,
    SchoolAlreadyMember,
    SchoolNotInGroup,
    agreed_end,
)
from services.membership.domain.network import NetworkDatesRefused, NetworkIsClosed
from services.membership.domain.school import InspectionRefused, SchoolIsClosed
from shared.events import Event
from shared.events.membership import StartingPoint
from shared.events.vocabulary import (
    Framework,
    Judgement,
    LeavingReason,
    MembershipStatus,
    Pathway,
)
from shared.problems import Refused
from tests.unit.membership.programme import GOOD, JOINED_ON, a_joining, a_membership, a_network
from tests.unit.membership.programme import a_school as school

OUTSIDE = InGroup(group_id=uuid4(), name="Harbour Trust", has_school=False)
INSIDE = replace(OUTSIDE, has_school=True)


@pytest.mark.parametrize(
    ("joined_on", "ends_on"),
    [
        (date(2026, 9, 1), date(2029, 8, 31)),
        (date(2026, 1, 1), date(2028, 12, 31)),
        (date(2024, 2, 29), date(2027, 2, 28)),
        (date(2025, 3, 1), date(2028, 2, 29)),
    ],
)
def test_a_school_joins_for_three_years(joined_on: date, ends_on: date) -> None:
    assert agreed_end(joined_on) == ends_on


def test_joining_says_all_that_a_consumer_needs() -> None:
    network = a_network()
    membership, joined = a_joining(network=network)
    assert membership.status is MembershipStatus.ACTIVE
    assert joined.network_id == membership.joined_network_id == network.network_id
    assert (joined.ends_on, joined.starting_point) == (date(2029, 8, 31), GOOD)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"joined_on": date(2025, 12, 31)}, NetworkDatesRefused),
        ({"network": replace(a_network(), closed_on=date(2030, 1, 1))}, NetworkIsClosed),
        ({"school": replace(school(), closed_on=date(2030, 1, 1))}, SchoolIsClosed),
        ({"pathway": Pathway.CONNECT}, GroupNeeded),
        ({"pathway": Pathway.CONNECT, "group": OUTSIDE}, SchoolNotInGroup),
        ({"group": OUTSIDE}, SchoolNotInGroup),
        ({"others": [Period(joined_on=date(2020, 1, 1), ended_on=None)]}, SchoolAlreadyMember),
        ({"others": [Period(joined_on=date(2020, 1, 1), ended_on=JOINED_ON)]}, SchoolAlreadyMember),
        (
            {"others": [Period(joined_on=date(2030, 1, 1), ended_on=date(2031, 1, 1))]},
            SchoolAlreadyMember,
        ),
        (
            {
                "starting_point": StartingPoint(
                    framework=Framework.OVERALL_GRADE,
                    judgement=Judgement.GOOD,
                    inspected_on=date(2024, 10, 1),
                )
            },
            InspectionRefused,
        ),
        (
            {
                "starting_point": StartingPoint(
                    framework=Framework.REPORT_CARD,
                    judgement=Judgement.EXCEPTIONAL,
                    inspected_on=date(2025, 10, 31),
                )
            },
            InspectionRefused,
        ),
        (
            {
                "starting_point": StartingPoint(
                    framework=Framework.REPORT_CARD,
                    judgement=Judgement.EXCEPTIONAL,
                    inspected_on=date(2026, 9, 2),
                )
            },
            MembershipDatesRefused,
        ),
    ],
)
def test_a_joining_that_does_not_fit_is_refused(
    changes: dict[str, Any], refusal: type[Refused]
) -> None:
    with pytest.raises(refusal):
        a_joining(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"joined_on": date(2026, 1, 1)},
        {"pathway": Pathway.CONNECT, "group": INSIDE},
        {"group": INSIDE},
        {"others": [Period(joined_on=date(2020, 1, 1), ended_on=date(2026, 8, 31))]},
        {"starting_point": StartingPoint(framework=Framework.NOT_INSPECTED)},
        {"starting_point": GOOD.model_copy(update={"inspected_on": None})},
    ],
)
def test_a_joining_on_the_edge_is_accepted(changes: dict[str, Any]) -> None:
    assert a_joining(**changes)[0].status is MembershipStatus.ACTIVE


def paused() -> Membership:
    return a_membership().pause(date(2026, 10, 1))[0]


def ended() -> Membership:
    return a_membership().leave(date(2026, 10, 1), LeavingReason.OTHER)[0]


@pytest.mark.parametrize(
    ("before", "change", "refusal"),
    [
        (a_membership, lambda m: m.resume(date(2027, 1, 1)), MembershipNotPaused),
        (paused, lambda m: m.pause(date(2027, 1, 1)), MembershipNotActive),
        (paused, lambda m: m.resume(date(2026, 9, 30)), MembershipDatesRefused),
        (a_membership, lambda m: m.pause(date(2026, 8, 31)), MembershipDatesRefused),
        (a_membership, lambda m: m.complete(date(2029, 8, 30)), MembershipDatesRefused),
        (
            a_membership,
            lambda m: m.leave(date(2026, 8, 31), LeavingReason.OTHER),
            MembershipDatesRefused,
        ),
        (a_membership, lambda m: m.move(a_network(), JOINED_ON), MembershipDatesRefused),
        (
            a_membership,
            lambda m: m.move(a_network(date(2028, 1, 1)), date(2027, 1, 1)),
            NetworkDatesRefused,
        ),
        (
            a_membership,
            lambda m: m.move(replace(a_network(), network_id=m.network_id), date(2027, 1, 1)),
            AlreadyInNetwork,
        ),
        (ended, lambda m: m.pause(date(2027, 1, 1)), MembershipHasEnded),
        (ended, lambda m: m.resume(date(2027, 1, 1)), MembershipHasEnded),
        (ended, lambda m: m.move(a_network(), date(2027, 1, 1)), MembershipHasEnded),
        (ended, lambda m: m.complete(date(2029, 8, 31)), MembershipHasEnded),
        (ended, lambda m: m.leave(date(2027, 1, 1), LeavingReason.OTHER), MembershipHasEnded),
    ],
)
def test_a_change_in_the_wrong_state_or_order_is_refused(
    before: Callable[[], Membership],
    change: Callable[[Membership], object],
    refusal: type[Refused],
) -> None:
    with pytest.raises(refusal):
        change(before())


def corrected(membership: Membership, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "network": replace(a_network(), network_id=membership.joined_network_id),
        "pathway": membership.pathway,
        "joined_on": membership.joined_on,
        "starting_point": membership.starting_point,
        "group": None,
        "void": False,
        "others": (),
    }
    given.update(changes)
    return membership.correct(sorted(changes), **given)


def test_a_corrected_network_is_that_of_a_school_that_has_not_moved() -> None:
    network = a_network()
    after, correction = corrected(a_membership(), network=network)
    assert after.network_id == after.joined_network_id == network.network_id
    assert correction.network_id == network.network_id


def test_a_correction_does_not_undo_a_move() -> None:
    moved = a_membership().move(a_network(), date(2027, 1, 4))[0]
    after, correction = corrected(moved, joined_on=date(2026, 10, 1))
    assert after.network_id == moved.network_id
    assert correction.network_id == moved.joined_network_id
    with pytest.raises(CorrectionRefused):
        corrected(moved, network=a_network())


def test_a_membership_cannot_begin_after_it_changed() -> None:
    with pytest.raises(MembershipDatesRefused):
        corrected(paused(), joined_on=date(2026, 10, 2))


def test_a_membership_recorded_by_mistake_is_void_once() -> None:
    after, correction = corrected(a_membership(), void=True)
    assert correction.void
    assert (after.status, after.void) == (MembershipStatus.WITHDRAWN, True)
    with pytest.raises(MembershipHasEnded):
        corrected(after, void=True)


# Any sequence of changes -----------------------------------------------------------------------

NETWORKS = [a_network() for _ in range(3)]
DAYS = st.integers(-30, 1300).map(lambda days: JOINED_ON + timedelta(days=days))
Change = tuple[str, date, int]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["move", "pause", "resume", "complete", "leave"]),
        DAYS,
        st.integers(0, len(NETWORKS) - 1),
    ),
    max_size=12,
)


def apply(membership: Membership, change: Change) -> tuple[Membership, Event]:
    what, day, network = change
    match what:
        case "move":
            return membership.move(NETWORKS[network], day)
        case "pause":
            return membership.pause(day)
        case "resume":
            return membership.resume(day)
        case "complete":
            return membership.complete(day)
    return membership.leave(day, LeavingReason.OTHER)


@given(changes=CHANGES, in_order=st.booleans())
def test_whatever_happens_a_membership_stays_one_that_can_be(
    changes: list[Change], in_order: bool
) -> None:
    membership = a_membership(network=NETWORKS[0])
    dates = [membership.joined_on]
    for change in sorted(changes, key=lambda each: each[1]) if in_order else changes:
        before = membership
        try:
            membership, event = apply(membership, change)
        except Refused:
            continue
        assert before.status in OPEN, "nothing happens to a membership that has ended"
        assert event.key == str(membership.school_id)
        assert membership != before
        dates.append(change[1])
        assert dates == sorted(dates), "what happens is dated in order"
        assert membership.network_id in {network.network_id for network in NETWORKS}
        assert (membership.ended_on is None) == (membership.status in OPEN)
        if membership.status is MembershipStatus.COMPLETED:
            assert membership.ended_on is not None
            assert membership.ended_on >= membership.ends_on
        assert membership.joined_network_id == NETWORKS[0].network_id
