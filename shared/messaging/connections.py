"""Connections of the pool, as the kernel takes them: errors stay as the driver raises them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg


@asynccontextmanager
async def acquire(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool; a proxy with a connection's methods, which the types do not say."""
    async with pool.acquire() as connection:
        yield cast("asyncpg.Connection", connection)
