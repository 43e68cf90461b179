"""Under any concurrency: never overbooked, and the first in the queue gets the freed place."""

import asyncio
import json
import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service.scheduling.fairness import check_places
from tests.service.scheduling.world import World

pytestmark = pytest.mark.bad_day

PLACES = 5


class Rush:
    """Many clients at once on one day; answers 2xx only, whatever else is a failure."""

    def __init__(self, world: World, day: dict[str, Any]) -> None:
        self.world = world
        self.path = f"/network-days/{day['day_id']}"
        self.headers = world.token()

    async def send(self, path: str, body: dict[str, Any]) -> Any:
        response: httpx.Response = await self.world.client.post(
            self.path + path,
            content=json.dumps(body, default=str),
            headers={
                **self.headers,
                "Idempotency-Key": str(uuid4()),
                "Content-Type": "application/json",
            },
        )
        assert response.status_code < 300, response.text
        return response.json()


async def test_bookings_and_releases_at_once_keep_places_and_queue(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id, places=PLACES)
    rush = Rush(world, day)
    chance = random.Random(7)

    async def come_and_perhaps_go(person_id: Any, goes: bool) -> None:
        body = {"person_id": person_id, "school_id": school_id}
        place = await rush.send("/places", body)
        if goes:
            await rush.send(f"/places/{place['place_id']}/release", {})

    people = await world.leaders(school_id, 60)
    await asyncio.gather(*(come_and_perhaps_go(each, chance.random() < 0.5) for each in people))
    await check_places(world.pool, day["day_id"])

    # Everybody who has a place leaves at once, again and again, until the queue is empty.
    while booked := [
        place
        for place in await world.items(f"{rush.path}/places?limit=1000")
        if place["status"] == "booked"
    ]:
        await asyncio.gather(
            *(rush.send(f"/places/{place['place_id']}/release", {}) for place in booked)
        )
    await check_places(world.pool, day["day_id"])
    assert (await world.get(rush.path))["waiting"] == 0


async def test_places_that_are_added_in_a_rush_go_to_the_queue_in_order(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id, places=1)
    rush = Rush(world, day)
    people = await world.leaders(school_id, 20)
    await asyncio.gather(
        *(rush.send("/places", {"person_id": each, "school_id": school_id}) for each in people),
        rush.send("/reschedule", {"places": PLACES}),
    )
    await check_places(world.pool, day["day_id"])
    answer = await world.get(rush.path)
    assert (answer["booked"], answer["waiting"]) == (PLACES, 20 - PLACES)


async def test_the_same_person_at_once_gets_one_place(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id)
    person_id = await world.leader(school_id)

    async def attempt() -> int:
        response = await world.client.post(
            f"/network-days/{day['day_id']}/places",
            json={"person_id": str(person_id), "school_id": str(school_id)},
            headers={**world.token(), "Idempotency-Key": str(uuid4())},
        )
        return response.status_code

    assert sorted(await asyncio.gather(*(attempt() for _ in range(10)))) == [201] + [409] * 9
