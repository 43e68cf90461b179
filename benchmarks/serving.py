"""Serving: places booked and listed over HTTP, beside FastAPI routes with the same SQL.

The references have no rules, tokens, problem details, cursors or stored answers of ours; they
send the very statements that were seen to be sent for ours.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.http import Connection, connect, request
from benchmarks.measure import Bench, Row, Spent
from shared.clock import FixedClock
from shared.service import Running, load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.service.scheduling.world import NOW, World

CLIENTS = 8
DAYS = 4
"""That each client fills, one after the other."""
PLACES = 30
LISTED = 100
LISTS = 60
"""Pages that each client reads."""

Connect = Callable[[], AbstractAsyncContextManager[Connection]]


async def serving(bench: Bench) -> list[Row]:
    """Requests a second of eight clients, each on a connection of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), kafka=bench.kafka, pool_max_size=CLIENTS)
        async with bench.database("scheduling", max_size=CLIENTS) as pool:
            clock = FixedClock(NOW)
            app = Running(load("scheduling"), settings, pool, parts=["api"], clock=clock).app
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench")
            world = World(pool, client, LocalIssuer(settings.local_keys), clock, "")
            stage = await Stage.made(world)
            plain = _plain(pool, *await stage.statements())
            async with served(app) as ours, served(plain) as theirs:
                booked, plainly_booked, read, plainly_read = await bench.alternate(
                    partial(stage.booked, bench, ours),
                    partial(stage.booked, bench, theirs),
                    partial(stage.listed, bench, ours),
                    partial(stage.listed, bench, theirs),
                )
    reference = "a FastAPI route with the same SQL"
    return [
        Row("HTTP: book a place, 8 clients", "requests/s", reference, 0.7, booked, plainly_booked,
            {"statements": 16, "commits": 2.5}),
        Row("HTTP: read a page of 100 places", "requests/s", reference, 0.8, read, plainly_read,
            {"statements": 8}),
    ]  # fmt: skip


@dataclass
class Stage:
    """A network with a school and its leaders, and a day whose places are all taken."""

    world: World
    network: UUID
    school: UUID
    people: list[UUID]
    full: str

    @classmethod
    async def made(cls, world: World) -> "Stage":
        network = await world.network()
        school = await world.school(network)
        people = await world.leaders(school, LISTED)
        full = await world.day(network, places=LISTED)
        for person in people:
            await world.place(full, person, school)
        return cls(world, network, school, people, full["day_id"])

    async def statements(self) -> tuple[list[str], list[str]]:
        """What is sent to PostgreSQL for a booking, and for a page."""
        day = await self.world.day(self.network)
        async with _heard(self.world.pool) as book:
            await self.world.place(day, self.people[0], self.school)
        async with _heard(self.world.pool) as read:
            await self.world.get(f"/network-days/{day['day_id']}/places")
        return book, read

    async def booked(self, bench: Bench, connect: Connect) -> Spent:
        days = [await self.world.day(self.network, places=PLACES) for _ in range(CLIENTS * DAYS)]
        token = self.world.token()

        async def client(number: int) -> None:
            async with connect() as connection:
                for day in days[number::CLIENTS]:
                    for person in self.people[:PLACES]:
                        body = json.dumps({"person_id": str(person), "school_id": str(self.school)})
                        await connection.ask(_request("POST", day["day_id"], token, body))

        return await _measured(bench, client, CLIENTS * DAYS * PLACES)

    async def listed(self, bench: Bench, connect: Connect) -> Spent:
        asked = _request("GET", self.full, self.world.token(), "")

        async def client(_: int) -> None:
            async with connect() as connection:
                for _ in range(LISTS):
                    await connection.ask(asked)

        return await _measured(bench, client, CLIENTS * LISTS)


async def _measured(bench: Bench, client: Callable[[int], Awaitable[None]], total: int) -> Spent:
    async with bench.measured(total) as spent:
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return spent


@asynccontextmanager
async def _heard(pool: asyncpg.Pool) -> AsyncIterator[list[str]]:
    """The statements of the work inside, without those that begin and end it."""
    heard: list[str] = []

    def hear(record: Any) -> None:
        if not record.query.startswith(("BEGIN", "COMMIT")):
            heard.append(record.query)

    async with pool.acquire() as connection:  # which the pool gives out next, too
        connection.add_query_logger(hear)
    yield heard
    async with pool.acquire() as connection:
        connection.remove_query_logger(hear)


def _request(method: str, day_id: str, token: dict[str, str], body: str) -> bytes:
    headers = token | {"Idempotency-Key": str(uuid4())}
    return request(method, f"/network-days/{day_id}/places", headers, body)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[Connect]:
    """uvicorn on a port of its own; gives what connects to it."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http="h11", log_config=None, access_log=False)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    working = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield partial(connect, port)
    server.should_exit = True
    await working


class _ToBook(BaseModel):
    person_id: UUID
    school_id: UUID


class _Place(BaseModel):
    place_id: UUID
    day_id: UUID
    person_id: UUID
    school_id: UUID
    role: str
    status: str
    number: int
    attendance: str | None


class _Listed(_Place):
    corrections: list[Any]
    absence_reported: bool | None


class _Page(BaseModel):
    items: list[_Listed]
    next: str | None
    as_of: datetime


def _plain(pool: asyncpg.Pool, book: Sequence[str], read: Sequence[str]) -> FastAPI:
    app = FastAPI()
    claim, lock, places, applicant, network, update, insert, keep, append = book
    find, also_places, page = read
    numbers = count(1)

    @app.post("/network-days/{day_id}/places", status_code=201)
    async def book_plainly(day_id: UUID, body: _ToBook) -> _Place:
        key, now = str(uuid4()), datetime.now(UTC)
        attempt = ("bench", f"POST {day_id}", key)
        async with pool.acquire() as connection, connection.transaction():
            await connection.fetchval(claim, *attempt, b"0" * 32, now, now)
            day = await connection.fetchrow(lock, day_id)
            assert day is not None
            await connection.fetch(places, day_id)
            date, school = day["date"], body.school_id
            await connection.fetch(applicant, [body.person_id], school, date)
            await connection.fetchval(network, school, date)
            await connection.execute(
                update, day_id, date, day["venue"], day["places"], day["status"], day["reason"]
            )
            place = _Place(
                place_id=uuid4(), day_id=day_id, **body.model_dump(), role="middle_leader",
                status="booked", number=next(numbers), attendance=None,
            )  # fmt: skip
            await connection.execute(
                insert, day_id, [place.place_id], [place.person_id], [school], [place.role],
                [place.status], [place.number], [None],
            )  # fmt: skip
            said = place.model_dump_json()
            await connection.execute(keep, *attempt, 201, "[]", said.encode())
            await connection.execute(
                append, [None], ["aspire.scheduling"], [str(day_id)],
                ["uk.aspire.scheduling.PlaceBooked.v1"], [said], [False], [None], "bench",
            )  # fmt: skip
        return place

    @app.get("/network-days/{day_id}/places")
    async def read_plainly(day_id: UUID) -> _Page:
        async with pool.acquire() as connection:
            await connection.fetchrow(find, day_id)
            await connection.fetch(also_places, day_id)
            rows = await connection.fetch(page, day_id, True, [], [], None, None, LISTED + 1, True)
        items = [_Listed(**{**row, "corrections": json.loads(row["corrections"])}) for row in rows]
        return _Page(items=items, next=None, as_of=datetime.now(UTC))

    return app
