"""The rebuild as a whole: read, compare at the same inbox, take over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import asyncpg

from shared.messaging import parking
from shared.messaging.client import Client
from shared.messaging.connections import acquire
from shared.messaging.parking import NothingParked
from shared.rebuilding.area import SCHEMA, Area, check_unchanged, prepare, working_in
from shared.rebuilding.differences import Difference, differences
from shared.rebuilding.follow import REPUBLISH, Ends, Follower, Tell, follower
from shared.rebuilding.refusal import CannotRebuild
from shared.rebuilding.take_over import take_over
from shared.service import Service
from shared.settings import Settings

_LOCK: Final = 4_711_202_628
"""The advisory lock of the one rebuild that there can be in a database."""
LOCK_SECONDS: Final = 3
"""PostgreSQL takes that long at most to see that the process that held the lock is dead."""
ACTOR: Final = "rebuild"
"""Who replays beside the old answers; the record of that goes with the schema."""

ROUNDS: Final = 10
"""After so many, what came in the meantime is read while the service's consumers wait."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. Not `taken_over`, the old answers go on, and the new ones are kept."""

    records: int
    differences: Sequence[Difference]
    taken_over: bool


async def rebuild(
    service: Service,
    connection: asyncpg.Connection,
    dsn: str,
    settings: Settings,
    *,
    actor: str,
    accepted_because: str | None = None,
    anew: bool = False,
    tell: Tell = lambda _done, _of: None,
    comparing: Callable[[], None] = lambda: None,
    client: Client | None = None,
) -> Rebuilt:
    """Makes a service's answers anew, and has them take over where they are the same.

    Broken off at any point, it goes on there when it is run again, unless the code has changed.

    Args:
        connection: to the service's database, for as long as it takes.
        accepted_because: why the new answers take over although they differ.
        anew: begin again, even where an earlier run can be gone on with.
        tell: is told how many records have been read, and of how many.
        comparing: is called when all are read.

    Raises:
        CannotRebuild: not of this service, or not now; the message says the way out.
        Exception: Kafka or the database is away; run it again.
    """
    check_rebuildable(service)
    # So that PostgreSQL lets go of our locks at once where this process dies in a statement.
    await connection.execute("SET client_connection_check_interval = '1s'")
    await connection.execute("SET statement_timeout = 0")
    async with _alone(connection, service):
        area = await prepare(connection, service, anew=anew)
        async with (
            working_in(dsn, settings) as pool,
            follower(service, pool, settings, tell, client or Client()) as following,
        ):
            rebuilding = _Rebuilding(service, connection, pool, following, area)
            await rebuilding.catch_up(settings.batch_size)
            async with connection.transaction():
                await rebuilding.compare_at_one_inbox(comparing)
                return await rebuilding.decide(actor, accepted_because)


def check_rebuildable(service: Service) -> None:
    """Raises CannotRebuild where a service's rows are not a function of the log."""
    if service.publishes:
        raise CannotRebuild(
            f"{service.name} decides: its rows are its own and in no log, so they cannot be "
            "rebuilt from one. Only a service that publishes nothing can be, as reporting."
        )


@asynccontextmanager
async def _alone(connection: asyncpg.Connection, service: Service) -> AsyncIterator[None]:
    for _ in range(LOCK_SECONDS * 10):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            break
        await asyncio.sleep(0.1)
    else:
        raise CannotRebuild(f"Another rebuild of {service.name} is running. Wait until it ends.")
    try:
        yield
    finally:
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})")


@dataclass(slots=True)
class _Rebuilding:
    service: Service
    connection: asyncpg.Connection
    pool: asyncpg.Pool
    follower: Follower
    area: Area
    records: int = 0
    differences: Sequence[Difference] = ()

    async def catch_up(self, little: int) -> None:
        """Reads until only a little can have come in the meantime."""
        for _ in range(ROUNDS):
            taken = await self.follower.follow(await _ends(self.connection, self.area.live))
            self.records += taken
            if taken <= little:
                break
        # The first answers of the new tables must not be slow for want of statistics.
        tables = [f"{SCHEMA}.{name}" for name in (*self.area.tables, "inbox")]
        await self.connection.execute(f"ANALYZE {', '.join(tables)}")

    async def compare_at_one_inbox(self, comparing: Callable[[], None]) -> None:
        """From here to the end of the transaction the service's consumers wait before they claim.

        Whoever reads the old answers goes on. PostgreSQL ends it where this process stands still.
        """
        await self.connection.execute(
            f"""
            SET LOCAL idle_in_transaction_session_timeout = '60s';
            SET LOCAL transaction_timeout = 0;
            LOCK TABLE {self.area.live}.inbox IN EXCLUSIVE MODE;
            """
        )
        ends = await _ends(self.connection, self.area.live)
        self.records += await self.follower.follow(ends)
        comparing()
        await _keep_to_decisions(self.pool, self.service)
        await check_unchanged(self.connection, self.area)
        await self._check_same_inbox(ends)
        self.differences = await differences(self.connection, self.pool, self.area, self.service)

    async def _check_same_inbox(self, ends: Ends) -> None:
        """Sees that the new answers are made of everything that the old ones are."""
        if await _ends(self.connection, SCHEMA) != ends:
            raise CannotRebuild(
                f"{self.service.name} reads Kafka again from an earlier place than it had come to. "
                "Run this again when it has caught up."
            )
        lacking = await self.connection.fetchrow(
            f"""
            SELECT o.topic, o.key, o.sequence, coalesce(n.sequence, 0) AS found,
                   count(*) OVER () AS keys
              FROM {self.area.live}.inbox AS o
              LEFT JOIN {SCHEMA}.inbox AS n USING (topic, key)
             WHERE o.sequence > coalesce(n.sequence, 0)
             ORDER BY topic, key
             LIMIT 1
            """
        )
        if lacking:
            raise CannotRebuild(
                f"{REPUBLISH.format(service=self.service.name)}: events of {lacking['keys']} keys "
                f"are missing, as of {lacking['key']} on {lacking['topic']}, where sequence "
                f"{lacking['found'] + 1} does not come and {lacking['sequence']} was read."
            )

    async def decide(self, actor: str, because: str | None) -> Rebuilt:
        """Takes over where nothing differs, or where that is accepted."""
        if self.differences and because is None:
            return Rebuilt(self.records, self.differences, taken_over=False)
        because = because if self.differences else None
        await take_over(self.connection, self.area, self.differences, actor, because)
        return Rebuilt(self.records, self.differences, taken_over=True)


async def _ends(connection: asyncpg.Connection, schema: str) -> Ends:
    """Where a consumer has come in each partition."""
    rows = await connection.fetch(
        f'SELECT topic, partition, "offset", event_id FROM {schema}.position'
    )
    return {(row["topic"], row["partition"]): (row["offset"], row["event_id"]) for row in rows}


async def _keep_to_decisions(pool: asyncpg.Pool, service: Service) -> None:
    """Does without what was discarded after it had been parked here, and goes on with its key."""
    async with acquire(pool) as connection:
        keys = await connection.fetch(
            """
            WITH dropped AS (
                DELETE FROM parked AS p
                 USING discarded AS d
                 WHERE (p.topic, p.key, p.sequence) = (d.topic, d.key, d.sequence)
                   AND p.event_id IS NOT DISTINCT FROM d.event_id
                RETURNING p.topic, p.key
            )
            SELECT DISTINCT topic, key FROM dropped
            """
        )
    for key in keys:
        with suppress(NothingParked):
            await parking.replay(
                pool, service.name, service.effects, key["topic"], key["key"], ACTOR
            )
