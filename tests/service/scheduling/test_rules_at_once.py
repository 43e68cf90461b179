"""Whatever commands overlap: no day overbooked, no queue jumped, no adviser in two places."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.clock import FixedClock
from tests.conftest import Start
from tests.service.crowd import NOTHING_HAPPENED, Crowd
from tests.service.scheduling.rush import PlacesRush, VisitsRush
from tests.service.scheduling.world import NOW, World

pytestmark = pytest.mark.bad_day

PEOPLE = 7
DATES = ("2026-11-16", "2026-11-17", "2026-11-18")

COPIES = st.sampled_from((1, 1, 1, 3))
ON_A_DAY = st.one_of(
    st.tuples(st.just("book"), st.integers(0, PEOPLE - 1), COPIES),
    st.tuples(st.just("release"), st.integers(0, PEOPLE - 1), COPIES),
    st.tuples(st.just("offer"), st.integers(1, 4), COPIES),
)
OF_ADVISERS = st.one_of(
    st.tuples(st.just("plan"), st.integers(0, 1), st.sampled_from(DATES), COPIES),
    st.tuples(st.just("move"), st.integers(0, 9), st.sampled_from(DATES), COPIES),
    st.tuples(st.just("cancel"), st.integers(0, 9), COPIES),
)
a_few = settings(
    max_examples=12,
    phases=[Phase.generate],  # what a race has shown once may not be shown again
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def at_once(commands: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    """Commands in groups: those of a group are sent together."""
    return st.lists(st.lists(commands, min_size=2, max_size=8), min_size=1, max_size=5)


@pytest_asyncio.fixture
async def crowd(world: World, start: Start) -> AsyncIterator[Crowd]:
    """At the world's service and at a second replica of it."""
    dsn = world.dsn
    async with start("scheduling", parts=("api",), clock=FixedClock(NOW), dsn=dsn) as second:
        yield Crowd([world.client, second.client], world.token())


@given(groups=at_once(ON_A_DAY))
@a_few
async def test_a_day_keeps_its_places_and_its_queue(
    world: World, crowd: Crowd, groups: list[list[tuple[str, int, int]]]
) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    people = await world.leaders(school_id, PEOPLE)
    day = await world.day(network_id, places=2)
    rush = PlacesRush(world, crowd, UUID(day["day_id"]), school_id)

    def sent(act: str, number: int, copies: int) -> Awaitable[None]:
        match act:
            case "book":
                return rush.book(people[number], copies)
            case "release":
                return rush.release(people[number], copies)
            case _:
                return rush.offer(number, copies)

    for group in groups:
        await asyncio.gather(*(sent(*command) for command in group))
    await rush.check()


@given(groups=at_once(OF_ADVISERS))
@a_few
async def test_an_adviser_stays_in_one_place_a_date(
    world: World, crowd: Crowd, groups: list[list[tuple[Any, ...]]]
) -> None:
    await world.pool.execute(f"TRUNCATE development_day CASCADE; {NOTHING_HAPPENED}")
    network_id = await world.network()
    schools = [await world.school(network_id) for _ in range(2)]
    advisers = [await world.adviser(network_id) for _ in range(2)]
    rush = VisitsRush(world, crowd, schools)

    def sent(act: str, number: int, *rest: Any) -> Awaitable[None]:
        match act:
            case "plan":
                date, copies = rest
                return rush.plan(advisers[number], date, copies, copies)
            case "move":
                return rush.move(number, *rest)
            case _:
                return rush.cancel(number, *rest)

    for group in groups:
        await asyncio.gather(*(sent(*command) for command in group))
    await rush.check()
