"""Connections of the pool, as the kernel takes them: errors stay as the driver raises them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg


@asynccontextmanager
async def acquire(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool; a proxy with a connection's methods, which the types do not say."""
    async with pool.acquire() as connection:
        try:
            yield cast("asyncpg.Connection", connection)
        except TimeoutError:  # its other end may be gone: no word of farewell, it would wait, too
            connection.terminate()
            raise


def milliseconds(seconds: float) -> str:
    """As PostgreSQL's settings take them."""
    return str(int(seconds * 1000))
