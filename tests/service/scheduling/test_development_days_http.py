"""Development Days through HTTP: an adviser is in one place, and the day names who took part."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from shared.events import membership as said
from shared.events.vocabulary import Role
from tests.service.scheduling.world import World, pointers

PATH = "/development-days"


class Visits:
    """A network with a school and an adviser, and what it takes to plan a day there."""

    def __init__(self, world: World, network_id: UUID, school_id: UUID, adviser_id: UUID) -> None:
        self.world = world
        self.network_id = network_id
        self.school_id = school_id
        self.adviser_id = adviser_id

    def body(self, **changes: Any) -> dict[str, Any]:
        return {
            "school_id": self.school_id,
            "adviser_id": self.adviser_id,
            "date": "2026-11-20",
            "strand": "pedagogy_and_curriculum",
            **changes,
        }

    async def plan(self, expect: int = 201, **changes: Any) -> Any:
        return await self.world.post(PATH, self.body(**changes), expect=expect)

    async def do(self, day: Any, act: str, body: dict[str, Any], expect: int = 200) -> Any:
        return await self.world.post(f"{PATH}/{day['day_id']}/{act}", body, expect=expect)

    async def delivered(self, *people: UUID) -> Any:
        body = {"hours": "3", "participants": people}
        return await self.do(await self.plan(), "deliver", body)


@pytest_asyncio.fixture
async def visits(world: World) -> Visits:
    network_id = await world.network()
    school_id = await world.school(network_id)
    return Visits(world, network_id, school_id, await world.adviser(network_id))


async def test_a_day_is_planned_delivered_corrected_and_told(world: World, visits: Visits) -> None:
    head = await world.leader(visits.school_id, Role.HEADTEACHER)
    teacher = await world.leader(visits.school_id)
    day = await visits.plan()
    assert (day["status"], day["network_id"]) == ("planned", str(visits.network_id))
    delivered = await visits.do(day, "deliver", {"hours": "2.5", "participants": [head]})
    assert delivered["participants"] == [{"person_id": str(head), "role": "headteacher"}]
    corrected = await visits.do(
        day, "correction", {"hours": "3", "participants": [head, teacher], "strand": "leadership"}
    )
    assert corrected == await world.get(f"{PATH}/{day['day_id']}")
    await visits.do(day, "correction", {"hours": "3.00"})

    events = await world.events(day["day_id"])
    assert [name for name, _ in events] == [
        "DevelopmentDayPlanned",
        "DevelopmentDayDelivered",
        "DevelopmentDayCorrected",
    ]
    last = events[-1][1]
    assert (last["hours"], last["strand"], last["network_id"]) == (
        "3.00",
        "leadership",
        str(visits.network_id),
    )
    assert [each["role"] for each in last["participants"]] == ["headteacher", "middle_leader"]


async def test_an_adviser_is_in_one_place_a_date(world: World, visits: Visits) -> None:
    other_school = await world.school(visits.network_id)
    day = await visits.plan()
    answer = await visits.plan(expect=409, school_id=other_school)
    assert answer["type"].endswith("/adviser-elsewhere")
    next_day = await visits.plan(school_id=other_school, date="2026-11-21")
    moved = await visits.do(next_day, "reschedule", {"date": "2026-11-20"}, expect=409)
    assert moved["type"].endswith("/adviser-elsewhere")
    await visits.do(day, "cancel", {"reason": "school_request"})
    moved = await visits.do(next_day, "reschedule", {"date": "2026-11-20"})
    assert moved["date"] == "2026-11-20"


async def test_of_many_plans_at_once_for_an_adviser_and_date_one_is_taken(
    world: World, visits: Visits
) -> None:
    schools = [await world.school(visits.network_id) for _ in range(8)]

    async def attempt(school_id: UUID) -> int:
        response = await world.client.post(
            PATH,
            json={key: str(v) for key, v in visits.body(school_id=school_id).items()},
            headers={**world.token(), "Idempotency-Key": str(uuid4())},
        )
        return response.status_code

    answers = await asyncio.gather(*(attempt(each) for each in schools))
    assert sorted(answers) == [201] + [409] * 7
    assert await world.pool.fetchval("SELECT count(*) FROM event") == 1


async def test_a_merged_adviser_is_one_adviser(world: World, visits: Visits) -> None:
    await visits.plan()
    stays = uuid4()
    await world.tell(said.PeopleMerged(person_id=stays, merged_person_id=visits.adviser_id))
    await visits.plan(expect=409, adviser_id=stays)
    day = await visits.plan(date="2026-11-19", adviser_id=visits.adviser_id)
    assert day["adviser_id"] == str(stays)


async def test_a_day_needs_a_member_school_and_an_adviser_of_its_network(
    world: World, visits: Visits
) -> None:
    async def refused(**changes: Any) -> str:
        answer = await visits.plan(expect=422, **changes)
        return str(answer["type"].rsplit("/")[-1])

    assert await refused(school_id=await world.school(None)) == "school-not-a-member"
    assert await refused(date="2026-08-31") == "school-not-a-member"
    elsewhere = await world.adviser(await world.network())
    assert await refused(adviser_id=elsewhere) == "adviser-not-assigned"
    assert await refused(follows_up=uuid4()) == "follows-up-refused"
    later = await world.day(visits.network_id, date="2026-11-21")
    assert await refused(follows_up=later["day_id"]) == "follows-up-refused"
    assert await refused(date="1926-11-20") == "unlikely-date"
    others = await world.day(await world.network())
    assert await refused(follows_up=others["day_id"]) == "follows-up-refused"
    earlier = await world.day(visits.network_id, date="2026-11-20")
    assert (await visits.plan(follows_up=earlier["day_id"]))["follows_up"] == earlier["day_id"]


async def test_after_a_move_the_day_is_the_new_networks(world: World, visits: Visits) -> None:
    new_network = await world.network()
    school_id = uuid4()
    joined = said.SchoolMovedNetwork(
        school_id=school_id,
        membership_id=uuid4(),
        from_network_id=visits.network_id,
        to_network_id=new_network,
        moved_on=date(2026, 11, 1),
    )
    school_id = await world.school(visits.network_id, membership_id=joined.membership_id)
    await world.tell(joined.model_copy(update={"school_id": school_id}))
    await visits.plan(expect=422, school_id=school_id)
    adviser_id = await world.adviser(new_network)
    day = await visits.plan(school_id=school_id, adviser_id=adviser_id)
    assert day["network_id"] == str(new_network)
    day = await visits.plan(school_id=school_id, date="2026-10-31")
    assert day["network_id"] == str(visits.network_id)


@pytest.mark.parametrize(
    ("hours", "participants", "fields"),
    [
        ("-1", "staff", ["#/hours"]),
        ("24", "staff", ["#/hours"]),
        ("0.3", "nobody", ["#/hours", "#/participants"]),
        ("2", "stranger", ["#/participants/0"]),
        ("2", "twice", ["#/participants/1"]),
    ],
)
async def test_absurd_hours_and_participants_from_elsewhere_are_refused(
    world: World, visits: Visits, hours: str, participants: str, fields: list[str]
) -> None:
    staff, stranger = await world.leader(visits.school_id), await world.leader(uuid4())
    people = {"staff": [staff], "nobody": [], "stranger": [stranger], "twice": [staff, staff]}
    body = {"hours": hours, "participants": people[participants]}
    day = await visits.plan()
    assert pointers(await visits.do(day, "deliver", body, expect=422)) == fields
    assert await world.types(day["day_id"]) == ["DevelopmentDayPlanned"]


async def test_a_day_is_delivered_once_and_not_early(world: World, visits: Visits) -> None:
    person = await world.leader(visits.school_id)
    day = await visits.delivered(person)
    body = {"hours": "3", "participants": [person]}
    answer = await visits.do(day, "deliver", body, expect=409)
    assert answer["type"].endswith("/day-not-planned")
    await visits.do(day, "cancel", {"reason": "other"}, expect=409)
    await visits.do(day, "reschedule", {"date": "2026-11-19"}, expect=409)
    ahead = await visits.plan(date="2026-11-26")
    answer = await visits.do(ahead, "deliver", body, expect=409)
    assert answer["type"].endswith("/day-not-yet-come")
    answer = await visits.do(ahead, "correction", {"hours": "1"}, expect=409)
    assert answer["type"].endswith("/day-not-delivered")


async def test_a_corrected_date_takes_the_adviser_there(world: World, visits: Visits) -> None:
    day = await visits.delivered(await world.leader(visits.school_id))
    await visits.plan(date="2026-11-19")
    await visits.do(day, "correction", {"date": "2026-11-19"}, expect=409)
    corrected = await visits.do(day, "correction", {"date": "2026-11-18"})
    assert (corrected["date"], len(corrected["participants"])) == ("2026-11-18", 1)


async def test_a_delivered_day_is_corrected_after_its_people_were_erased(
    world: World, visits: Visits
) -> None:
    person, other = await world.leader(visits.school_id), await world.leader(visits.school_id)
    day = await visits.delivered(person)
    await world.tell(*(said.PersonErased(person_id=p) for p in (person, other, visits.adviser_id)))
    corrected = await visits.do(day, "correction", {"date": "2026-11-18"})
    assert [each["person_id"] for each in corrected["participants"]] == [str(person)]
    both = {"date": "2026-11-17", "participants": [person, other]}
    refused = await visits.do(day, "correction", both, expect=422)
    assert pointers(refused) == ["#/participants/1"]
    refused = await visits.plan(expect=422, date="2026-11-17")
    assert refused["type"].endswith("/adviser-not-assigned")


async def test_days_are_listed_by_what_is_asked(world: World, visits: Visits) -> None:
    first = await visits.plan()
    second = await visits.plan(date="2026-11-21")
    await visits.do(second, "cancel", {"reason": "weather"})

    async def found(query: str) -> set[str]:
        return {day["day_id"] for day in await world.items(f"{PATH}?{query}")}

    both = {first["day_id"], second["day_id"]}
    assert await found(f"adviser_id={visits.adviser_id}") == both
    assert await found(f"school_id={visits.school_id}&network_id={visits.network_id}") == both
    assert await found("status=planned") == {first["day_id"]}
    assert await found("from=2026-11-21") == {second["day_id"]}
    assert await found(f"adviser_id={uuid4()}") == set()
