"""How much more replicas of a consumer do than one: standing, and while they come and go."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import asyncpg

from benchmarks.facts import SCHOOLS, fill, mixed
from benchmarks.measure import Bench
from benchmarks.scaling.replica import TABLES, WAIT_SECONDS, start
from benchmarks.scaling.result import Result
from deploy.embedded.supervisor import Child, Supervisor
from shared.messaging import cluster
from shared.settings import Settings

REPLICAS: Final = (1, 2, 4, 8)
PARTITIONS: Final = 24
BATCH: Final = 20
SETTLE_SECONDS: Final = 4.0
BETWEEN_CHANGES_SECONDS: Final = 30.0
CHANGING: Final = (4, 5, 4, 3)
"""How many run, one after the other and again: one comes, one goes, one goes, one comes."""
MARGIN: Final = 1.5
"""More events than can be taken, since keys do not fall evenly on partitions."""

STANDING: Final = 0.9
WHILE_CHANGING: Final = 0.7


async def standing(bench: Bench, seconds: float, say: Callable[[str], None]) -> list[Result]:
    """Rates of so many replicas, each beside one replica times their number."""
    rates: dict[int, float] = {}
    for many in REPLICAS:
        async with _group(bench, many * (seconds + 60)) as group:
            for _ in range(many):
                group.start()
            await group.until_all_take()
            rates[many] = await group.rate(seconds)
            await group.once_each()
        say(f"{many} replicas: {rates[many]:.1f} events/s")
    return [
        Result(f"{many} replicas, events/s", rates[many], rates[1] * many, STANDING)
        for many in REPLICAS
    ]


async def changing(
    bench: Bench, seconds: float, of_one: float, say: Callable[[str], None]
) -> Result:
    """What is taken while a replica comes or goes every so often, beside what each of them would
    take by itself from the moment it is started until it is told to go."""
    async with _group(bench, max(CHANGING) * seconds) as group:
        for _ in range(CHANGING[0]):
            group.start()
        await group.until_all_take()
        before, begun, replica_seconds = await group.taken(), time.monotonic(), 0.0
        for turn in count(1):
            since = time.monotonic()
            if (left := begun + seconds - since) < 1:
                break
            await asyncio.sleep(min(BETWEEN_CHANGES_SECONDS, left))
            replica_seconds += len(group.replicas) * (time.monotonic() - since)
            taken = await group.taken() - before
            running = f"{time.monotonic() - begun:.0f} s: {len(group.replicas)} replicas"
            say(f"{running}, {taken:,} events since the beginning")
            if len(group.replicas) < CHANGING[turn % len(CHANGING)]:
                group.start()
            else:
                group.leave()
        lasted = time.monotonic() - begun
        taken = await group.taken() - before
        await group.once_each()
    what = f"one comes or goes every {BETWEEN_CHANGES_SECONDS:.0f} s for {lasted:.0f} s, events/s"
    return Result(what, taken / lasted, of_one * replica_seconds / lasted, WHILE_CHANGING)


@asynccontextmanager
async def _group(bench: Bench, replica_seconds: float) -> AsyncIterator["Group"]:
    """A topic with events enough for so many replicas' seconds, and a database."""
    settings = Settings(
        kafka=bench.kafka, topic_prefix=f"s{uuid4().hex[:8]}.", batch_size=BATCH,
        partitions=PARTITIONS,
    )  # fmt: skip
    await cluster.create_topics(settings)
    events = int(MARGIN * replica_seconds / WAIT_SECONDS)
    schools = min(SCHOOLS, events)
    await fill(settings, mixed(schools, -(-events // schools)))
    with TemporaryDirectory(prefix="aspire-scaling-") as logs:
        async with bench.database("cpd") as pool, Supervisor(Path(logs)) as supervisor:
            await pool.execute(TABLES)
            yield Group(supervisor, settings, pool, await bench.dsn_of(pool))


@dataclass
class Group:
    """The replicas of a consumer; `replicas` are those that have not been told to go."""

    supervisor: Supervisor
    settings: Settings
    pool: asyncpg.Pool
    dsn: str
    replicas: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """One more."""
        self.replicas.append(start(self.supervisor, self.settings, self.dsn))

    def leave(self) -> None:
        """Tells the oldest to end what it has begun, and to go."""
        self.replicas.pop(0).ward.send(signal.SIGTERM)

    async def until_all_take(self) -> None:
        """Until each of them has taken something lately, and for a moment longer."""
        query = (
            "SELECT count(DISTINCT replica) FROM taken WHERE at > clock_timestamp() - $1::interval"
        )
        lately = timedelta(seconds=4 * BATCH * WAIT_SECONDS)
        async with asyncio.timeout(120):
            while await self.pool.fetchval(query, lately) != len(self.replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        await asyncio.sleep(SETTLE_SECONDS)

    async def rate(self, seconds: float) -> float:
        """Effects a second, from now on."""
        before, begun = await self.taken(), time.monotonic()
        await asyncio.sleep(seconds)
        return (await self.taken() - before) / (time.monotonic() - begun)

    async def taken(self) -> int:
        """Effects until now."""
        effects: int = await self.pool.fetchval("SELECT count(*) FROM taken")
        return effects

    async def once_each(self) -> None:
        """Raises where an event has had two effects, or one was passed over."""
        row = await self.pool.fetchrow(
            """
            SELECT coalesce(sum(effects - events), 0) AS twice,
                   coalesce(sum(last - events), 0) AS never
              FROM (SELECT count(*) AS effects, count(DISTINCT sequence) AS events,
                           max(sequence) AS last
                      FROM taken
                     GROUP BY key) AS key
            """
        )
        assert row is not None
        if row["twice"] or row["never"]:
            raise AssertionError(f"{row['twice']} events took effect twice, {row['never']} never")
