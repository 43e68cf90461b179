"""One measurement: what a piece of work took, and what its reference took in between."""

import gc
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psutil

from shared.database import create_pool, migrate
from shared.service import WORKERS_CONNECTIONS
from tests.conftest import trust
from tests.infra import Infra

COUNTING = {"shared_preload_libraries": "pg_stat_statements"}
"""What the server needs to count statements."""


@dataclass(slots=True)
class Spent:
    """What so many things took: seconds, CPU seconds, and counts that no clock can change."""

    things: int = 0
    seconds: float = 0.0
    client_cpu: float = 0.0
    postgres_cpu: float = 0.0
    statements: int = 0
    commits: int = 0
    wal_bytes: int = 0
    samples: list[float] = field(default_factory=list)
    """Milliseconds that each thing took, or megabytes, where that is what is measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """Ours beside a reference. `wanted` is the least ratio, or the most for what takes time.

    `limits` are the most that one thing may take of what no clock changes: they gate.
    """

    what: str
    unit: str
    reference: str
    wanted: float
    ours: list[Spent]
    theirs: list[Spent]
    limits: Mapping[str, float] = field(default_factory=dict)
    enough: float | None = None
    """With so little nobody asks for the ratio."""

    @property
    def less_is_better(self) -> bool:
        return not self.unit.endswith("/s")

    @property
    def reached(self) -> bool:
        ratio = round(self.ratio, 2)
        if self.enough is not None and self.value(self.ours) <= self.enough:
            return True
        return ratio <= self.wanted if self.less_is_better else ratio >= self.wanted

    @property
    def exceeded(self) -> list[str]:
        """The limits that are, in words."""
        counts = self.counts(self.ours)
        return [
            f"{self.what}: {counts[name]:.4g} {name} for each, at most {most:g} is allowed"
            for name, most in self.limits.items()
            if counts[name] > most
        ]

    def value(self, runs: list[Spent]) -> float:
        """The median over the runs: things a second."""
        return median(run.things / run.seconds for run in runs)

    @property
    def ratio(self) -> float:
        return self.value(self.ours) / self.value(self.theirs)

    def cpu(self, runs: list[Spent]) -> tuple[float, float]:
        """Seconds for 100,000 things: this process's and PostgreSQL's."""
        return (
            median(run.client_cpu / run.things for run in runs) * 1e5,
            median(run.postgres_cpu / run.things for run in runs) * 1e5,
        )

    def counts(self, runs: list[Spent]) -> dict[str, float]:
        """For each thing: statements, commits, bytes of PostgreSQL's log."""
        return {
            "statements": median(run.statements / run.things for run in runs),
            "commits": median(run.commits / run.things for run in runs),
            "wal_bytes": median(run.wal_bytes / run.things for run in runs),
        }


@dataclass(frozen=True, slots=True)
class Percentile(Row):
    """The median or the hundredth of the samples: less is better."""

    percent: int = 50

    def value(self, runs: list[Spent]) -> float:
        found = []
        for run in runs:
            ordered = sorted(run.samples)
            found.append(ordered[min(len(ordered) - 1, len(ordered) * self.percent // 100)])
        return median(found)


Work = Callable[[], Awaitable[Spent]]


class Bench:
    """The servers, and the meters read before and after a piece of work."""

    def __init__(
        self,
        infra: Infra,
        admin: asyncpg.Connection,
        runs: int = 5,
        events: int = 240_000,
        growth: int = 1_000_000,
    ) -> None:
        self.kafka = infra.kafka
        self.dsn = infra.admin_dsn
        self.runs = runs
        self.events = events
        self.growth = growth
        self._infra = infra
        self._admin = admin
        self._templates: dict[str, str] = {}

    async def alternate(self, *works: Work) -> list[list[Spent]]:
        """Does each piece of work in turn, and again; answers each one's runs."""
        spent: list[list[Spent]] = [[] for _ in works]
        for _ in range(self.runs):
            for work, of in zip(works, spent, strict=True):
                of.append(await work())
        return spent

    @contextmanager
    def _clocks(self, spent: Spent) -> Iterator[None]:
        gc.collect()
        own, server, begun = own_cpu(), self._postgres_cpu(), time.perf_counter()
        yield
        spent.seconds = time.perf_counter() - begun
        spent.client_cpu = own_cpu() - own
        spent.postgres_cpu = self._postgres_cpu() - server

    @asynccontextmanager
    async def measured(self, things: int) -> AsyncIterator[Spent]:
        """What is done inside is what `things` things took."""
        spent = Spent(things)
        before = await self._counters()
        with self._clocks(spent):
            yield spent
        after = await self._counters()
        spent.statements, spent.commits, spent.wal_bytes = (
            int(a - b) for a, b in zip(after, before, strict=True)
        )

    async def _counters(self) -> tuple[int, int, int]:
        row = await self._admin.fetchrow(
            """
            SELECT (SELECT coalesce(sum(s.calls), 0)
                      FROM pg_stat_statements AS s
                      JOIN pg_database AS d ON d.oid = s.dbid
                     WHERE d.datname LIKE 'bench%' AND s.toplevel),
                   (SELECT coalesce(sum(s.calls), 0)
                      FROM pg_stat_statements AS s
                      JOIN pg_database AS d ON d.oid = s.dbid
                     WHERE d.datname LIKE 'bench%' AND s.query = 'COMMIT'),
                   pg_current_wal_insert_lsn() - '0/0'
            """
        )
        assert row is not None
        return tuple(row)

    def _postgres_cpu(self) -> float:
        """Of the server and its children, those that have ended too; 0 in a container."""
        pid = getattr(self._infra.postgres, "pid", None)
        if pid is None:
            return 0.0
        server = psutil.Process(pid)
        ended = server.cpu_times()
        total: float = sum(ended[:4])
        for child in server.children():
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return total

    @asynccontextmanager
    async def database(self, service: str, max_size: int = 8) -> AsyncIterator[asyncpg.Pool]:
        """A pool of a fresh, migrated database of a service."""
        name = f"bench_{uuid4().hex[:10]}"
        if service not in self._templates:
            self._templates[service] = f"template_{service}"
            await self._admin.execute(f"CREATE DATABASE template_{service}")
            await migrate(self._dsn(f"template_{service}"), f"services.{service}")
            await trust(self._dsn(f"template_{service}"))
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {self._templates[service]}")
        pool = await create_pool(self._dsn(name), "bench", max_size=max_size)
        try:
            yield pool
        finally:
            await pool.close()
            await self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def workers(self, pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Pool]:
        """More connections to a pool's database, as a service has them for relay and consumer."""
        dsn = await self.dsn_of(pool)
        workers = await create_pool(dsn, "bench", max_size=WORKERS_CONNECTIONS)
        try:
            yield workers
        finally:
            await workers.close()

    async def dsn_of(self, pool: asyncpg.Pool) -> str:
        return self._dsn(await pool.fetchval("SELECT current_database()"))

    def _dsn(self, name: str) -> str:
        return urlunsplit(urlsplit(self._infra.admin_dsn)._replace(path=f"/{name}"))


def own_cpu() -> float:
    """CPU seconds of this process until now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
