"""What membership makes of a post that a trust has reported."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.membership.domain.person import Person
from services.membership.domain.reported import Outcome, Reported, ReportedPost
from services.membership.domain.school import School
from shared.events.membership import PersonProfile
from shared.events.vocabulary import Role
from tests.unit.membership.programme import a_school

SCHOOL, PERSON = a_school(), uuid4()
FROM = date(2026, 9, 1)


def reported(**changes: Any) -> Reported:
    given: dict[str, Any] = {"reported_id": UUID(int=1), "school_id": SCHOOL.school_id,
             "role": Role.MIDDLE_LEADER, "from_on": FROM, "to_on": None}  # fmt: skip
    return Reported(**given | changes)


def a_record(**changes: Any) -> ReportedPost:
    given: dict[str, Any] = {"record": "trust/E1", "reported": reported(), "person_id": PERSON}
    return ReportedPost(**given | changes)


def a_person(**changes: Any) -> Person:
    return replace(Person(person_id=PERSON, name="Ada"), **changes)


@pytest.mark.parametrize(
    ("record", "person"),
    [
        (a_record(reported=None), a_person()),
        (a_record(person_id=None, name="Bo"), None),
        (a_record(), None),  # a new person whose name has not come yet
    ],
)
def test_a_record_waits_until_it_is_whole(record: ReportedPost, person: Person | None) -> None:
    settled, _, posts, facts = record.settle(person, SCHOOL)
    assert (settled.outcome, posts, facts) == (Outcome.WAITING, (), ())
    assert settled.name == (record.name if person is None else None)


def test_a_new_person_is_introduced_and_their_name_kept_no_longer() -> None:
    settled, person, [post], facts = a_record(name="Bo", email="bo@ash.example").settle(
        None, SCHOOL
    )
    assert person is not None
    assert (person.name, person.posts) == ("Bo", (post,))
    assert [type(fact).__name__ for fact in facts] == ["PersonProfile", "LeaderAppointed"]
    assert (settled.name, settled.email, settled.post_id) == (None, None, post.post_id)
    assert settled.told_email == "bo@ash.example"


NEW, OLD, OWN = "new@ash.example", "old@ash.example", "entered@ash.example"


@pytest.mark.parametrize(
    ("has", "said_last", "becomes"),
    [
        (None, None, NEW),
        (OLD, OLD, NEW),
        (OWN, None, OWN),  # somebody has entered it
        (OWN, OLD, OWN),
        (NEW, OLD, NEW),
    ],
)
def test_a_reported_address_changes_what_was_reported_and_nobodys_name(
    has: str | None, said_last: str | None, becomes: str
) -> None:
    record = a_record(reported=None, name="Renamed", email=NEW, told_email=said_last)
    settled, person, posts, facts = record.settle(a_person(email=has), SCHOOL)
    assert person is not None
    assert (person.name, person.email) == ("Ada", becomes)
    said = PersonProfile(person_id=PERSON, name="Ada", email=NEW)
    assert list(facts) == ([said] if has != becomes else [])
    assert (settled.name, settled.email, settled.told_email) == (None, None, NEW)
    assert posts == ()


def test_nobody_who_was_erased_has_an_address_again() -> None:
    record = a_record(name="Ada", email=NEW)
    settled, person, _, facts = record.settle(a_person(name=None, erased=True), SCHOOL)
    assert person is not None
    assert (person.email, facts, settled.email) == (None, (), None)


def test_the_same_report_again_changes_nothing() -> None:
    settled, person, _, _ = a_record().settle(a_person(), SCHOOL)
    again, same, posts, facts = settled.settle(person, SCHOOL)
    assert (again, same, posts, facts) == (settled, person, [], [])


def test_who_comes_back_later_is_appointed_once_more_and_a_late_report_brings_nobody_back() -> None:
    left = reported(to_on=date(2026, 9, 30))
    settled, person, [*_, post], _ = a_record(reported=left).settle(a_person(), SCHOOL)
    assert (settled.outcome, post.left_on) == (Outcome.ENDED, date(2026, 9, 30))
    late = replace(settled, reported=reported(reported_id=UUID(int=2)))
    assert late.settle(person, SCHOOL)[2] == []
    back = reported(reported_id=UUID(int=3), from_on=date(2026, 10, 1))
    _, _, [again], _ = replace(settled, reported=back).settle(person, SCHOOL)
    assert (again.appointed_on, again.left_on) == (date(2026, 10, 1), None)


def test_a_post_that_ends_before_it_began_is_left_on_the_day_it_began() -> None:
    settled, person, _, _ = a_record().settle(a_person(), SCHOOL)
    earlier = replace(settled, reported=reported(role=Role.HEADTEACHER, from_on=date(2026, 8, 1)))
    _, after, posts, _ = earlier.settle(person, SCHOOL)
    assert after is not None
    assert [(post.role, post.left_on) for post in after.posts] == [
        (Role.MIDDLE_LEADER, FROM),
        (Role.HEADTEACHER, None),
    ]
    assert len(posts) == 2


@pytest.mark.parametrize(
    ("person", "school", "said"),
    [
        (a_person(erased=True, name=None), SCHOOL, "erased"),
        (a_person(), None, "no school"),
        (a_person(), replace(SCHOOL, closed_on=FROM), "closed"),
    ],
)
def test_what_a_rule_does_not_allow_is_an_outcome(
    person: Person, school: School | None, said: str
) -> None:
    settled, _, posts, facts = a_record().settle(person, school)
    assert (settled.outcome, posts, facts) == (Outcome.REFUSED, (), ())
    assert said in (settled.detail or "")
