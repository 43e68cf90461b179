"""What each process of a service says of itself in the service's database, so that any of them can
answer for all."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import BaseModel

FORGOTTEN_AFTER_SECONDS: Final = 120
"""In which an operator sees that a replica has fallen silent."""


class Says(BaseModel):
    """A process's own words. Rates are in events a second, ages and times in seconds, by topic."""

    host: str
    pid: int
    started_at: datetime
    parts: list[str]
    troubles: dict[str, str] = {}
    """Why a part does not do its work, by part."""
    sent: dict[str, float] = {}
    taken: dict[str, float] = {}
    age: dict[str, float] = {}
    """How old the oldest event of the last batch was when it took effect."""
    partitions: dict[str, int] = {}
    """How many of the topic's are its own."""
    lag: dict[str, int] = {}
    lag_seconds: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Replica:
    """A process, and for how long it has said nothing, in seconds."""

    says: Says
    silent: float


class Pace:
    """Makes rates of what is counted: since it was asked last, in events a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._before: Counter[str] = Counter()

    def of(self, counted: Counter[str]) -> dict[str, float]:
        """The rates by topic; `counted` only ever grows."""
        now, counts = self._clock(), Counter(counted)
        seconds = max(now - self._at, 0.001)
        rates = {topic: (n - self._before[topic]) / seconds for topic, n in counts.items()}
        self._at, self._before = now, counts
        return rates


async def tell(connection: asyncpg.Connection, replica_id: UUID, says: Says) -> None:
    """Keeps what a process says; those that said nothing for long are forgotten."""
    await connection.execute(
        """
        WITH gone AS (
            DELETE FROM replica WHERE told_at < now() - make_interval(secs => $3)
        )
        INSERT INTO replica (replica_id, says) VALUES ($1, $2)
        ON CONFLICT (replica_id) DO UPDATE SET told_at = now(), says = excluded.says
        """,
        replica_id, says.model_dump_json(), FORGOTTEN_AFTER_SECONDS,
    )  # fmt: skip


async def leave(connection: asyncpg.Connection, replica_id: UUID) -> None:
    """The process ends."""
    await connection.execute("DELETE FROM replica WHERE replica_id = $1", replica_id)


async def known(connection: asyncpg.Connection) -> Sequence[Replica]:
    """Those that have told something lately, the eldest first."""
    rows = await connection.fetch(
        """
        SELECT says, extract(epoch FROM clock_timestamp() - told_at)::float8 AS silent
          FROM replica
         WHERE told_at > now() - make_interval(secs => $1)
        """,
        FORGOTTEN_AFTER_SECONDS,
    )
    found = [
        Replica(Says.model_validate_json(row["says"]), max(0.0, row["silent"])) for row in rows
    ]
    return sorted(found, key=lambda each: (each.says.started_at, each.says.pid))
