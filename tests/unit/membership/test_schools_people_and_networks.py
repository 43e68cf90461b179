"""Networks, schools, groups and people: what is refused, and what an event says."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.membership.domain.group import Group, GroupDatesRefused, SchoolAlreadyInGroup
from services.membership.domain.names import NameRefused, checked_name
from services.membership.domain.network import (
    AdviserAlreadyAssigned,
    AdviserNotAssigned,
    NetworkDatesRefused,
    NetworkHasMembers,
    NetworkIsClosed,
)
from services.membership.domain.person import (
    EmailRefused,
    Person,
    PersonIsErased,
    PersonIsMerged,
    PostAlreadyHeld,
    PostDatesRefused,
    SamePerson,
    checked_email,
)
from services.membership.domain.school import (
    SchoolDatesRefused,
    SchoolIsClosed,
    UrnRefused,
    UrnTaken,
    check_urn,
)
from shared.events.vocabulary import GroupKind, Role
from shared.problems import Refused
from tests.unit.membership.programme import a_network, a_school

DAY = date(2026, 9, 1)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0", "x" * 201, "\ud800"])
def test_a_name_is_one_line_that_says_something(name: str) -> None:
    with pytest.raises(NameRefused):
        checked_name(name, "network")


def test_a_name_is_kept_with_single_spaces() -> None:
    assert checked_name("  St  Édouard’s ", "school") == "St Édouard’s"


@pytest.mark.parametrize("urn", [0, -1, 99_999, 1_000_000])
def test_a_urn_has_six_digits(urn: int) -> None:
    with pytest.raises(UrnRefused):
        check_urn(urn, "urn")


def test_a_school_has_one_urn_after_another() -> None:
    school, changed = a_school(100001).change_urn(148213, DAY)
    assert (changed.old_urn, changed.new_urn) == (100001, 148213)
    assert school.details.urn == 148213
    with pytest.raises(UrnTaken):
        school.change_urn(100001, date(2027, 1, 1))
    with pytest.raises(SchoolDatesRefused):
        school.change_urn(150000, DAY)


def test_nothing_more_happens_to_a_closed_school() -> None:
    school, closed = a_school().close(DAY)
    assert closed.closed_on == DAY
    with pytest.raises(SchoolIsClosed):
        school.close(DAY)
    with pytest.raises(SchoolIsClosed):
        school.change_urn(148213, DAY)


def test_the_same_details_are_no_change() -> None:
    school = a_school()
    assert school.change_details(school.details.model_copy()) == (school, None)


def test_a_network_closes_once_empty_and_not_before_it_began() -> None:
    network = a_network()
    with pytest.raises(NetworkHasMembers):
        network.close(DAY, members=1)
    with pytest.raises(NetworkDatesRefused):
        network.close(date(2025, 12, 31), members=0)
    closed, _ = network.close(DAY, members=0)
    with pytest.raises(NetworkIsClosed):
        closed.close(DAY, members=0)
    with pytest.raises(NetworkIsClosed):
        closed.assign(uuid4(), DAY)


def test_an_adviser_is_assigned_for_a_time_and_may_come_back() -> None:
    adviser = uuid4()
    network, _ = a_network().assign(adviser, DAY)
    with pytest.raises(AdviserAlreadyAssigned):
        network.assign(adviser, date(2027, 1, 1))
    with pytest.raises(NetworkDatesRefused):
        network.unassign(adviser, date(2026, 8, 31))
    network, _ = network.unassign(adviser, date(2026, 12, 1))
    with pytest.raises(AdviserNotAssigned):
        network.unassign(adviser, date(2026, 12, 1))
    with pytest.raises(AdviserAlreadyAssigned):
        network.assign(adviser, date(2026, 11, 30))
    assert len(network.assign(adviser, date(2026, 12, 1))[0].assignments) == 2


def test_a_school_is_in_a_group_once_at_a_time() -> None:
    group, _ = Group.register(uuid4(), "Harbour Trust", GroupKind.TRUST, None)
    school = a_school()
    stay, _ = group.take_in(school, DAY, [])
    with pytest.raises(SchoolAlreadyInGroup):
        group.take_in(school, date(2030, 1, 1), [stay])
    with pytest.raises(GroupDatesRefused):
        group.let_go(school, date(2026, 8, 31), [stay])
    stay, left = group.let_go(school, date(2027, 1, 1), [stay])
    assert left.left_on == stay.left_on
    group.take_in(school, date(2027, 1, 1), [stay])


def a_person(**changes: Any) -> Person:
    return replace(Person.introduce(uuid4(), "Ada Example", None)[0], **changes)


def test_a_post_is_held_once_at_a_time() -> None:
    school = a_school()
    person, post, _ = a_person().appoint(uuid4(), school, Role.HEADTEACHER, DAY)
    with pytest.raises(PostAlreadyHeld):
        person.appoint(uuid4(), school, Role.HEADTEACHER, date(2030, 1, 1))
    person.appoint(uuid4(), school, Role.OTHER, DAY)
    person.appoint(uuid4(), a_school(100002), Role.HEADTEACHER, DAY)
    with pytest.raises(PostDatesRefused):
        post.leave(date(2026, 8, 31))
    left, _ = post.leave(date(2026, 12, 31))
    person = replace(person, posts=(left,))
    with pytest.raises(PostAlreadyHeld):
        person.appoint(uuid4(), school, Role.HEADTEACHER, date(2026, 12, 31))
    person.appoint(uuid4(), school, Role.HEADTEACHER, date(2027, 1, 1))


def test_merging_erases_the_profile_that_goes_and_erasing_reaches_every_record() -> None:
    first, second, third = a_person(), a_person(), a_person()
    second, _ = second.merge(third)
    person, facts = first.merge(second)
    assert [type(fact).__name__ for fact in facts] == ["PeopleMerged", "PersonProfileErased"]
    erased, facts = person.erase()
    assert {fact.key for fact in facts} == {str(p.person_id) for p in (first, second, third)}
    assert (erased.name, erased.erase()[1]) == (None, ())


@pytest.mark.parametrize(
    ("state", "refusal"),
    [({"erased": True}, PersonIsErased), ({"merged_into": uuid4()}, PersonIsMerged)],
)
def test_nothing_is_recorded_about_an_erased_or_merged_record(
    state: dict[str, Any], refusal: type[Refused]
) -> None:
    person = a_person(**state)
    for act in (
        lambda: person.call("Ada", None),
        lambda: person.appoint(uuid4(), a_school(), Role.OTHER, DAY),
        lambda: person.merge(a_person()),
        lambda: a_person().merge(person),
    ):
        with pytest.raises(refusal):
            act()


def test_a_person_is_not_merged_with_themselves() -> None:
    person = a_person()
    with pytest.raises(SamePerson):
        person.merge(person)


@pytest.mark.parametrize("email", ["", "a", "a@b", "a@b.", "a b@c.org", "a@b.org,c@d.org", "@b.c"])
def test_an_address_looks_like_one(email: str) -> None:
    with pytest.raises(EmailRefused):
        checked_email(email)


def test_an_address_is_kept_without_spaces_around_it() -> None:
    assert checked_email(" a.b+c@example.org ") == "a.b+c@example.org"
