"""Real servers for the whole run; a database, topics and tokens of its own for each test."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import hypothesis
import pytest
import pytest_asyncio
import uvloop
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.clock import Clock
from shared.database import create_pool, migrate
from shared.messaging import checkpoints, cluster
from shared.service import Running, Service, load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.infra import Infra

Database = Callable[[str], Awaitable[str]]
Template = Callable[[str, asyncpg.Connection], Awaitable[str]]
Start = Callable[..., AbstractAsyncContextManager["Started"]]
SEALING_KEY = Fernet.generate_key().decode()

# A test does not fail because the machine is busy.
hypothesis.settings.register_profile(
    "aspire", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("aspire")

# Importing and collecting all tests makes a million things that stay: looked through as often as
# is usual, they cost a tenth of the time.
gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="session")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop that the services run on. pytest-asyncio's own hook for it makes a parameter of it,
    at which tests that await and others change places, and servers are started anew."""
    return uvloop.new_event_loop


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def infra() -> AsyncIterator[Infra]:
    """PostgreSQL and Kafka, started once."""
    async with Infra() as servers:
        yield servers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(infra: Infra) -> Template:
    """Of a service the name of a migrated, empty database, to be cloned by an administrator.

    What is cloned is trusted like it: events may be appended, on the server as it runs now.
    """
    trusted: dict[str, datetime] = {}

    async def of(service: str, admin: asyncpg.Connection) -> str:
        name = f"template_{service}"
        began: datetime = await admin.fetchval("SELECT pg_postmaster_start_time()")
        if service not in trusted:
            await admin.execute(f"CREATE DATABASE {name}")
            await migrate(database_url(infra.admin_dsn, name), f"services.{service}")
        if trusted.get(service) != began:
            await trust(database_url(infra.admin_dsn, name))
            trusted[service] = began
        return name

    return of


@pytest_asyncio.fixture
async def database(infra: Infra, template: Template) -> AsyncIterator[Database]:
    """Makes a fresh database with a service's tables: `dsn = await database("cpd")`."""
    async with clones(infra, template) as fresh:
        yield fresh


@asynccontextmanager
async def clones(infra: Infra, template: Template) -> AsyncIterator[Database]:
    """Makes databases, which are dropped at the end."""
    names: list[str] = []
    admin: asyncpg.Connection | None = None

    async def administrator() -> asyncpg.Connection:
        nonlocal admin
        if admin is None or admin.is_closed():  # a test may take the server away
            admin = await asyncpg.connect(infra.admin_dsn)
        return admin

    async def fresh(service: str) -> str:
        name = f"t_{service}_{uuid4().hex[:12]}"
        of = await administrator()
        await of.execute(
            f"CREATE DATABASE {name} TEMPLATE {await template(service, of)} STRATEGY FILE_COPY"
        )
        names.append(name)
        return database_url(infra.admin_dsn, name)

    yield fresh
    for name in names:
        await (await administrator()).execute(f"DROP DATABASE {name} WITH (FORCE)")
    if admin is not None:
        await admin.close()


@pytest.fixture
def settings(infra: Infra, tmp_path: Path) -> Settings:
    """Settings with topics, groups and keys of this test alone, and quick reactions."""
    return Settings(
        home=tmp_path,
        sealing_keys=SecretStr(SEALING_KEY),
        kafka=infra.kafka,
        topic_prefix=f"t{uuid4().hex[:10]}.",
        partitions=3,
        consumer_poll_seconds=0.05,
        consumer_session_timeout_seconds=6,
        consumer_heartbeat_seconds=0.5,
        relay_poll_seconds=0.1,
        relay_delivery_seconds=10,
        pool_max_size=6,
    )


@pytest_asyncio.fixture
async def topics(settings: Settings) -> list[str]:
    """The test's own topics, created."""
    return await cluster.create_topics(settings)


@pytest.fixture
def issuer(settings: Settings) -> LocalIssuer:
    """Issues the tokens that the services of this test accept."""
    return LocalIssuer(settings.local_keys)


@dataclass
class Started:
    """A service that runs in this process: its HTTP client, its database, its parts."""

    service: Service
    client: httpx.AsyncClient
    pool: asyncpg.Pool
    dsn: str
    running: Running

    async def journal(self, *columns: str) -> list[asyncpg.Record]:
        """The events in its journal, in their order."""
        chosen = ", ".join(columns) or "type, key, sequence, payload, actor"
        return await self.pool.fetch(f"SELECT {chosen} FROM event ORDER BY position")  # noqa: S608


@pytest.fixture
def start(settings: Settings, database: Database) -> Start:
    """Starts a service: `async with start("cpd") as cpd`, or only some parts=("api",)."""

    @asynccontextmanager
    async def started(
        name: str,
        parts: tuple[str, ...] | None = None,
        clock: Clock | None = None,
        dsn: str | None = None,
        min_size: int = 1,
        **changes: Any,
    ) -> AsyncIterator[Started]:
        service = load(name)
        dsn = dsn or await database(name)
        chosen = settings.model_copy(update=changes)
        pool = await create_pool(
            dsn, f"test {name}", min_size=min_size, max_size=chosen.pool_max_size
        )
        running = Running(service, chosen, pool, parts, clock)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(pool.close)
            await stack.enter_async_context(running.working())
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(running.app), base_url="http://test"
                )
            )
            yield Started(service, client, pool, dsn, running)

    return started


async def eventually(
    condition: Callable[[], Awaitable[Any]], within_seconds: float = 20, what: str = ""
) -> Any:
    """What `condition` answers as soon as that is true; the test fails if it never is."""
    last: Any = None
    try:
        async with asyncio.timeout(within_seconds):
            while not (last := await condition()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {within_seconds} s: {what or condition}; last: {last!r}")
    return last


def database_url(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def trust(dsn: str) -> None:
    """As a relay does that has found nothing unknown on the topics: events may be appended."""
    connection = await asyncpg.connect(dsn)
    try:
        await checkpoints.trust(connection)
    finally:
        await connection.close()
