"""A process that dies at any point is followed by another, and every event has one effect."""

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import pytest

from shared.messaging import faults
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conformance import checks
from tests.conformance.conftest import Site
from tests.conformance.life import (
    NETWORK,
    Life,
    live,
    live_as_a_process,
    take_a_command_as_a_process,
)
from tests.conformance.model.world import LEDGER
from tests.conftest import Database, Start, eventually
from tests.kernel.topics import records_of

pytestmark = pytest.mark.bad_day

SECONDS_OF_A_LIFE = 60
POINTS = [each for each in faults.POINTS if each != "after_take_over_before_commit"]
"""A rebuild's take-over has its own test."""

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["tests.conformance.life"])


async def test_after_a_death_at_every_point_each_event_has_had_one_effect_in_its_order(
    site: Site, settings: Settings, database: Database
) -> None:
    dsn = await database("cpd")
    connection = await asyncpg.connect(dsn)
    await connection.execute(LEDGER)
    die = _held_and_cancelled(site) if site.broker else _killed
    lives = [Life(number, dsn, settings, point) for number, point in enumerate(POINTS)]
    for life in lives:
        await die(life)
    last = Life(len(lives), dsn, settings)
    async with asyncio.timeout(SECONDS_OF_A_LIFE):
        await live(last, site.client)
    seen = await checks.Seen.at(connection)
    await connection.close()
    names = [name for _, name in last.words]
    assert sorted(fact.name for fact in seen.journal if fact.name) == sorted(names)
    assert len(seen.discarded) == len(lives) + 1
    checks.effects_are_whole(seen)


@pytest.mark.parametrize(
    ("point", "kept"), [("after_append_before_commit", 0), ("after_commit_before_wake", 1)]
)
async def test_a_command_whose_process_dies_is_there_once_when_it_is_sent_again(
    point: str,
    kept: int,
    settings: Settings,
    topics: list[str],
    database: Database,
    issuer: LocalIssuer,
    start: Start,
) -> None:
    headers = {
        "Authorization": f"Bearer {issuer.issue('office', 'office-1')}",
        "Idempotency-Key": "once",
    }
    life = Life(0, await database("membership"), settings, point)
    await _killed(life, take_a_command_as_a_process, headers)
    async with start("membership", parts=("api", "relay"), dsn=life.dsn) as membership:
        assert len(await membership.journal()) == kept
        answer = await membership.client.post("/networks", json=NETWORK, headers=headers)
        assert answer.status_code == 201
        [event] = await membership.journal()
        assert event["key"] == answer.json()["network_id"]
        await eventually(lambda: _all_is_sent(membership.pool))
        [record] = await records_of(settings)
        assert record.key == event["key"].encode()


async def _all_is_sent(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM outbox")


async def _killed(
    life: Life, lives: Callable[..., None] = live_as_a_process, *given: object
) -> None:
    """Lives in a child process, which is ended by SIGKILL at the point."""
    process = forks.Process(target=lives, args=(life, *given), daemon=True)
    process.start()
    await asyncio.to_thread(process.join, SECONDS_OF_A_LIFE)
    assert process.exitcode == -signal.SIGKILL, f"{life.point} was not reached"


def _held_and_cancelled(site: Site) -> Callable[[Life], Awaitable[None]]:
    """Lives in this process; at the point it does nothing any more, and is cancelled."""

    async def die(life: Life) -> None:
        reached, dead = asyncio.Event(), asyncio.Event()

        async def hold(point: str) -> None:
            if point == life.point or reached.is_set():
                reached.set()
                await dead.wait()
                raise asyncio.CancelledError

        faults.arm(hold)
        task = asyncio.create_task(live(life, site.client))
        try:
            async with asyncio.timeout(SECONDS_OF_A_LIFE):
                await reached.wait()
        finally:
            task.cancel()
            dead.set()
            with suppress(asyncio.CancelledError):
                await task
            faults.arm(None)

    return die
