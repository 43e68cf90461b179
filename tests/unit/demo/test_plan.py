"""The planned year has the programme's size and its accidents, and keeps the services' rules."""

from collections import Counter
from uuid import UUID

import pytest

from deploy.demo.plan import KnownSchool, Plan, make_plan
from deploy.demo.plan.members import TooFewSchools
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Framework, Judgement, Pathway, Region, Role

YEAR = ProgrammeYear(2025)


def known_schools(count: int) -> list[KnownSchool]:
    regions = list(Region)
    return [
        KnownSchool(
            school_id=str(UUID(int=number)),
            urn=150_000 + number,
            name=f"School {number}",
            la_code=str(200 + number % 150),
            region=regions[number % len(regions)],
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module", params=[2026, 1, 2, 3])
def plan(request: pytest.FixtureRequest) -> Plan:
    return make_plan(YEAR, known_schools(2000), request.param)


def test_it_has_19_networks_of_which_13_are_new(plan: Plan) -> None:
    assert len(plan.networks) == 19
    assert sum(network.established_on in YEAR for network in plan.networks) == 13


def test_each_network_has_five_to_ten_schools(plan: Plan) -> None:
    sizes = Counter(school.network for school in plan.schools)
    assert set(sizes) == set(range(19))
    assert all(5 <= size <= 10 for size in sizes.values())
    assert 125 <= len(plan.schools) <= 140


def test_a_school_is_in_its_networks_region_and_a_member_once(plan: Plan) -> None:
    assert len({school.school.urn for school in plan.schools}) == len(plan.schools)
    for school in plan.schools:
        assert school.school.region == plan.networks[school.network].region


def test_both_pathways_are_taken_and_connect_needs_a_group(plan: Plan) -> None:
    assert {school.pathway for school in plan.schools} == set(Pathway)
    for school in plan.schools:
        assert (school.pathway is Pathway.CONNECT) == (school.group is not None)


def test_more_than_half_of_the_joining_schools_start_from_good_or_outstanding(plan: Plan) -> None:
    joining = [school.starting_point for school in plan.schools if school.joined_on in YEAR]
    good = [each for each in joining if each.get("judgement") in
            (Judgement.GOOD, Judgement.OUTSTANDING)]  # fmt: skip
    assert len(joining) < len(plan.schools)
    assert 2 * len(good) > len(joining)
    assert {each["framework"] for each in joining} == set(Framework)


def test_the_judgement_was_made_before_the_school_joined(plan: Plan) -> None:
    for school in plan.schools:
        inspected_on = school.starting_point.get("inspected_on")
        assert inspected_on is None or inspected_on <= school.joined_on.isoformat()


def test_over_140_network_days_are_held_and_some_cancelled(plan: Plan) -> None:
    held = [day for day in plan.network_days if day.cancelled is None]
    assert len(held) > 140
    assert len(held) < len(plan.network_days)


def test_over_1000_development_days_are_delivered(plan: Plan) -> None:
    assert sum(day.cancelled is None for day in plan.development_days) > 1000


def test_over_500_senior_and_middle_leaders_take_part(plan: Plan) -> None:
    named = {leader for day in plan.development_days if day.cancelled is None
             for leader in day.participants}  # fmt: skip
    roles = Counter(plan.leaders[leader].role for leader in named)
    assert roles[Role.SENIOR_LEADER] + roles[Role.MIDDLE_LEADER] > 500


def test_the_year_has_its_accidents(plan: Plan) -> None:
    days = plan.network_days
    assert any(len(day.applicants) > day.places for day in days), "waiting lists"
    assert any(day.released and len(day.applicants) > day.places for day in days), "promotions"
    assert any(day.first_date for day in days), "rescheduled Network Days"
    assert any(day.corrections for day in days), "late corrections"
    assert any(day.reopened for day in days), "a day reopened"
    assert any(day.first_date for day in plan.development_days), "rescheduled Development Days"
    assert any(day.corrected_hours for day in plan.development_days), "corrected days"
    assert any(school.moves_to for school in plan.schools), "moves"
    assert any(school.paused_on for school in plan.schools), "pauses"
    assert any(school.left_on for school in plan.schools), "leavers"
    assert any(leader.same_as is not None for leader in plan.leaders), "a person known twice"
    assert any(record.revoked for record in plan.own_records), "a revoked own record"


def test_no_adviser_is_in_two_places_on_one_date(plan: Plan) -> None:
    dates = Counter(
        (day.network, day.adviser, date)
        for day in plan.development_days
        for date in {day.date, day.first_date} - {None}
    )
    assert max(dates.values()) == 1


def test_only_staff_of_active_members_have_places(plan: Plan) -> None:
    for day in plan.network_days:
        assert day.places >= 1
        assert len(set(day.applicants)) == len(day.applicants)
        for number in day.applicants:
            leader = plan.leaders[number]
            for date in (day.date, day.first_date or day.date):
                assert plan.schools[leader.school].network_on(date) in day.networks
                assert leader.serves_on(date)


def test_only_staff_of_the_school_take_part_in_its_days(plan: Plan) -> None:
    for day in plan.development_days:
        assert plan.schools[day.school].network_on(day.date) == day.network
        assert day.participants
        for number in day.participants:
            assert plan.leaders[number].school == day.school
            assert plan.leaders[number].serves_on(day.date)


def test_one_person_never_has_two_places_on_a_day(plan: Plan) -> None:
    booked = [day.applicants for day in plan.network_days]
    for numbers in booked + [day.participants for day in plan.development_days]:
        people = [plan.leaders[n].same_as if plan.leaders[n].same_as is not None else n
                  for n in numbers]  # fmt: skip
        assert len(set(people)) == len(people)


def test_the_same_seed_plans_the_same_year() -> None:
    schools = known_schools(2000)
    assert make_plan(YEAR, schools, 5) == make_plan(YEAR, schools, 5)
    assert make_plan(YEAR, schools, 5) != make_plan(YEAR, schools, 6)


def test_schools_of_one_region_are_enough() -> None:
    schools = [school for school in known_schools(4000) if school.region is Region.SOUTH_EAST]
    plan = make_plan(YEAR, schools, 1)
    assert {network.region for network in plan.networks} == {Region.SOUTH_EAST}
    assert len({network.name for network in plan.networks}) == 19


def test_too_few_schools_are_refused_in_words() -> None:
    with pytest.raises(TooFewSchools, match="larger register"):
        make_plan(YEAR, known_schools(100), 1)
