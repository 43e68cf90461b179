"""The feeder: has what is due appended to the trusts' feeds.

One takes a turn at a time, whichever replica it works in. It is woken when the consumer has taken a
batch, and looks by itself otherwise.
"""

import logging
from contextlib import suppress
from typing import Final

import asyncpg

from services.integration.store import feeding
from shared.changes import Changes, wait
from shared.clock import Clock
from shared.messaging.connections import acquire
from shared.messaging.failures import AWAY
from shared.settings import Settings
from shared.telemetry import untraced

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""After which it looks although nobody told: another replica may have died before its turn."""
TOO_SLOW: Final = (asyncpg.QueryCanceledError, asyncpg.TransactionTimeoutError)
MOST: Final = 1000
"""Slices, or notes to look again, that a turn looks at; fewer where the time does not do."""


async def feed(pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes) -> None:  # noqa: ARG001
    """Until it is cancelled. What it has appended it tells by `changes`."""
    feeder = _Feeder(pool, changes)
    with untraced():
        while True:
            change = changes.next
            await feeder.feed()
            await wait(change, LOOK_SECONDS)


class _Feeder:
    def __init__(self, pool: asyncpg.Pool, changes: Changes) -> None:
        self._pool = pool
        self._changes = changes
        self._most = MOST
        self._trouble: str | None = None

    async def feed(self) -> None:
        """Takes turns until nothing is due, or the database has to be waited for."""
        try:
            async with acquire(self._pool) as connection:
                while await feeding.is_due(connection):
                    await self._take_turn(connection)
        except AWAY as error:
            if self._trouble != (trouble := f"{type(error).__name__}: {error}"):
                log.warning("Feeds wait for the database: %s", trouble)
            self._trouble = trouble
            if isinstance(error, TOO_SLOW):
                self._most = max(1, self._most // 2)
        else:
            self._trouble = None

    async def _take_turn(self, connection: asyncpg.Connection) -> None:
        with suppress(asyncpg.SerializationError):  # another feeder has just had a turn
            if await feeding.take_turn(connection, self._most):
                self._changes.tell()
            self._most = min(2 * self._most, MOST)
