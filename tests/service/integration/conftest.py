"""Integration without Kafka, at a time of its own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Database, Start
from tests.service.integration.world import NOW, World


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer, clock: FixedClock) -> AsyncIterator[World]:
    async with start("integration", parts=("api",), clock=clock) as started:
        yield World(started, issuer)


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """To an empty database of integration."""
    opened = await asyncpg.connect(await database("integration"))
    yield opened
    await opened.close()
