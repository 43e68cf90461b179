"""A process's life: it says, relays and consumes events and operates, until all is done.

It can be ended at any of the kernel's fault points, and another life goes on where it ended. On
real servers a life is a child process, and its end is SIGKILL.
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import httpx
import uvloop

from shared.database import create_pool
from shared.messaging import Effects, Transaction, faults, parking
from shared.messaging.client import Client
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.relay import Relay
from shared.service import Running, load
from shared.settings import Settings
from tests.conformance.model.world import KEYS, PERSON, PUBLISHER, SERVICE, effects_of, said
from tests.kernel.flow import working

NETWORK = {"name": "North", "region": "London", "established_on": "2026-01-01"}


@dataclass(frozen=True)
class Life:
    """What a life is born with: its number, and the point at which it ends, if at one."""

    number: int
    dsn: str
    settings: Settings
    point: str | None = None

    @property
    def words(self) -> list[tuple[str, str]]:
        """What it says: what the life before may have left unsaid, and for each key some events,
        one of which the effects refuse."""
        before = Life(self.number - 1, self.dsn, self.settings).words if self.number else []
        return [
            *before,
            *(
                (str(key), f"used {self.number}.{n} of {key.int}")
                for n in range(3)
                for key in (*KEYS, PERSON)
            ),
            (str(KEYS[0]), f"poison {self.number}"),
            (str(KEYS[0]), f"used {self.number}.3"),
        ]


def live_as_a_process(life: Life) -> None:
    """Lives in this process, and kills it at the life's point."""
    _die_at(life.point)
    uvloop.run(live(life, Client()))


def take_a_command_as_a_process(life: Life, headers: dict[str, str]) -> None:
    """Membership's API in this process, which is killed at the point, is asked for a network."""
    _die_at(life.point)
    uvloop.run(_take_a_command(life, headers))


def _die_at(point: str | None) -> None:
    async def kill(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    faults.arm(kill)


async def _take_a_command(life: Life, headers: dict[str, str]) -> None:
    pool = await create_pool(life.dsn, "dies", max_size=4)
    running = Running(load("membership"), life.settings, pool, ("api",))
    transport = httpx.ASGITransport(running.app)
    async with (
        running.working(),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await client.post("/networks", json=NETWORK, headers=headers)


async def live(life: Life, client: Client) -> None:
    """Says what this life has to say, if it is not said, and works until nothing is left to do."""
    poison = {f"poison {number}" for number in range(life.number + 1)}
    effects = effects_of(poison)
    async with AsyncExitStack() as stack:
        pool = await create_pool(life.dsn, f"life {life.number}", max_size=6)
        stack.push_async_callback(pool.close)
        rows = await pool.fetch("SELECT payload ->> 'name' AS name FROM event")
        there = {row["name"] for row in rows}
        for key, name in life.words:
            if name not in there:
                await _say(pool, key, name)
        # A group of its own: the broker waits for a member that died. Where it goes on is in the
        # database.
        relay = Relay(PUBLISHER, pool, life.settings, client)
        group = f"{SERVICE}-{life.number}"
        consumer = Consumer(group, effects, pool, life.settings, relay.wake, client)
        await stack.enter_async_context(working(consumer))
        await stack.enter_async_context(working(relay))
        while not await _is_done(pool, effects):
            await asyncio.sleep(0.02)


async def _say(pool: asyncpg.Pool, key: str, name: str) -> None:
    async with acquire(pool) as connection, connection.transaction():
        transaction = Transaction(connection, "user:life")
        transaction.record(said(key, "used", name))
        await transaction.append()


async def _is_done(pool: asyncpg.Pool, effects: Effects) -> bool:
    """Discards what is poison and replays what it held up; whether that was all."""
    async with acquire(pool) as connection:
        for parked in await parking.parked(connection):
            shown = await parking.show(connection, parked.parked_id)
            if "poison" in (shown.value or ""):
                await parking.discard(pool, parked.parked_id, "user:ada", "poison")
            elif parked.key is not None:
                await parking.replay(pool, SERVICE, effects, parked.topic, parked.key, "user:ada")
            return False
        left = await connection.fetchval(
            """
            SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM set_aside)
                 + (SELECT count(*)
                      FROM stream AS s
                      LEFT JOIN inbox AS i USING (topic, key)
                     WHERE i.sequence IS DISTINCT FROM s.sequence)
            """
        )
    return not left
