"""Two processes of a service with hundreds of people at once: its rules hold all the same."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
import httpx
import pytest

from deploy.embedded.home import Ports
from deploy.embedded.supervisor import Supervisor
from shared.clock import SystemClock
from shared.database import create_pool
from shared.settings import Settings
from shared.web import LocalIssuer
from shared.web.asking import asking
from tests.conftest import Database
from tests.service.crowd import Crowd
from tests.service.membership.joining import JoiningRush
from tests.service.membership.office import Office, register, row
from tests.service.scheduling.rush import PlacesRush, VisitsRush
from tests.service.scheduling.world import World

pytestmark = pytest.mark.bad_day

REPLICAS = 2
CLIENTS_OF_A_REPLICA = 10
PEOPLE = 200
DAYS = 2
PLACES = 20
SECONDS_TO_START = 60
SEED = 20


@asynccontextmanager
async def running(
    service: str, settings: Settings, dsn: str
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of processes of the service's API, with a connection for everybody."""
    home = settings.home
    ports = Ports(home / "ports.json", {})
    async with AsyncExitStack() as stack:
        supervisor = await stack.enter_async_context(Supervisor(home / "log"))
        clients, starting = [], []
        for number in range(REPLICAS):
            port = ports.choose(f"{service}-{number}")
            child = supervisor.spawn(
                f"{service}-{number}",
                [sys.executable, "-m", "deploy.cli", "run", service, "--part", "api"],
                env=_environment(home, settings.kafka, service, dsn, port),
                folder=Path(__file__).parents[2],
            )
            # Many, because the time that one takes for a request grows with its connections.
            own = [
                await stack.enter_async_context(_client(port)) for _ in range(CLIENTS_OF_A_REPLICA)
            ]
            clients.append(own)
            starting.append(
                supervisor.until_ready(child, partial(_lives, own[0]), SECONDS_TO_START)
            )
        await asyncio.gather(*starting)
        yield [client for turn in zip(*clients, strict=True) for client in turn]


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        limits=httpx.Limits(max_connections=None),
        timeout=60,
        verify=False,  # noqa: S501 - plain HTTP, and no certificates to load
    )


def _environment(home: Path, kafka: str, service: str, dsn: str, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ASPIRE_HOME": str(home),
        "ASPIRE_KAFKA": kafka,
        f"ASPIRE_{service.upper()}_DATABASE_URL": dsn,
        "ASPIRE_HTTP_PORT": str(port),
        "ASPIRE_POOL_TIMEOUT_SECONDS": "60",  # all wait for their turn on the same rows
        "ASPIRE_STATEMENT_TIMEOUT_SECONDS": "60",
        "ASPIRE_TRANSACTION_TIMEOUT_SECONDS": "60",
    }


async def _lives(client: httpx.AsyncClient) -> bool:
    try:
        with asking():
            return (await client.get("/health/live")).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(dsn, "test", max_size=4)
    try:
        yield pool
    finally:
        await pool.close()


async def test_bookings_releases_and_place_changes_and_visits(
    database: Database, settings: Settings, issuer: LocalIssuer
) -> None:
    dsn = await database("scheduling")
    async with _pool(dsn) as pool, running("scheduling", settings, dsn) as replicas:
        world = World(pool, replicas[0], issuer, SystemClock(), dsn)
        crowd = Crowd(replicas, world.token())
        network_id = await world.network()
        schools = [await world.school(network_id) for _ in range(4)]
        days = [
            PlacesRush(
                world,
                crowd,
                UUID((await world.day(network_id, places=PLACES))["day_id"]),
                schools[0],
            )
            for _ in range(DAYS)
        ]
        chance = Random(SEED)
        people = await world.leaders(schools[0], PEOPLE)
        visits = VisitsRush(world, crowd, schools)
        advisers = [await world.adviser(network_id) for _ in range(2)]
        await asyncio.gather(
            *(_come_and_go(chance.choice(days), each, chance) for each in people),
            *(_offer(day, chance) for day in days),
            *(_visit(visits, adviser, chance) for adviser in advisers for _ in range(6)),
        )
        for day in days:
            await day.check()
            assert day.acknowledged["released"] > 0
        await visits.check()
        assert visits.days


async def _come_and_go(day: PlacesRush, person_id: UUID, chance: Random) -> None:
    """Books, and perhaps leaves and comes again; some clients send everything ten times at once."""
    copies = 10 if chance.random() < 0.04 else 1
    leaves, comes_again = chance.random() < 0.5, chance.random() < 0.3
    await day.book(person_id, copies)
    if leaves:
        await day.release(person_id, copies)
        if comes_again:
            await day.book(person_id, copies)


async def _offer(day: PlacesRush, chance: Random) -> None:
    for _ in range(6):
        await day.offer(chance.randint(PLACES - 5, PLACES + 5))


async def _visit(visits: VisitsRush, adviser_id: UUID, chance: Random) -> None:
    date, other = (f"2026-11-{chance.randint(16, 20)}" for _ in range(2))
    await visits.plan(adviser_id, date, chance.randint(0, 3), copies=chance.choice((1, 10)))
    await visits.move(chance.randint(0, 99), other)
    if chance.random() < 0.5:
        await visits.cancel(chance.randint(0, 99), copies=chance.choice((1, 10)))


async def test_schools_that_join_and_leave(
    database: Database, settings: Settings, issuer: LocalIssuer
) -> None:
    dsn = await database("membership")
    async with _pool(dsn) as pool, running("membership", settings, dsn) as replicas:
        office = Office(pool=pool, client=replicas[0], issuer=issuer)
        await office.imports(register(row(urn) for urn in range(100001, 100005)))
        schools = [each["school_id"] for each in (await office.look("/schools"))["items"]]
        networks = [(await office.network())["network_id"] for _ in range(2)]
        crowd = Crowd(replicas, {"Authorization": f"Bearer {office.token()}"})
        rush = JoiningRush(pool, crowd, schools, networks)
        chance = Random(SEED)
        await asyncio.gather(*(_join_and_leave(rush, each, chance) for each in range(PEOPLE // 4)))
        await rush.check()
        assert all(rush.acknowledged[name] for name in ("SchoolJoined", "SchoolLeft"))


async def _join_and_leave(rush: JoiningRush, number: int, chance: Random) -> None:
    day = f"2026-{chance.randint(9, 11):02d}-01"
    later = f"2026-{chance.randint(9, 11):02d}-15"
    copies = 10 if chance.random() < 0.1 else 1
    then: Awaitable[None]
    await rush.join(number, chance.randint(0, 1), day, copies)
    if chance.random() < 0.8:
        then = rush.leave(chance.randint(0, 99), later, copies)
    else:
        then = rush.withdraw(chance.randint(0, 99), copies)
    await then
