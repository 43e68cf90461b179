"""The feeder at work: woken, held up, and without its database for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from services.integration.feeder import feed
from services.integration.store import feed as store
from shared.changes import Changes
from shared.clock import SystemClock
from shared.database import create_pool
from shared.ending import end
from shared.settings import Settings
from tests.conftest import Database, eventually
from tests.infra import Infra
from tests.service.integration.neighbours import neighbours, take_in, who_belongs_to_whom
from tests.service.integration.world import named

EVENTS = [each.event for each in neighbours(who_belongs_to_whom).all]
SOLENT = named("Solent")


@pytest_asyncio.fixture
async def dsn(database: Database) -> str:
    return await database("integration")


@asynccontextmanager
async def at_work(dsn: str, settings: Settings) -> AsyncIterator[Changes]:
    """Statements have little time."""
    pool = await create_pool(dsn, "feeder", statement_timeout_seconds=0.3)
    changes = Changes()
    working = asyncio.create_task(feed(pool, settings, SystemClock(), changes))
    yield changes
    assert not working.done()
    await end(working)
    await pool.close()


async def told(dsn: str) -> None:
    """Until Solent has all of its own."""
    connection = await asyncpg.connect(dsn)

    async def fed() -> bool:
        return await store.end(connection, SOLENT) == 7

    await eventually(fed)
    await connection.close()


async def happen(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await take_in(connection, EVENTS)
    await connection.close()


async def test_it_is_woken_and_wakes_others(dsn: str, settings: Settings) -> None:
    async with at_work(dsn, settings) as changes:
        await happen(dsn)
        changes.tell()
        mine = changes.next
        await told(dsn)
        await asyncio.wait_for(mine.wait(), 10)


async def test_it_looks_by_itself(dsn: str, settings: Settings) -> None:
    await happen(dsn)
    async with at_work(dsn, settings):
        await told(dsn)


async def test_it_goes_on_when_the_database_is_back(
    dsn: str, settings: Settings, infra: Infra, caplog: pytest.LogCaptureFixture
) -> None:
    name = urlsplit(dsn).path[1:]
    admin = await asyncpg.connect(infra.admin_dsn)
    async with at_work(dsn, settings) as changes:
        await happen(dsn)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        changes.tell()

        async def said() -> bool:
            changes.tell()
            return "Feeds wait for the database" in caplog.text

        await eventually(said)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await told(dsn)
    await admin.close()


async def test_it_goes_on_after_a_turn_that_took_too_long(
    dsn: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await happen(dsn)
    blocker = await asyncpg.connect(dsn)
    async with at_work(dsn, settings):
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE feed")

            async def said() -> bool:
                return "QueryCanceledError" in caplog.text

            await eventually(said)
        await told(dsn)
    await blocker.close()
