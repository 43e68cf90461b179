"""Migrations run once each; connections have limits that PostgreSQL enforces."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from shared.database import (
    DatabaseAway,
    Migration,
    MigrationChanged,
    acquire,
    create_pool,
    migrate,
    wait_for_database,
)
from shared.database.migrations import apply
from tests.chaos.links import Link

MANY = Migration(
    "test/0001_many.sql",
    """
    CREATE TABLE shelf (label text DEFAULT 'a:b %s 50%');
    INSERT INTO shelf DEFAULT VALUES;
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT n * 2; $$;
    """,
)


@pytest_asyncio.fixture
async def dsn(database: Callable[[str], Awaitable[str]]) -> str:
    return await database("cpd")


@pytest_asyncio.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connected = await asyncpg.connect(dsn)
    yield connected
    await connected.close()


async def test_running_again_does_nothing(dsn: str) -> None:
    assert await migrate(dsn, "services.cpd") == []


async def test_a_file_may_hold_many_statements(connection: asyncpg.Connection) -> None:
    assert await apply(connection, [MANY]) == [MANY.name]
    assert await connection.fetchval("SELECT label FROM shelf") == "a:b %s 50%"


async def test_a_file_that_fails_leaves_nothing(connection: asyncpg.Connection) -> None:
    half = Migration("test/0002_half.sql", "CREATE TABLE half (); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await apply(connection, [MANY, half])
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await connection.fetchval("SELECT to_regclass('shelf')") == "shelf"
    assert await connection.fetchval("SELECT max(name) FROM migration") >= "test/0001"


async def test_a_file_that_was_changed_is_refused(connection: asyncpg.Connection) -> None:
    await apply(connection, [MANY])
    changed = Migration(MANY.name, MANY.sql + "-- later")
    with pytest.raises(MigrationChanged, match=r"test/0001_many\.sql has been changed"):
        await apply(connection, [changed])


async def test_replicas_that_start_at_once_take_turns(dsn: str) -> None:
    async def replica() -> list[str]:
        connected = await asyncpg.connect(dsn)
        try:
            return await apply(connected, [MANY])
        finally:
            await connected.close()

    ran = await asyncio.gather(*(replica() for _ in range(5)))
    assert sorted(ran, key=len) == [[], [], [], [], [MANY.name]]


async def test_a_transaction_that_lives_too_long_is_ended(dsn: str) -> None:
    pool = await create_pool(dsn, "test", min_size=1, max_size=1, transaction_timeout_seconds=0.2)
    with pytest.raises(DatabaseAway):
        async with acquire(pool, timeout_seconds=5) as held, held.transaction():
            await held.execute("SELECT pg_sleep(5)")
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()


@pytest_asyncio.fixture
async def link(dsn: str, unused_tcp_port: int) -> AsyncIterator[Link]:
    link = Link(unused_tcp_port, urlsplit(dsn).port or 5432)
    await link.start()
    yield link
    await link.close()


async def test_a_connection_whose_other_end_is_gone_is_given_up(dsn: str, link: Link) -> None:
    through_link = urlsplit(dsn)
    netloc = through_link.netloc.replace(f":{through_link.port}", f":{link.port}")
    pool = await create_pool(
        through_link._replace(netloc=netloc).geturl(),
        "test",
        max_size=1,
        statement_timeout_seconds=0.1,
        patience_seconds=0.2,
    )
    link.half_open()
    with pytest.raises(DatabaseAway):
        async with acquire(pool, timeout_seconds=5) as connection, connection.transaction():
            await connection.execute("SELECT 1")
    async with acquire(pool, timeout_seconds=5) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await pool.close()


@pytest_asyncio.fixture
async def waiting_said() -> AsyncIterator[asyncio.Event]:
    said = asyncio.Event()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "Waiting: PostgreSQL" in record.getMessage():
                said.set()

    ear = Ear()
    logging.getLogger("shared.database").addHandler(ear)
    yield said
    logging.getLogger("shared.database").removeHandler(ear)


async def test_it_waits_for_a_server_and_goes_on_once_it_is_there(
    dsn: str, unused_tcp_port: int, waiting_said: asyncio.Event, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(dsn)
    user = url.username or "postgres"
    here = f"postgresql://{user}:{url.password or 's3cret'}@127.0.0.1:{unused_tcp_port}{url.path}"

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(url.hostname, url.port)
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            target.write(piece)
        target.close()

    waiting = asyncio.create_task(wait_for_database(here, timeout_seconds=30))
    await waiting_said.wait()
    async with await asyncio.start_server(forward, "127.0.0.1", unused_tcp_port):
        await waiting
    assert f"127.0.0.1:{unused_tcp_port}{url.path}" in caplog.text
    assert (url.password or "s3cret") not in caplog.text


async def test_it_waits_for_a_database_that_is_still_to_be_created(
    dsn: str, waiting_said: asyncio.Event
) -> None:
    with pytest.raises(TimeoutError):
        await wait_for_database(f"{dsn}_later", timeout_seconds=0.2)
    assert waiting_said.is_set()
