"""The API of things on a database of its own, for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest_asyncio

from shared.clock import FixedClock
from shared.database import create_pool
from shared.settings import Settings
from shared.web import Authenticator, Context, Health, LocalIssuer, create_app
from tests.service.web.things import CREATE_THING, Api, hooks, router


@pytest_asyncio.fixture
async def api(database: Callable[[str], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Api]:
    dsn = await database("cpd")
    settings = Settings(home=tmp_path, max_body_bytes=10_000)
    issuer = LocalIssuer(settings.local_keys)
    pool = await create_pool(dsn, "test", max_size=5, statement_timeout_seconds=5)
    await pool.execute(CREATE_THING)
    woken: list[datetime] = []
    clock = FixedClock(datetime(2026, 11, 3, 9, 30, tzinfo=UTC))
    context = Context(
        service="cpd",
        settings=settings,
        pool=pool,
        clock=clock,
        authenticator=Authenticator.of(settings.issuer, settings.audience, settings.jwks_url),
        wake=lambda: woken.append(clock.now()),
    )

    async def well() -> Health:
        return Health(ok=True, detail="answers")

    app = create_app(context, title="Things", version="1", routers=[router], checks={"api": well})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(app, client, pool, clock, issuer, woken)
    hooks.clear()
    await pool.close()
