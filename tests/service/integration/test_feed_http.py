"""The feed over HTTP: pages, waiting, cursors, and whom it refuses."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from deploy.docs.samples import sample
from services.integration.api.reading import BATCHED
from services.integration.store import feed
from shared.events import membership as said
from shared.messaging.connections import acquire
from tests.conftest import eventually
from tests.service.integration.neighbours import (
    BEFORE,
    Log,
    feed_all,
    neighbours,
    take_in,
    who_belongs_to_whom,
)
from tests.service.integration.world import World, named, school

FEED = "/mis/feed"
CURSOR = "Feed-Cursor"


@pytest.fixture
def log() -> Log:
    return neighbours(who_belongs_to_whom)


async def happen(world: World, log: Log) -> None:
    """What is in the log, and fed."""
    async with acquire(world.integration.pool) as connection:
        await take_in(connection, [each.event for each in log.all])
        await feed_all(connection)


async def one_more(world: World, log: Log) -> None:
    log.add(school("Ash", 100001), BEFORE)
    async with acquire(world.integration.pool) as connection:
        await take_in(connection, [log.all[-1].event])
        await feed_all(connection)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()]


async def refused(world: World, slug: str, name: str = "Solent", **params: Any) -> None:
    answer = await world.ask(FEED, name, **params)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"].endswith(slug)


async def test_the_pages_follow_each_other_by_links(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    whole = await world.ask(FEED)
    assert whole.headers["content-type"] == BATCHED
    assert len(ids(whole)) > 5
    pages, where = [], f"{FEED}?limit=2"
    while batch := ids(page := await world.ask(where)):
        assert len(batch) <= 2
        pages += batch
        where = page.links["next"]["url"]
    assert pages == ids(whole)
    assert ids(await world.ask(FEED, after=whole.headers[CURSOR])) == []
    await one_more(world, log)
    assert ids(await world.ask(where)) == [str(log.all[-1].event.id)]


async def test_the_events_are_cloudevents_with_the_trusts_own_ids(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    async with acquire(world.integration.pool) as connection:
        await connection.execute(
            "INSERT INTO reported_school VALUES ($1, 'S1', $2)", named("Solent"), named("Ash")
        )
    answer = await world.ask(FEED, types=said.SchoolRegistered.type)
    [event, _] = answer.json()
    read = JSONFormat().read(CloudEvent, json.dumps(event).encode())
    assert read.get_type() == said.SchoolRegistered.type
    assert read.get_source() == "/aspire/membership"
    assert event["partitionkey"] == f"membership/{named('Ash')}"
    assert event["data"]["details"]["urn"] == 100001
    assert event["data"]["external_ids"] == {"people": {}, "schools": {str(named("Ash")): ["S1"]}}


async def test_types_are_chosen_and_the_others_passed_by(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    kinds = [said.GroupRegistered.type, said.LeaderAppointed.type]
    first = await world.ask(FEED, types=kinds, limit=1)
    assert [each["type"] for each in first.json()] == kinds[:1]
    rest = await world.ask(first.links["next"]["url"].replace("limit=1", "limit=9"))
    assert {each["type"] for each in rest.json()} == {kinds[1]}
    whole = await world.ask(FEED)
    assert rest.headers[CURSOR] == whole.headers[CURSOR]
    await refused(world, "type-not-told", types="uk.aspire.people.PersonProfile.v1")


async def test_an_empty_feed_is_an_empty_batch_and_goes_on(world: World, log: Log) -> None:
    await world.say(said.GroupRegistered.model_validate(log.all[0].event.data.model_dump()))
    await world.connected("Solent")
    empty = await world.ask(FEED)
    assert empty.json() == []
    async with acquire(world.integration.pool) as connection:
        await feed_all(connection)
    assert len(ids(await world.ask(empty.links["next"]["url"]))) == 1


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
async def test_a_limit_is_between_one_and_a_thousand(world: World, log: Log, limit: str) -> None:
    await happen(world, log)
    await world.connected("Solent")
    assert (await world.ask(FEED, limit=limit)).status_code == 422
    assert (await world.ask(FEED, limit=1000)).status_code == 200
    assert (await world.ask(FEED, wait=31)).status_code == 422


@pytest.mark.parametrize(
    "cursor", ["", "7", "1-0000000000000000", "99-0000000000000000", "0-0000000000000001", "x" * 90]
)
async def test_a_cursor_that_was_never_given_out_is_refused(
    world: World, log: Log, cursor: str
) -> None:
    await happen(world, log)
    await world.connected("Solent")
    await refused(world, "cursor-unknown", after=cursor)


async def test_the_cursor_of_another_trust_is_refused(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    await world.connected("Tamar")
    other = (await world.ask(FEED, "Tamar", limit=2)).headers[CURSOR]
    await refused(world, "cursor-unknown", after=other)


async def test_a_cursor_from_before_a_restore_is_refused_unless_the_same_was_told(
    world: World, log: Log
) -> None:
    """The backup lacks the last two; what comes again comes in another order."""
    await happen(world, log)
    await world.connected("Solent")
    names = ("Ash", "Dale")
    for name in names:
        log.add(sample(said.SchoolDetailsChanged, school_id=named(name)), BEFORE)
    lost = [each.event for each in log.all[-2:]]
    pool = world.integration.pool
    async with acquire(pool) as connection:
        end = await feed.end(connection, named("Solent"))
    cursors = []
    for events in (lost, lost[::-1]):
        async with acquire(pool) as connection:
            await connection.execute("DELETE FROM feed WHERE position > $1", end)
            await connection.execute("DELETE FROM told WHERE id = ANY ($1)", [e.id for e in lost])
            await take_in(connection, events)
            await feed_all(connection)
        cursors.append([
            (await world.ask(FEED, limit=end + number)).headers[CURSOR] for number in (0, 1, 2)
        ])  # fmt: skip
    (same, one, both), (_, _, again) = cursors
    assert both == again
    assert len(ids(await world.ask(FEED, after=same))) == 2
    await refused(world, "cursor-unknown", after=one)
    assert ids(await world.ask(FEED, after=both)) == []


async def waiting(world: World, asking: asyncio.Task[Any]) -> None:
    """Until the request waits, and holds no connection meanwhile."""
    pool = world.integration.pool
    looks = [False]

    async def idle() -> bool:
        looks.append(not asking.done() and pool.get_idle_size() == pool.get_size())
        return all(looks[-10:])

    await eventually(idle)


async def test_a_request_waits_for_the_next_event_without_a_connection(
    world: World, log: Log
) -> None:
    await happen(world, log)
    await world.connected("Solent")
    end = (await world.ask(FEED)).headers[CURSOR]
    asking = asyncio.create_task(world.ask(FEED, after=end, wait=20))
    await waiting(world, asking)
    await one_more(world, log)
    world.integration.running.changes.tell()
    assert ids(await asyncio.wait_for(asking, 10)) == [str(log.all[-1].event.id)]


async def test_a_wait_ends_with_the_process(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    end = (await world.ask(FEED)).headers[CURSOR]
    asking = asyncio.create_task(world.ask(FEED, after=end, wait=20))
    await waiting(world, asking)
    world.integration.running.changes.end()
    answer = await asyncio.wait_for(asking, 10)
    assert answer.json() == []
    assert answer.headers[CURSOR] == end


async def test_a_secret_that_is_revoked_meanwhile_gets_nothing(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    end = (await world.ask(FEED)).headers[CURSOR]
    asking = asyncio.create_task(world.ask(FEED, after=end, wait=20))
    await waiting(world, asking)
    revoked = await world.office("POST", f"/trusts/{named('Solent')}/connection/revocation")
    assert revoked.status_code == 200, revoked.text
    await one_more(world, log)
    world.integration.running.changes.tell()
    assert (await asyncio.wait_for(asking, 10)).status_code == 401


async def test_time_is_up_without_an_event(world: World, log: Log) -> None:
    await happen(world, log)
    await world.connected("Solent")
    end = (await world.ask(FEED)).headers[CURSOR]
    assert (await world.ask(FEED, after=end, wait=0.2)).json() == []
