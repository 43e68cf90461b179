"""Who leads in the member schools: names, posts, successors, and one person known twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Final

from deploy.demo import names
from deploy.demo.plan.parts import Leader, MemberSchool
from deploy.demo.terms import Term
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Role

POSTS: Final = (
    Role.HEADTEACHER,
    Role.SENIOR_LEADER,
    Role.SENIOR_LEADER,
    Role.MIDDLE_LEADER,
    Role.MIDDLE_LEADER,
)
SUCCESSORS: Final = 5


def leaders_of(
    random: Random, year: ProgrammeYear, terms: Sequence[Term], schools: Sequence[MemberSchool]
) -> tuple[Leader, ...]:
    """Five or six people a school; a few leave at Easter and are succeeded."""
    leaders: list[Leader] = []
    for school in schools:
        extra = random.choices((Role.MIDDLE_LEADER, Role.OTHER, None), (35, 15, 50))[0]
        for role in (*POSTS, *([extra] if extra else [])):
            since = date(year.first_year - random.randrange(1, 9), 9, 1)
            leaders.append(_leader(leaders, school.number, role, since, names.person(random)))
    _succeed(random, terms, schools, leaders)
    _know_twice(random, terms, schools, leaders)
    return tuple(leaders)


def _leader(
    leaders: Sequence[Leader], school: int, role: Role, appointed_on: date, name: str
) -> Leader:
    number = len(leaders)
    return Leader(
        number=number,
        school=school,
        name=name,
        email=names.email(name, number),
        role=role,
        appointed_on=appointed_on,
    )


def _succeed(
    random: Random, terms: Sequence[Term], schools: Sequence[MemberSchool], leaders: list[Leader]
) -> None:
    """A few middle leaders leave with the spring term; others take over their posts."""
    summer = terms[2].begins
    stay = {each.number for each in schools if each.left_on is None and each.paused_on is None}
    able = [each for each in leaders if each.role is Role.MIDDLE_LEADER and each.school in stay]
    for goes in random.sample(able, SUCCESSORS):
        leaders[goes.number] = replace(goes, left_on=summer - timedelta(days=1))
        comes = _leader(leaders, goes.school, goes.role, summer, names.person(random))
        leaders.append(replace(comes, succeeds=goes.number))


def _know_twice(
    random: Random, terms: Sequence[Term], schools: Sequence[MemberSchool], leaders: list[Leader]
) -> None:
    """One school introduces a leader a second time, by the initial."""
    autumn = terms[0].begins
    early = {each.number for each in schools if each.network_on(autumn) is not None}
    able = [
        each
        for each in leaders
        if each.school in early and each.left_on is None and each.role is Role.SENIOR_LEADER
    ]
    known = random.choice(able)
    first, _, last = known.name.partition(" ")
    again = _leader(leaders, known.school, known.role, known.appointed_on, f"{first[0]}. {last}")
    leaders.append(replace(again, same_as=known.number))
