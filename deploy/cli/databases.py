"""A service's database, for commands that look into it or decide something in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared import tls
from shared.messaging.connections import acquire

AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError)


@asynccontextmanager
async def connected(platform: Platform, service: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the service's database. Raises CannotDo."""
    async with pooled(platform, service) as pool, acquire(pool) as connection:
        yield connection


@asynccontextmanager
async def pooled(platform: Platform, service: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool of the service's database. Raises CannotDo."""
    url = platform.database_url(service)
    try:
        pool = await asyncpg.create_pool(url, min_size=1, max_size=2, timeout=5)
    except (*AWAY, asyncpg.InvalidCatalogNameError) as error:
        reason = tls.trouble(error) or error or type(error).__name__
        raise CannotDo(
            f"The database of {service} does not answer ({reason}). "
            "`aspire status` shows what runs."
        ) from error
    except ValueError as error:
        raise CannotDo(f"ASPIRE_{service.upper()}_DATABASE_URL is no URL: {error}.") from error
    try:
        yield pool
    except asyncpg.UndefinedTableError as error:
        raise CannotDo(f"The database of {service} is empty: run `aspire migrate`.") from error
    finally:
        await pool.close()
