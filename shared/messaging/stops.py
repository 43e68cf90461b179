"""Stops that the platform makes by itself, until an operator ends them with a reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

PARTS: Final = ("api", "relay", "consumer")
"""Of a service: each can run by itself, and be stopped by itself."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop in force: which part stands still, why, and since when."""

    part: str
    reason: str
    stopped_at: datetime


class Stopped(Exception):  # noqa: N818 - reads as what happened
    """A part was stopped, and an operator has not let it go on yet."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.reason)
        self.stop = stop


async def stop(connection: asyncpg.Connection, part: str, reason: str) -> None:
    """Stops a part; a stop that is in force already stays as it is."""
    await connection.execute(
        """
        INSERT INTO stop (part, reason) VALUES ($1, $2)
        ON CONFLICT (part) WHERE resumed_at IS NULL DO NOTHING
        """,
        part,
        reason,
    )


async def in_force(connection: asyncpg.Connection, part: str) -> Stop | None:
    """The part's stop, if it stands still."""
    row = await connection.fetchrow(
        "SELECT part, reason, stopped_at FROM stop WHERE part = $1 AND resumed_at IS NULL", part
    )
    return Stop(**row) if row else None


async def all_in_force(connection: asyncpg.Connection) -> list[Stop]:
    """The stops of all parts, the oldest first."""
    rows = await connection.fetch(
        "SELECT part, reason, stopped_at FROM stop WHERE resumed_at IS NULL ORDER BY stopped_at"
    )
    return [Stop(**row) for row in rows]


async def resume(connection: asyncpg.Connection, part: str, actor: str, because: str) -> bool:
    """Ends the part's stop; who did and why stays on record. False where nothing was stopped."""
    done = await connection.fetchval(
        """
        UPDATE stop
           SET resumed_at = now(), resumed_by = $2, resumed_because = $3
         WHERE part = $1 AND resumed_at IS NULL
        RETURNING true
        """,
        part,
        actor,
        because,
    )
    return bool(done)
