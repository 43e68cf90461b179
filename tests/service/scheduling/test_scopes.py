"""Who may do and see what: outside one's scope a thing does not exist."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from shared.events import membership as said
from tests.service.scheduling.world import JOINED, World, day_body, register


@dataclass
class Town:
    """Two schools of one network on one day, and a third in another network."""

    world: World
    network_id: UUID
    other_network: UUID
    school: UUID
    neighbour: UUID
    stranger: UUID
    person: UUID
    neighbours_person: UUID
    day: dict[str, Any]
    place: dict[str, Any]
    neighbours_place: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/network-days/{self.day['day_id']}"

    def booking(self, person_id: UUID, school_id: UUID) -> dict[str, Any]:
        return {"person_id": person_id, "school_id": school_id}


@pytest_asyncio.fixture
async def town(world: World) -> Town:
    network_id, other_network = await world.network(), await world.network()
    school, neighbour = await world.school(network_id), await world.school(network_id)
    person, neighbours_person = await world.leader(school), await world.leader(neighbour)
    day = await world.day(network_id)
    return Town(
        world=world,
        network_id=network_id,
        other_network=other_network,
        school=school,
        neighbour=neighbour,
        stranger=await world.school(other_network),
        person=person,
        neighbours_person=neighbours_person,
        day=day,
        place=await world.place(day, person, school),
        neighbours_place=await world.place(day, neighbours_person, neighbour),
    )


async def people_on(town: Town, **who: Any) -> set[str]:
    return {place["person_id"] for place in await town.world.items(f"{town.path}/places", **who)}


async def test_a_school_sees_and_releases_its_own_people_only(town: Town) -> None:
    world = town.world
    who: dict[str, Any] = {"role": "school", "schools": [town.school]}
    assert await people_on(town, **who) == {str(town.person)}
    release = f"{town.path}/places/{town.neighbours_place['place_id']}/release"
    await world.post(release, expect=404, **who)
    await world.post(f"{town.path}/places/{town.place['place_id']}/release", **who)


async def test_a_school_books_its_own_people_only(town: Town) -> None:
    world = town.world
    who: dict[str, Any] = {"role": "school", "schools": [town.school]}
    more, neighbours = await world.leader(town.school), await world.leader(town.neighbour)
    path = f"{town.path}/places"
    await world.post(path, town.booking(more, town.school), expect=201, **who)
    answer = await world.post(path, town.booking(neighbours, town.neighbour), expect=404, **who)
    assert answer["type"].endswith("/school-not-found")


async def test_a_school_of_another_network_does_not_find_the_day(town: Town) -> None:
    world = town.world
    who: dict[str, Any] = {"role": "school", "schools": [town.stranger]}
    person = await world.leader(town.stranger)
    await world.get(town.path, expect=404, **who)
    await world.get(f"{town.path}/places", expect=404, **who)
    booking = town.booking(person, town.stranger)
    await world.post(f"{town.path}/places", booking, expect=404, **who)
    assert await world.items("/network-days", **who) == []


async def test_a_trust_is_as_its_schools_are_today(town: Town) -> None:
    world, group_id = town.world, uuid4()
    who: dict[str, Any] = {"role": "trust", "groups": [group_id]}
    await world.get(town.path, expect=404, **who)
    await world.tell(
        said.SchoolJoinedGroup(group_id=group_id, school_id=town.school, joined_on=JOINED)
    )
    assert await people_on(town, **who) == {str(town.person)}
    more = await world.leader(town.school)
    await world.post(f"{town.path}/places", town.booking(more, town.school), expect=201, **who)
    left = said.SchoolLeftGroup(group_id=group_id, school_id=town.school, left_on=JOINED)
    await world.tell(left)
    await world.get(town.path, expect=404, **who)


async def test_a_participant_books_and_sees_oneself_under_every_id(town: Town) -> None:
    world = town.world
    me = await world.leader(town.school)
    who: dict[str, Any] = {"role": "participant", "person": me}
    path = f"{town.path}/places"
    await world.post(path, town.booking(town.person, town.school), expect=404, **who)
    place = await world.post(path, town.booking(me, town.school), expect=201, **who)
    assert await people_on(town, **who) == {str(me)}
    stays = uuid4()
    await world.tell(said.PeopleMerged(person_id=stays, merged_person_id=me))
    assert await people_on(town, **who) == {str(stays)}
    await world.post(f"{path}/{town.place['place_id']}/release", expect=404, **who)
    await world.post(f"{path}/{place['place_id']}/release", role="participant", person=stays)


async def test_an_adviser_leads_the_days_of_own_networks(town: Town) -> None:
    world = town.world
    own: dict[str, Any] = {"role": "adviser", "networks": [town.network_id]}
    other: dict[str, Any] = {"role": "adviser", "networks": [town.other_network]}
    day = await world.post("/network-days", day_body(town.network_id), expect=201, **own)
    answer = await world.post("/network-days", day_body(town.network_id), expect=404, **other)
    assert answer["type"].endswith("/network-not-found")
    joint = day_body(town.network_id, town.other_network)
    await world.post("/network-days", joint, expect=404, **own)
    assert len(await world.items("/network-days", **own)) == 2
    assert await world.items("/network-days", **other) == []
    for act, body in (
        ("reschedule", {"places": 30}),
        ("cancel", {"reason": "venue"}),
        ("hold", register([town.place, town.neighbours_place])),
        (f"places/{town.place['place_id']}/attendance-correction", {"attendance": "late"}),
    ):
        await world.post(f"{town.path}/{act}", body, expect=404, **other)
    assert len(await people_on(town, **own)) == 2
    await world.post(f"{town.path}/hold", register([town.place, town.neighbours_place]), **own)
    await world.post(f"/network-days/{day['day_id']}/cancel", {"reason": "venue"}, **own)


@pytest.mark.parametrize("role", ["school", "trust", "participant", "operations"])
async def test_only_office_and_advisers_plan_and_record(town: Town, role: str) -> None:
    world = town.world
    who: dict[str, Any] = {"role": role, "schools": [town.school], "person": town.person}
    await world.post("/network-days", day_body(town.network_id), expect=403, **who)
    for act in ("reschedule", "cancel", "hold", "reopen"):
        await world.post(f"{town.path}/{act}", {}, expect=403, **who)
    await world.post("/development-days", {}, expect=403, **who)


async def test_operations_see_days_and_nobody(town: Town) -> None:
    world = town.world
    who: dict[str, Any] = {"role": "operations"}
    await world.get(town.path, **who)
    assert (await world.get(f"/networks/{town.network_id}", **who))["advisers"] == []
    await world.get(f"{town.path}/places", expect=403, **who)
    await world.get("/development-days", expect=403, **who)
    await world.get(f"/people/{town.person}", expect=403, **who)
    await world.post(
        f"{town.path}/places", town.booking(town.person, town.school), expect=403, **who
    )


async def test_development_days_are_seen_by_those_they_concern(town: Town) -> None:
    world = town.world
    colleague = await world.leader(town.school)
    adviser_id = await world.adviser(town.network_id)
    own: dict[str, Any] = {"role": "adviser", "networks": [town.network_id]}
    other: dict[str, Any] = {"role": "adviser", "networks": [town.other_network]}
    body = {
        "school_id": town.school,
        "adviser_id": adviser_id,
        "date": "2026-11-19",
        "strand": "leadership",
    }
    await world.post("/development-days", body, expect=404, **other)
    day = await world.post("/development-days", body, expect=201, **own)
    path = f"/development-days/{day['day_id']}"
    delivery = {"hours": "1", "participants": [town.person, colleague]}
    await world.post(f"{path}/deliver", delivery, expect=404, **other)
    await world.post(f"{path}/deliver", delivery, **own)

    async def participants(**who: Any) -> int:
        (listed,) = await world.items("/development-days", **who)
        assert listed == await world.get(path, **who)
        return len(listed["participants"])

    assert await participants(role="school", schools=[town.school]) == 2
    assert await participants(role="participant", person=colleague) == 1
    for stranger in (
        {"role": "school", "schools": [town.neighbour]},
        {"role": "participant", "person": town.neighbours_person},
        {"role": "participant"},
        {"role": "trust", "groups": [uuid4()]},
        other,
    ):
        await world.get(path, expect=404, **stranger)
        assert await world.items("/development-days", **stranger) == []


async def test_what_membership_says_is_shown_within_the_scope(town: Town) -> None:
    world = town.world
    adviser_id = await world.adviser(town.network_id)
    network = await world.get(f"/networks/{town.network_id}")
    assert network["advisers"] == [str(adviser_id)]
    school = await world.get(f"/schools/{town.school}", role="school", schools=[town.school])
    assert school["membership"]["network_id"] == str(town.network_id)
    assert school["membership"]["active"] is True
    lonely = await world.school(None)
    assert (await world.get(f"/schools/{lonely}"))["membership"] is None
    person = await world.get(f"/people/{town.person}", role="participant", person=town.person)
    assert [post["school_id"] for post in person["posts"]] == [str(town.school)]

    neighbour: dict[str, Any] = {"role": "school", "schools": [town.neighbour]}
    await world.get(f"/networks/{town.network_id}", **neighbour)
    await world.get(f"/networks/{town.other_network}", expect=404, **neighbour)
    await world.get(f"/schools/{town.school}", expect=404, **neighbour)
    await world.get(f"/people/{town.person}", expect=404, **neighbour)
    adviser: dict[str, Any] = {"role": "adviser", "networks": [town.network_id]}
    await world.get(f"/people/{town.person}", **adviser)
    await world.get(f"/schools/{town.stranger}", expect=404, **adviser)
    for path in ("networks", "schools", "people", "network-days", "development-days"):
        await world.get(f"/{path}/{uuid4()}", expect=404)
