"""Migrating twice, at once, and killed half-way: what has begun is whole or not there."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest_asyncio

from shared.database import migrations_of
from shared.database.migrations import Migration
from shared.settings import Settings
from tests.conftest import database_url, eventually
from tests.infra import Infra

HALF = Migration(
    "test/0001_half.sql",
    "CREATE TABLE half (); SELECT pg_sleep(100) FROM brake; CREATE TABLE whole ();",
)
MIGRATE = """
import asyncio, sys
from shared.database import migrations
migrations.migrations_of = lambda _: [migrations.Migration(*sys.argv[2:])]
asyncio.run(migrations.migrate(sys.argv[1], "test"))
"""


@pytest_asyncio.fixture
async def empty(infra: Infra) -> AsyncIterator[str]:
    """The URL of a database without a table."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(infra.admin_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    yield database_url(infra.admin_dsn, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_two_commands_at_once_run_every_file_once(
    empty: str, settings: Settings, tmp_path: Path
) -> None:
    environment = os.environ | {
        "ASPIRE_HOME": str(tmp_path),
        "ASPIRE_KAFKA": settings.kafka,
        "ASPIRE_TOPIC_PREFIX": settings.topic_prefix,
        "ASPIRE_PARTITIONS": "1",
        "ASPIRE_CPD_DATABASE_URL": empty,
    }
    command = (sys.executable, "-m", "deploy.cli", "migrate", "cpd")
    pipe = asyncio.subprocess.PIPE
    running = [
        await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
        for _ in range(2)
    ]
    said = [b"".join(await each.communicate()).decode() for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    for migration in migrations_of("services.cpd"):
        assert sum(migration.name in each.replace("\n", "") for each in said) == 1, said


async def test_a_run_that_is_killed_half_way_leaves_nothing_and_holds_up_nobody(
    empty: str,
) -> None:
    arguments = (sys.executable, "-c", MIGRATE, empty, HALF.name, HALF.sql)
    database = await asyncpg.connect(empty)
    await database.execute("CREATE TABLE brake AS SELECT 1")
    killed = await asyncio.create_subprocess_exec(*arguments)

    async def sleeping() -> bool:
        asleep: bool = await database.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
        )
        return asleep

    await eventually(sleeping, what="the migration is half-way")
    killed.kill()
    await killed.wait()
    assert await database.fetchval("SELECT to_regclass('half')") is None
    await database.execute("DELETE FROM brake")
    again = await asyncio.create_subprocess_exec(*arguments)
    async with asyncio.timeout(30):
        assert await again.wait() == 0
    assert await database.fetchval("SELECT to_regclass('whole')") == "whole"
    assert await database.fetchval("SELECT array_agg(name) FROM migration") == [HALF.name]
    await database.close()
