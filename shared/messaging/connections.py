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


async def limit(connection: asyncpg.Connection, seconds: float) -> None:
    """Has PostgreSQL end this transaction after `seconds`, for a stopped process must not hold
    its locks. A timer that runs already is not set anew, so it is ended first."""
    await connection.execute(
        f"SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = {int(seconds * 1000)}"
    )
