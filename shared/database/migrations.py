"""Migrations: numbered SQL files, applied once each, in order, in a transaction each.

The files of the kernel come first, then those that every HTTP API needs, then the service's own.
Each list may grow on its own, so what is remembered is a set of files, not one version.
"""

import hashlib
import importlib.util
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

log = logging.getLogger(__name__)

SHARED: Final = ("shared.messaging", "shared.web")
_FILE_NAME: Final = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
_LOCK: Final = 4_711_202_627
"""The advisory lock under which replicas that start at once take turns."""

SETTINGS: Final = {
    "application_name": "aspire migrate",
    # Else the server goes on with a long statement of a run that was killed, and the next run waits
    # for it.
    "client_connection_check_interval": "1s",
}


class MigrationChanged(Exception):  # noqa: N818 - reads as a claim
    """A file is not what it was when it ran: change the database by a new file instead."""


@dataclass(frozen=True)
class Migration:
    """One file, known by its package's last name and its own: `membership/0001_schools.sql`."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(service_package: str) -> list[Migration]:
    """All files of a service such as `services.membership`, in the order in which they run.

    Raises ValueError where a file is misnamed, or numbers do not count 1, 2, 3.
    """
    return [
        migration for package in (*SHARED, service_package) for migration in _migrations_in(package)
    ]


async def migrate(dsn: str, service_package: str) -> list[str]:
    """Brings the database up to date; answers the names of the files that ran.

    Safe to run by every replica at its start: they take turns, and the second finds nothing to
    do. Files that ran but are gone from the code are left alone, so that old code goes on during
    a roll-out. Raises MigrationChanged.
    """
    connection = await asyncpg.connect(dsn, server_settings=SETTINGS)
    try:
        return await apply(connection, migrations_of(service_package))
    finally:
        await connection.close()


async def apply(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[str]:
    """Runs those of the migrations that have not run here."""
    await _create_table(connection)
    ran = []
    for migration in migrations:
        async with connection.transaction():
            await _take_turn(connection)
            known = await connection.fetchval(
                "SELECT sha256 FROM migration WHERE name = $1", migration.name
            )
            if known is None:
                # Without arguments: the simple protocol, which takes many statements at once.
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO migration (name, sha256) VALUES ($1, $2)",
                    migration.name,
                    migration.sha256,
                )
                ran.append(migration.name)
                log.info("Migration %s ran", migration.name)
            elif known != migration.sha256:
                raise MigrationChanged(
                    f"{migration.name} has been changed since it ran on this database. "
                    "Restore the file, and put the change into a new one with the next number."
                )
    return ran


async def _create_table(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
        return
    async with connection.transaction():
        await _take_turn(connection)
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS migration (
                name       text        PRIMARY KEY,
                sha256     text        NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )


async def _take_turn(connection: asyncpg.Connection) -> None:
    # Held until the transaction ends, so that it works behind a transaction pooler, too.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


def _migrations_in(package: str) -> Iterator[Migration]:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"There is no package {package} to take migrations from.")
    folder = Path(next(iter(spec.submodule_search_locations))) / "migrations"
    for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != expected:
            raise ValueError(
                f"{package}: the migration {path.name} should be named {expected:04d}_<what>.sql: "
                "numbers count from 0001 without a gap or a repetition."
            )
        yield Migration(f"{package.rpartition('.')[2]}/{path.name}", path.read_text("utf-8"))
