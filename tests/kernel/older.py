"""A database is brought back as it was: a backup, or a standby that lacked the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.conftest import database_url
from tests.infra import Infra


@asynccontextmanager
async def older(infra: Infra, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """What happens inside is not in the database afterwards; connections are lost, as in life.

    The copy says that its server began at another time, which a restored or promoted one has.
    """
    name = await pool.fetchval("SELECT current_database()")
    copy = f"{name}_older"
    admin = await asyncpg.connect(infra.admin_dsn)
    try:
        await _end_connections(admin, name)
        await admin.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        other = await asyncpg.connect(database_url(infra.admin_dsn, copy))
        await other.execute("UPDATE compared SET started_at = 'epoch', timeline = 'another'")
        await other.close()
        await pool.expire_connections()
        yield
        await _end_connections(admin, name)
        await admin.execute(f"DROP DATABASE {name}")
        await admin.execute(f"ALTER DATABASE {copy} RENAME TO {name}")
        await pool.expire_connections()
    finally:
        await admin.close()


@asynccontextmanager
async def unreachable(infra: Infra, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """One database lets nobody in for a while; the server and the others go on."""
    name = await pool.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(infra.admin_dsn)
    try:
        await _end_connections(admin, name)
        yield
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await pool.expire_connections()
    finally:
        await admin.close()


async def _end_connections(admin: asyncpg.Connection, name: str) -> None:
    """Ends them and lets no new ones in."""
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    async with asyncio.timeout(10):
        while await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1", name
        ):
            await asyncio.sleep(0.02)
