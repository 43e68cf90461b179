"""A fresh database of reporting, and what has been read into it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from tests.conftest import Database


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(await database("reporting"))
    yield connection
    await connection.close()
