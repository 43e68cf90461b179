"""A trust's receiver of webhooks, and what works beside the consumer, without Kafka."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook

from services.integration.feeder import feed
from services.integration.sending.courier import deliver
from shared.ending import end
from shared.service import Work
from shared.settings import Settings
from tests.conftest import eventually
from tests.service.integration.world import World, named
from tests.service.serving import served


@dataclass
class Receiver:
    """Answers 204 unless `answer` has another answer for an event; checks signatures, unless there
    is no secret. `sent` has all that came, `taken` what it took."""

    url: str = ""
    secret: str = ""
    answer: Callable[[dict[str, Any]], Awaitable[Response | None] | Response | None] = lambda _: (
        None
    )
    sent: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    """Each request as it came."""

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]

    @property
    def times(self) -> Counter[str]:
        """How often each event was sent."""
        return Counter(event["id"] for event in self.sent)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        headers = dict(request.headers)
        event = Webhook(self.secret).verify(body, headers) if self.secret else await request.json()
        assert headers["webhook-id"] == event["id"]
        assert headers["content-type"].startswith("application/cloudevents+json")
        self.sent.append(event)
        self.bodies.append((body, headers))
        self.headers.append(headers)
        found = self.answer(event)
        response = found if isinstance(found, Response | None) else await found
        if response is None:
            self.taken.append(event)
        return response or Response(status_code=204)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    app = FastAPI()
    found = Receiver()
    app.post("/aspire")(found.take)
    async with served(app) as address:
        found.url = f"{address}/aspire"
        yield found


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """Feeder and courier, as they work beside the consumer."""
    async with at_work(world, feed, deliver):
        yield


@asynccontextmanager
async def at_work(
    world: World, *works: Work, settings: Settings | None = None
) -> AsyncIterator[None]:
    running = world.integration.running
    pool, own, clock, changes = (
        running._pool, running._settings, running._clock, running.changes,
    )  # fmt: skip
    tasks = [asyncio.create_task(work(pool, settings or own, clock, changes)) for work in works]
    try:
        yield
    finally:
        await end(*tasks)


async def asked(
    world: World, method: str, path: str, body: Any = None, name: str = "Solent"
) -> httpx.Response:
    """A trust's systems ask, by its secret."""
    return await world.integration.client.request(
        method,
        f"/mis/webhooks{path}",
        json=body,
        headers={"Idempotency-Key": f"{len(world.secrets)}{asyncio.get_running_loop().time()}"},
        auth=httpx.BasicAuth(str(named(name)), world.secrets[name]),
    )


async def registered(world: World, found: Receiver, name: str = "Solent", **options: Any) -> str:
    """The id of a webhook to the receiver, with all there is unless it says otherwise."""
    body = {"url": found.url, "start": "beginning"} | options
    answer = await asked(world, "POST", "", body, name)
    assert answer.status_code == 201, answer.text
    found.secret = answer.json()["secret"]
    return str(answer.json()["webhook_id"])


async def say(world: World, *events: Any) -> None:
    await world.say(*events)
    world.integration.running.changes.tell()


async def took(found: Receiver, number: int) -> list[str]:
    """The short types of what was taken, once it is so many."""

    async def enough() -> bool:
        return len(found.taken) >= number

    await eventually(enough, what=f"{number} events are taken")
    return [each["type"].split(".")[3] for each in found.taken]


async def deliveries(world: World, webhook: str, **query: Any) -> list[dict[str, Any]]:
    path = f"/{webhook}/deliveries?" + "&".join(f"{key}={value}" for key, value in query.items())
    answer = await asked(world, "GET", path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def look(world: World, webhook: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await asked(world, "GET", f"/{webhook}")).json()
    return shown


async def tried(world: World, webhook: str, times: int) -> None:
    """Waits until the log has so many tries in all."""

    async def enough() -> bool:
        return len(await deliveries(world, webhook, limit=100)) >= times

    await eventually(enough, what=f"{times} tries")
