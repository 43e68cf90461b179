"""A replica of a consumer whose effects wait, as a process: `python -m benchmarks.scaling.replica`.

They wait rather than compute, so that a few cores can show what many replicas do side by side.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import asyncpg
import uvloop

from benchmarks.facts import HAPPENED
from deploy.embedded.supervisor import Child, Supervisor
from shared.database import create_pool
from shared.ending import end
from shared.events import Received
from shared.messaging import Effects
from shared.messaging.consumer import Consumer
from shared.service import WORKERS_CONNECTIONS
from shared.settings import Settings

WAIT_SECONDS: Final = 0.025
"""Of the effect of one event, in its transaction."""

TABLES: Final = """
CREATE TABLE taken (
    key      uuid   NOT NULL,
    sequence bigint NOT NULL,
    replica  int    NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX taken_at ON taken (at);
"""
"""A row for each effect; `replica` is the number of the process."""


def start(supervisor: Supervisor, settings: Settings, dsn: str) -> Child:
    """Starts one; it joins the others by itself."""
    arguments = settings.model_dump_json(), dsn
    name = f"replica-{next(_numbers)}"
    return supervisor.spawn(name, [sys.executable, "-m", "benchmarks.scaling.replica", *arguments])


_numbers = count(1)


def waiting_effects() -> Effects:
    """Each event waits, then leaves a row."""
    registered = Effects()

    async def apply(tx: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
        await tx.execute("SELECT pg_sleep($1)", WAIT_SECONDS * len(events))
        await tx.copy_records_to_table(
            "taken",
            records=[(each.data.school_id, each.sequence, os.getpid()) for each in events],
            columns=["key", "sequence", "replica"],
        )

    for kind in HAPPENED:
        registered.on(kind, runs=True)(apply)
    return registered


async def main(settings: Settings, dsn: str) -> None:
    """Consumes until SIGTERM."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    pool = await create_pool(dsn, "scaling", min_size=0, max_size=WORKERS_CONNECTIONS)
    working = asyncio.create_task(Consumer("cpd", waiting_effects(), pool, settings).run())
    await asked.wait()
    await end(working)
    await pool.close()


if __name__ == "__main__":
    uvloop.run(main(Settings(**json.loads(sys.argv[1])), sys.argv[2]))
