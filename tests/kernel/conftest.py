"""Databases for the kernel by itself, and for a flow from one to another."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.database import create_pool
from shared.settings import Settings
from tests.conftest import Database
from tests.kernel.flow import Flow
from tests.kernel.ledger import LEDGER, Kernel


@pytest_asyncio.fixture
async def kernel(database: Database) -> AsyncIterator[Kernel]:
    dsn = await database("cpd")
    pool = await create_pool(dsn, "kernel test", max_size=6)
    await pool.execute(LEDGER)
    yield Kernel(pool, dsn)
    await pool.close()


@pytest_asyncio.fixture
async def flow(
    kernel: Kernel, database: Database, settings: Settings, topics: list[str]
) -> AsyncIterator[Flow]:
    pool = await create_pool(await database("membership"), "publisher test", max_size=8)
    yield Flow(settings, pool, kernel)
    await pool.close()
