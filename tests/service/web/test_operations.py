"""What an operator may do over HTTP, on what a real batch has parked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from fastapi.routing import APIRoute

from shared.clock import SystemClock
from shared.database import create_pool
from shared.events.membership import PersonProfile
from shared.messaging import checkpoints, replicas, stops
from shared.messaging.audit import ACTS, Wanted, changes
from shared.messaging.connections import acquire
from shared.messaging.replicas import Says
from shared.service import SERVICES, load
from shared.settings import Settings
from shared.web import ROLES, Authenticator, Context, LocalIssuer, create_app
from shared.web.operations import operations_router
from tests.conftest import Database
from tests.kernel.ledger import HEAL, LEDGER, Kernel, Stream

PARKED = "/operations/parked"
BECAUSE = {"because": "sent by a test"}


@dataclass
class Operations:
    """The routes of operators on a database of the kernel's, and what a batch does there."""

    kernel: Kernel
    client: httpx.AsyncClient
    issuer: LocalIssuer

    async def get(self, path: str, role: str = "operations") -> httpx.Response:
        return await self.client.get(path, headers=self._token(role))

    async def post(
        self, path: str, body: Any = None, role: str = "operations", key: str | None = None
    ) -> httpx.Response:
        headers = self._token(role) | {"Idempotency-Key": key or uuid4().hex}
        return await self.client.post(path, json=body, headers=headers)

    async def numbers(self) -> list[int]:
        return [each["parked_id"] for each in (await self.get(PARKED)).json()["items"]]

    async def acts(self) -> list[tuple[str, str, str | None]]:
        async with acquire(self.kernel.pool) as connection:
            found = await changes(connection, "cpd", Wanted(types=ACTS))
        return [(each.type, each.actor, each.because) for each in found]

    def _token(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.issue(role, 'ada')}"}


@pytest_asyncio.fixture
async def operations(database: Database, tmp_path: Path) -> AsyncIterator[Operations]:
    settings = Settings(home=tmp_path)
    issuer = LocalIssuer(settings.local_keys)
    dsn = await database("cpd")
    pool = await create_pool(dsn, "test", max_size=4)
    await pool.execute(LEDGER)
    kernel = Kernel(pool, dsn)
    context = Context(
        service="cpd",
        settings=settings,
        pool=pool,
        clock=SystemClock(),
        authenticator=Authenticator.of(settings.issuer, settings.audience, settings.jwks_url),
        wake=lambda: None,
    )
    routers = [operations_router(kernel.effects)]
    app = create_app(context, title="Operations", version="1", routers=routers)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Operations(kernel, client, issuer)
    await pool.close()


async def test_parked_records_come_page_by_page_and_without_values(operations: Operations) -> None:
    one, other = Stream(), Stream()
    await operations.kernel.take(one.next("poison"), one.next(), other.next("poison"))
    first = (await operations.get(f"{PARKED}?limit=2")).json()
    second = (await operations.get(f"{PARKED}?limit=2&cursor={first['next']}")).json()
    found = [*first["items"], *second["items"]]
    assert (len(first["items"]), second["next"]) == (2, None)
    assert {(each["key"], each["sequence"]) for each in found} == {
        (str(one.key), 1), (str(one.key), 2), (str(other.key), 1),
    }  # fmt: skip
    assert {each["value"] for each in found} == {None}
    narrowed = await operations.get(f"{PARKED}?topic=aspire.membership&key={other.key}")
    assert [each["key"] for each in narrowed.json()["items"]] == [str(other.key)]
    assert (await operations.get(f"{PARKED}?topic=aspire.cpd")).json()["items"] == []


async def test_a_value_is_shown_unless_it_is_about_a_person(operations: Operations) -> None:
    stream = Stream()
    profile = stream.record(PersonProfile(person_id=uuid4(), name="poison"), 1)
    await operations.kernel.take(stream.next("poison"), profile)
    network, person = await operations.numbers()
    shown = (await operations.get(f"{PARKED}/{network}")).json()
    assert "poison" in shown["value"]
    assert "no_poison" in shown["reason"]
    assert (await operations.get(f"{PARKED}/{person}")).json()["value"] is None


async def test_a_replay_keeps_the_order_of_the_key_and_who_did_it(operations: Operations) -> None:
    kernel, stream = operations.kernel, Stream()
    await kernel.take(stream.next("poison"), stream.next(), stream.next())
    first, second, _ = await operations.numbers()
    early = await operations.post(f"{PARKED}/{second}/replay")
    assert early.status_code == 409
    assert early.headers["content-type"] == "application/problem+json"
    assert f"Replay number {first} first, which is sequence 1" in early.json()["detail"]

    again = await operations.post(f"{PARKED}/{first}/replay")
    assert (again.status_code, again.json()["applied"]) == (200, 0)
    assert again.json()["failed"][0]["sequence"] == 1
    await kernel.pool.execute(HEAL)
    done = await operations.post(f"{PARKED}/{first}/replay")
    assert done.json() == {"applied": 3, "failed": []}
    assert await kernel.ledger() == [1, 2, 3]
    assert await operations.numbers() == []
    assert await operations.acts() == [
        ("replayed", "ada", "3 took effect"),
        ("replayed", "ada", "0 took effect; sequence 1 failed again"),
    ]


async def test_a_record_is_discarded_once_whatever_is_sent_again(operations: Operations) -> None:
    kernel, stream = operations.kernel, Stream()
    await kernel.take(stream.next("poison"), stream.next())
    first, second = await operations.numbers()
    for _ in range(2):
        gone = await operations.post(f"{PARKED}/{first}/discard", BECAUSE, key="one")
        assert (gone.status_code, gone.json()["sequence"]) == (200, 1)
    assert await operations.acts() == [("discarded", "ada", "sent by a test")]
    assert (await operations.post(f"{PARKED}/{second}/replay")).json()["applied"] == 1
    assert await kernel.ledger() == [2]


async def test_what_cannot_be_done_is_refused_in_words(operations: Operations) -> None:
    await operations.kernel.take(Stream().record_without_key())
    [keyless] = await operations.numbers()
    refused = await operations.post(f"{PARKED}/{keyless}/replay")
    assert (refused.status_code, "only be discarded" in refused.text) == (409, True)
    unknown = keyless + 1
    for answer in (
        await operations.get(f"{PARKED}/{unknown}"),
        await operations.post(f"{PARKED}/{unknown}/replay"),
        await operations.post(f"{PARKED}/{unknown}/discard", BECAUSE),
    ):
        assert answer.status_code == 404
        assert f"no parked record number {unknown}" in answer.json()["detail"]
    for body in ({"because": "  "}, {}, BECAUSE | {"force": True}):
        answer = await operations.post(f"{PARKED}/{keyless}/discard", body)
        assert answer.status_code == 422
    for path in (f"{PARKED}/0", f"{PARKED}/{2**63}", f"{PARKED}?cursor=x"):
        assert (await operations.get(path)).status_code == 422
    assert await operations.numbers() == [keyless]


async def test_stops_are_shown_and_ended_with_a_reason(operations: Operations) -> None:
    assert (await operations.get("/operations/stops")).json() == []
    nothing = await operations.post("/operations/resume", BECAUSE)
    assert (nothing.status_code, "not stopped" in nothing.text) == (409, True)
    async with acquire(operations.kernel.pool) as connection:
        await stops.stop(connection, checkpoints.API, "the database is older")
        await stops.stop(connection, "consumer", "the column is missing")
    found = (await operations.get("/operations/stops")).json()
    assert {(each["part"], each["reason"]) for each in found} == {
        ("api", "the database is older"), ("consumer", "the column is missing"),
    }  # fmt: skip
    resumed = (await operations.post("/operations/resume", BECAUSE)).json()
    assert resumed["resumed"] == ["consumer"]
    assert [each["part"] for each in resumed["standing"]] == ["api"]
    standing = await operations.post("/operations/resume", BECAUSE)
    assert (standing.status_code, "the database is older" in standing.text) == (409, True)
    assert ("resumed", "ada", "sent by a test") in await operations.acts()


async def test_the_flow_is_of_all_replicas_that_have_said_something(
    operations: Operations,
) -> None:
    kernel, topic = operations.kernel, "aspire.membership"
    await kernel.take(Stream().next("poison"))
    ids = [uuid4() for _ in range(3)]
    async with acquire(kernel.pool) as connection:
        for number, replica_id in enumerate(ids):
            says = Says(
                host="here", pid=number, started_at=datetime.now(UTC), parts=["consumer"],
                taken={topic: 2.5}, lag={topic: 10}, lag_seconds={topic: 1.5 * number},
                partitions={topic: 12}, sent={"aspire.cpd": 4},
            )  # fmt: skip
            await replicas.tell(connection, replica_id, says)
        await connection.execute(
            "UPDATE replica SET told_at = told_at - interval '50 s' WHERE replica_id = $1", ids[2]
        )
    found = (await operations.get("/operations/flow")).json()
    assert [(each["pid"], each["well"]) for each in found["replicas"]] == [
        (0, True), (1, True), (2, False),
    ]  # fmt: skip
    assert found["writes"] == [{"topic": "aspire.cpd", "rate": 8.0}]
    membership, people = found["reads"]
    assert (membership["rate"], membership["partitions"], membership["lag"]) == (5.0, 24, 20)
    assert (membership["lag_seconds"], membership["age"], membership["parked"]) == (1.5, None, 1)
    assert (people["topic"], people["lag"], people["parked"]) == ("aspire.people", None, 0)
    async with acquire(kernel.pool) as connection:
        await replicas.leave(connection, ids[0])
    gone = (await operations.get("/operations/flow")).json()["replicas"]
    assert [each["pid"] for each in gone] == [1, 2]


async def test_every_service_has_them_for_operators_alone(operations: Operations) -> None:
    schema = (await operations.client.get("/openapi.json")).json()
    routes = [
        (path, method) for path, operations in schema["paths"].items() for method in operations
        if path.startswith("/operations/")
    ]  # fmt: skip
    assert len(routes) >= 6
    for path, method in routes:
        for role in sorted(ROLES - {"operations"}):
            ask = operations.get if method == "get" else operations.post
            answer = await ask(path.replace("{parked_id}", "1"), role=role)
            assert answer.status_code == 403, (path, role)
    for service in SERVICES:
        mounted = {
            each.path for router in load(service).routers for each in router.routes
            if isinstance(each, APIRoute)
        }  # fmt: skip
        assert {path for path, _ in routes} <= mounted, service
