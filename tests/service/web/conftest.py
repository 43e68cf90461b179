"""The API of things on a database that is empty, for each test."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest_asyncio

from shared.clock import FixedClock
from shared.database import create_pool
from shared.messaging import checkpoints
from shared.messaging.connections import acquire
from shared.settings import Settings
from shared.web import Authenticator, Context, Health, LocalIssuer, create_app
from tests.conftest import Template, database_url
from tests.infra import Infra
from tests.service.web.things import CREATE_THING, Api, hooks, router


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def things(infra: Infra, template: Template) -> str:
    """One database for all tests here, emptied before each: quicker than one for each."""
    admin = await asyncpg.connect(infra.admin_dsn)
    await admin.execute(f"CREATE DATABASE things TEMPLATE {await template('cpd', admin)}")
    await admin.close()
    dsn = database_url(infra.admin_dsn, "things")
    connection = await asyncpg.connect(dsn)
    await connection.execute(CREATE_THING)
    await connection.close()
    return dsn


@pytest_asyncio.fixture
async def api(things: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(home=tmp_path, max_body_bytes=10_000)
    issuer = LocalIssuer(settings.local_keys)
    pool = await create_pool(things, "test", max_size=5, statement_timeout_seconds=5)
    async with acquire(pool) as connection:
        await checkpoints.trust(connection)
    await pool.execute("DROP TABLE IF EXISTS counter; TRUNCATE thing, idempotency")
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
