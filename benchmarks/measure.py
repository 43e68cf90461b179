"""One measurement: a rate and the rate of its reference."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from shared.database import create_pool, migrate
from tests.conftest import trust
from tests.infra import Infra


@dataclass(frozen=True, slots=True)
class Measured:
    """`ratio` is rate over reference: above 1 ours is faster."""

    what: str
    rate: float
    unit: str
    reference: str
    reference_rate: float


async def rate_of(work: Callable[[], Awaitable[int]]) -> float:
    """Things a second, of work that answers how many it did."""
    begun = time.perf_counter()
    done = await work()
    return done / (time.perf_counter() - begun)


@asynccontextmanager
async def database_of(infra: Infra, service: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool of a fresh, migrated database of a service."""
    name = f"bench_{uuid4().hex[:10]}"
    admin = await asyncpg.connect(infra.admin_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    dsn = urlunsplit(urlsplit(infra.admin_dsn)._replace(path=f"/{name}"))
    await migrate(dsn, f"services.{service}")
    await trust(dsn)
    pool = await create_pool(dsn, "bench", max_size=6)
    try:
        yield pool
    finally:
        await pool.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
