"""Every event type by every way: nobody is told what is not theirs, and everybody all that is.

A sandbox is beside them, of which nobody is told.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from services.integration.domain.telling import NOT_TOLD, TOLD, TYPES
from services.integration.sending.carrier import carry
from services.integration.sending.courier import deliver
from services.integration.store import feed
from shared.clock import FixedClock
from shared.database import create_pool
from shared.events import Event, scheduling
from shared.events import membership as m
from shared.events.topics import TO_TRUSTS, TO_TRUSTS_CONFIG
from shared.messaging import cluster
from shared.messaging.connections import acquire
from shared.service import Running, load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import SEALING_KEY, Started, Template, clones, eventually
from tests.infra import Infra
from tests.service.integration import neighbours
from tests.service.integration.neighbours import TRUSTS, WHOLE, feed_all, owed, take_in
from tests.service.integration.receivers import at_work, receiver, registered
from tests.service.integration.test_carrier import read
from tests.service.integration.world import World, named

LOG = neighbours.neighbours(*WHOLE)
SECRET = "Zoë Secret"
CloudEvent = dict[str, Any]


async def by_feed(world: World, trust: str) -> list[CloudEvent]:
    """All of a trust's feed, in small pieces."""
    found: list[CloudEvent] = []
    where = "/mis/feed?limit=20"
    while batch := (answer := await world.ask(where, trust)).json():
        found += batch
        where = answer.links["next"]["url"]
    return found


async def by_webhook(world: World, trust: str) -> list[CloudEvent]:
    """What a receiver takes, until it has as much as there is."""
    async with receiver() as found, at_work(world, deliver):
        await registered(world, found, trust)

        async def all_of_it() -> bool:
            return len(found.taken) >= await told(world, trust)

        await eventually(all_of_it, what=f"{trust} has been sent all")
        return list(found.taken)


async def by_kafka(world: World, trust: str) -> list[CloudEvent]:
    """What is on the trust's topic, once it is as much as there is."""
    settings = world.integration.running._settings
    await cluster.create(settings, {f"{TO_TRUSTS}{named(trust)}": (1, TO_TRUSTS_CONFIG)})
    async with at_work(world, carry):

        async def all_of_it() -> list[CloudEvent] | None:
            events = await read(settings, trust)
            return events if len(events) >= await told(world, trust) else None

        events: list[CloudEvent] = await eventually(all_of_it, what=f"{trust}'s topic has all")
        return events


async def told(world: World, trust: str) -> int:
    async with acquire(world.integration.pool) as connection:
        return await feed.end(connection, named(trust))


WAYS: dict[str, Callable[[World, str], Awaitable[list[CloudEvent]]]] = {
    "feed": by_feed,
    "webhook": by_webhook,
    "kafka": by_kafka,
}
"""How a trust gets all that it is told, from the very beginning."""


@dataclass
class Neighbourhood:
    world: World
    received: dict[tuple[str, str], list[CloudEvent]]
    """By way and trust."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neighbourhood(
    infra: Infra, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Neighbourhood]:
    """Everything has happened, and every trust has got its own by every way."""
    settings = Settings(
        home=tmp_path_factory.mktemp("neighbours"), kafka=infra.kafka, webhooks_inside=True,
        sealing_keys=SecretStr(SEALING_KEY), topic_prefix=f"t{uuid4().hex[:10]}.",
    )  # fmt: skip
    async with clones(infra, template) as fresh:
        dsn = await fresh("integration")
        pool = await create_pool(dsn, "test integration")
        clock = FixedClock(datetime.now(UTC))  # receivers refuse what is signed at another time
        running = Running(load("integration"), settings, pool, ("api",), clock)
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            started = Started(running.service, client, pool, dsn, running)
            world = World(started, LocalIssuer(settings.local_keys))
            async with acquire(pool) as connection:
                await take_in(connection, [each.event for each in LOG.all])
            await world.say(m.PersonProfile(person_id=named("Zoë"), name=SECRET))
            async with acquire(pool) as connection:
                await feed_all(connection)
            for trust in TRUSTS:
                await world.connected(trust)
            sandbox = await world.office("POST", "/sandboxes")
            assert sandbox.status_code == 201, sandbox.text
            async with acquire(pool) as connection:
                await feed_all(connection)
            received = {
                (way, trust): await get(world, trust)
                for way, get in WAYS.items()
                for trust in TRUSTS
            }
            yield Neighbourhood(world, received)
        await pool.close()


def test_every_type_happens_here_and_is_somebodys() -> None:
    assert {type(each.event.data) for each in LOG.all} == set(TOLD)
    for kind in TOLD:
        assert any(owed(LOG, trust, kind)[0] for trust in TRUSTS), kind


@pytest.mark.parametrize("kind", TOLD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_each_trust_gets_its_own_and_nothing_else(
    neighbourhood: Neighbourhood, way: str, kind: type[Event]
) -> None:
    for trust in TRUSTS:
        found = [each for each in neighbourhood.received[way, trust] if each["type"] == kind.type]
        ids = [UUID(each["id"]) for each in found]
        assert set(ids) == owed(LOG, trust, kind)[0], trust
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("way", WAYS)
def test_a_register_holds_the_own_people_only(neighbourhood: Neighbourhood, way: str) -> None:
    schools = {"Solent": {"Ash"}, "Tamar": {"Cedar", "Dale"}, "Apart": set()}
    for trust, own in schools.items():
        entries = [
            entry
            for each in neighbourhood.received[way, trust]
            if each["type"] == scheduling.NetworkDayHeld.type
            for entry in each["data"]["entries"]
        ]
        assert {UUID(entry["school_id"]) for entry in entries} == {named(name) for name in own}
        assert len(entries) == len(own)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_told_of_the_other_types_or_a_name(
    neighbourhood: Neighbourhood, way: str
) -> None:
    for trust in TRUSTS:
        received = neighbourhood.received[way, trust]
        assert {each["type"] for each in received} <= TYPES
        assert TYPES.isdisjoint(kind.type for kind in NOT_TOLD)
        assert SECRET not in json.dumps(received, ensure_ascii=False)


@pytest.mark.parametrize("way", WAYS)
def test_each_stream_comes_in_its_order(neighbourhood: Neighbourhood, way: str) -> None:
    for trust in TRUSTS:
        streams: dict[str, list[str]] = {}
        for each in neighbourhood.received[way, trust]:
            streams.setdefault(each["partitionkey"], []).append(each["sequence"])
        assert all(each == sorted(each) for each in streams.values())


def mis_routes() -> list[tuple[str, str]]:
    app = FastAPI()
    app.include_router(load("integration").router)
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        if path.startswith("/mis/")
        for method in operations
    ]


@pytest.mark.parametrize(("method", "path"), mis_routes())
async def test_another_trusts_secret_opens_nothing(
    neighbourhood: Neighbourhood, method: str, path: str
) -> None:
    world = neighbourhood.world
    client = world.integration.client
    others = httpx.BasicAuth(str(named("Solent")), world.secrets["Tamar"])
    assert (await client.request(method, path, auth=others)).status_code == 401
    token = {"Authorization": f"Bearer {world.issuer.issue('office', 'somebody')}"}
    assert (await client.request(method, path, headers=token)).status_code == 401
