"""Where the new answers are made: a schema of the service's own database, with tables of its own.

It has the kernel's tables, too, so the same batches and effects fill it. Its connections see
nothing but it: one that wakes up late finds no table, rather than the old answers'.
"""

import hashlib
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import asyncpg

from shared.database import create_pool, migrations_of
from shared.database.migrations import apply
from shared.messaging.connections import acquire
from shared.rebuilding.refusal import CannotRebuild
from shared.service import Service
from shared.settings import Settings

SCHEMA: Final = "rebuild"


@dataclass(frozen=True, kw_only=True)
class Area:
    """`live` is the schema of the old answers; the others name what changes places.

    `release` stands for the code that fills it.
    """

    release: str
    live: str
    tables: list[str]
    views: list[str]
    functions: list[str]


async def prepare(connection: asyncpg.Connection, service: Service, *, anew: bool) -> Area:
    """The area as an earlier run of the same code left it, or a new one.

    Raises:
        CannotRebuild: the service's database is not what its migrations make.
    """
    live = await connection.fetchval("SELECT quote_ident(current_schema())")
    await _check_migrated(connection, service)
    release = release_of(service.package)
    comment = await connection.fetchval(
        "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA
    )
    found = json.loads(comment or "{}")
    if found.get("release") == release and not anew:
        return Area(**found)
    try:
        async with connection.transaction():
            return await _make(connection, service, live, release)
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotRebuild(
            f"The role of {service.name} may not make the schema “{SCHEMA}” in its database "
            f"({error}): GRANT CREATE ON DATABASE to it."
        ) from error


async def _make(connection: asyncpg.Connection, service: Service, live: str, release: str) -> Area:
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    await connection.execute(f"CREATE SCHEMA {SCHEMA}")
    await connection.execute(f"SET LOCAL search_path = {SCHEMA}")
    own = f"{service.package.rpartition('.')[2]}/"
    migrations = migrations_of(service.package)
    await apply(connection, [each for each in migrations if not each.name.startswith(own)])
    shared = {
        *await _relations(connection, "r"),
        *await _relations(connection, "v"),
        *await _functions(connection),
    }
    await apply(connection, migrations)
    area = Area(
        release=release,
        live=live,
        tables=[name for name in await _relations(connection, "r") if name not in shared],
        views=[name for name in await _relations(connection, "v") if name not in shared],
        functions=[name for name in await _functions(connection) if name not in shared],
    )
    # An operator's decisions hold here, too, those still to come included. What is parked in the
    # old answers fails for its data, however many keys it is of: the kernel need not stop for it.
    await connection.execute(
        f"""
        DROP TABLE discarded;
        CREATE VIEW discarded AS SELECT * FROM {live}.discarded;
        INSERT INTO stop (part, reason, resumed_at)
        SELECT DISTINCT 'consumer', failure, 'infinity'::timestamptz
          FROM {live}.parked
         WHERE key IS NOT NULL;
        """
    )
    written = await connection.fetchval("SELECT quote_literal($1::text)", json.dumps(asdict(area)))
    await connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS {written}")
    return area


@asynccontextmanager
async def working_in(dsn: str, settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Connections that see the area only.

    Raises:
        CannotRebuild: something between here and PostgreSQL does not pass that on.
    """
    pool = await create_pool(
        dsn,
        "aspire rebuild",
        max_size=2,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        transaction_timeout_seconds=settings.transaction_timeout_seconds,
        schema=SCHEMA,
    )
    try:
        async with acquire(pool) as connection:
            if await connection.fetchval("SELECT current_schemas(false)") != [SCHEMA]:
                raise CannotRebuild(
                    "The connection does not take its search_path: a rebuild needs one to "
                    "PostgreSQL itself, not through a pooler."
                )
        yield pool
    finally:
        await pool.close()


async def check_unchanged(connection: asyncpg.Connection, area: Area) -> None:
    """Sees that the old tables are still what the new ones were made after.

    Raises:
        CannotRebuild: a migration ran meanwhile.
    """
    other = await connection.fetch(
        f"""
        (SELECT name, sha256 FROM {area.live}.migration
         EXCEPT SELECT name, sha256 FROM {SCHEMA}.migration)
        UNION ALL
        (SELECT name, sha256 FROM {SCHEMA}.migration
         EXCEPT SELECT name, sha256 FROM {area.live}.migration)
        """
    )
    if other:
        names = ", ".join(sorted({row["name"] for row in other}))
        raise CannotRebuild(
            f"The database was migrated meanwhile ({names}): run it again, with that release."
        )


def release_of(package: str) -> str:
    """A sum over the code that says what the answers are: the service's and what it stands on."""
    total = hashlib.sha256()
    for path in _files(package, "shared"):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def _files(*packages: str) -> Iterator[Path]:
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            for ending in ("*.py", "*.sql"):
                yield from sorted(Path(folder).rglob(ending))


async def _check_migrated(connection: asyncpg.Connection, service: Service) -> None:
    ran = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
    if missing := {each.name for each in migrations_of(service.package)} - ran:
        raise CannotRebuild(
            f"The database of {service.name} lacks {', '.join(sorted(missing))}: "
            "run `aspire migrate` first."
        )


async def _relations(connection: asyncpg.Connection, kind: str) -> list[str]:
    rows = await connection.fetch(
        """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace($1)
           AND relkind = $2::"char"
         ORDER BY relname
        """,
        SCHEMA,
        kind.encode(),
    )
    return [row["relname"] for row in rows]


async def _functions(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace($1) ORDER BY proname",
        SCHEMA,
    )
    return [row["proname"] for row in rows]
