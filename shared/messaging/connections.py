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


LIMITED = """
    set_config('transaction_timeout', '0', true), set_config('transaction_timeout', $1, true)
"""
"""Selected first in a transaction, has PostgreSQL end it after `$1` milliseconds, for a stopped
process must not hold its locks. A timer that runs already is not set anew, so it is ended first."""


def milliseconds(seconds: float) -> str:
    """As PostgreSQL's settings take them."""
    return str(int(seconds * 1000))
