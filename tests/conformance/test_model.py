"""Any order of steps of commands, relays, consumers, operators and faults keeps every promise.

`make model STEPS=… SEED=…` makes more of them; the seeds are in the tests' names.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.database import migrate
from shared.settings import Settings
from tests.conformance.model.actors import Connection, no_reset
from tests.conformance.model.machine import Kernel
from tests.conformance.model.world import LEDGER, SERVICE, World
from tests.conftest import database_url, trust
from tests.infra import Infra

STEPS = int(os.environ.get("ASPIRE_MODEL_STEPS", "100"))
SEED = int(os.environ.get("ASPIRE_MODEL_SEED", "1"))
LANES = [SEED, SEED + 1_000_000]
"""Seeds of runs that may be made side by side; each makes its part of the steps."""
STEPS_OF_A_RUN = 50

DATABASE = {
    "synchronous_commit": "off",
    "deadlock_timeout": "20ms",
    "timezone": "UTC",
}


@pytest.fixture
def kernel(infra: Infra, tmp_path: Path) -> Iterator[type[Kernel]]:
    """The machine on a database of its own, in a loop of its own: its rules are not coroutines."""
    # What the kernel says of faults that were meant would hide the trace.
    logging.disable()
    with asyncio.Runner() as loop:
        database = loop.run(_open(infra))
        Kernel.loop, Kernel.steps = loop, 0
        Kernel.begin = partial(_begin, *database, tmp_path)
        yield Kernel
        for each in database:
            loop.run(each.close())
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", LANES, ids=lambda number: f"seed {number}")
def test_every_promise_holds_in_any_order_of_steps(kernel: type[Kernel], number: int) -> None:
    steps = -(-STEPS // len(LANES))
    while (left := steps - kernel.steps) > 0:
        runs = settings(
            max_examples=-(-left // STEPS_OF_A_RUN),
            stateful_step_count=STEPS_OF_A_RUN,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        try:
            run_state_machine_as_test(seed(number)(kernel), settings=runs)
        except BaseException as error:
            error.add_note(f"`make model SEED={number} STEPS={left * len(LANES)}` repeats it.")
            raise
        number += 1
    print(f"{kernel.steps} steps")  # noqa: T201


async def _open(infra: Infra) -> tuple[asyncpg.Pool, asyncpg.Connection]:
    name = f"model_{uuid4().hex[:12]}"
    dsn = database_url(infra.admin_dsn, name)
    connection = await asyncpg.connect(infra.admin_dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await migrate(dsn, f"services.{SERVICE}")
    await trust(dsn)
    pool = await asyncpg.create_pool(
        dsn,
        min_size=4,
        max_size=24,
        connection_class=Connection,
        reset=no_reset,
        server_settings=DATABASE,
    )
    watching = await asyncpg.connect(dsn, server_settings=DATABASE)
    await watching.execute(LEDGER)
    return pool, watching


async def _begin(pool: asyncpg.Pool, watching: asyncpg.Connection, home: Path) -> World:
    world = World(
        pool,
        watching,
        Settings(home=home, batch_size=3, relay_batch=4, consumer_retry_seconds=0.001),
    )
    await world.fresh()
    return world
