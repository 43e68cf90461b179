"""Faults at random: which, whom, when and how long follows from the seed."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

import asyncpg
import psutil

from deploy.embedded.trouble import NotReady
from tests.chaos.fleet import Replica
from tests.chaos.platform import SERVICES, SESSION_TIMEOUT_SECONDS, Platform
from tests.infra import EmbeddedServer

TOPICS = ("aspire.membership", "aspire.people", "aspire.scheduling", "aspire.cpd")
MOST_PARTITIONS = 8
SECONDS_BETWEEN_OUTAGES = 8.0
"""So long a server is left in peace after it has come back, or nothing would ever be done."""

STARTS = 3
"""Of a server: where the processors are busy with others, one may take longer than it should."""

Act = Callable[[], None]


class Storm:
    """Kills so many processes, with other faults between; then `calm` makes everything whole."""

    def __init__(
        self,
        platform: Platform,
        random: Random,
        kills: int,
        rate: float,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """`rate` is in kills a second; `told` is called after each."""
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._platform = platform
        self._random = random
        self._wanted = kills
        self._rate = rate
        self._told = told
        self._away: dict[str, float] = {}
        """Server → when it may be taken away again."""
        self._healing: list[asyncio.Future[None]] = []
        self._partitions: Counter[str] = Counter()
        self._diary = (platform.home / "storm.log").open("w", buffering=1)

    async def rage(self) -> None:
        """Until the last kill is done."""
        kills: dict[Act, float] = {
            self._kill_replica: 100,
            self._kill_kafka: 2,
            self._kill_postgres: 3,
            self._kill_backend: 4,
        }
        others: dict[Act, float] = {
            self._stop_replica: 30,
            self._stop_server: 4,
            self._spoil_link: 40,
            self._change_replicas: 8,
            self._add_partition: 6,
        }
        while self.kills.total() < self._wanted:
            await asyncio.sleep(self._random.expovariate(self._rate * 1.4))
            acts = kills if self._random.random() < 1 / 1.4 else others
            [act] = self._random.choices(list(acts), list(acts.values()))
            act()

    async def calm(self) -> None:
        """Everything runs, nothing is stopped, links are sound."""
        await asyncio.gather(*self._healing)
        self._note("calm")
        for replica in self._platform.fleet.replicas:
            if replica.stopped:
                self._platform.fleet.go_on(replica)
        self._platform.links.heal()

    def _kill_replica(self) -> None:
        living = [each for each in self._platform.fleet.replicas if each.alive]
        if living:
            replica = self._random.choice(living)
            self._platform.fleet.kill(replica)
            self._killed(replica.kind, replica.name)

    def _kill_kafka(self) -> None:
        self._take_away("kafka", self._platform.broker)

    def _kill_postgres(self) -> None:
        self._take_away("postgres", self._platform.database)

    def _take_away(self, name: str, server: EmbeddedServer) -> None:
        if not self._may_take_away(name):
            return
        self._killed(name)
        pause = self._random.uniform(0.1, 2)

        async def bring_back() -> None:
            await server.kill()
            await asyncio.sleep(pause)
            await _start(server)
            self._is_back(name)

        self._later(bring_back())

    def _kill_backend(self) -> None:
        """One of PostgreSQL's processes; it then throws out everybody and recovers."""
        if not self._may_take_away("postgres"):
            return

        async def kill() -> None:
            try:
                backend = self._random.choice(await self._backends())
                psutil.Process(backend).kill()
            except (OSError, asyncpg.PostgresError, TimeoutError, IndexError, psutil.Error):
                pass  # it was busy otherwise
            else:
                self._killed("postgres backend", str(backend))
            self._is_back("postgres")

        self._later(kill())

    async def _backends(self) -> list[int]:
        connection = await asyncpg.connect(self._platform.admin_url, timeout=3)
        try:
            rows = await connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE datname = ANY ($1)", list(SERVICES)
            )
        finally:
            await connection.close()
        return [row["pid"] for row in rows]

    def _stop_replica(self) -> None:
        """A zombie: it sleeps over its session's end, and believes that nothing has happened."""
        living = [r for r in self._platform.fleet.replicas if r.alive and not r.stopped]
        if not living:
            return
        replica = self._random.choice(living)
        seconds = self._random.uniform(1.2, 3) * SESSION_TIMEOUT_SECONDS
        self._platform.fleet.stop(replica)
        self._spoiled(
            "process stopped, and woken after its session", f"{replica.name} {seconds:.1f} s"
        )
        self._later(self._wake(replica, seconds))

    async def _wake(self, replica: Replica, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if replica.stopped:
            self._platform.fleet.go_on(replica)

    def _stop_server(self) -> None:
        name, server = self._random.choice(
            (("kafka", self._platform.broker), ("postgres", self._platform.database))
        )
        if not self._may_take_away(name):
            return
        seconds = self._random.uniform(0.5, 4)
        self._spoiled(f"{name} stopped, and woken", f"{seconds:.1f} s")

        async def sleep() -> None:
            await server.pause()
            await asyncio.sleep(seconds)
            await server.resume()
            self._is_back(name)

        self._later(sleep())

    def _spoil_link(self) -> None:
        links = self._platform.links
        name = self._random.choice(list(links))
        service, server = name
        how = self._random.choice(("cut", "half-open", "refused", "slow", "held"))
        self._spoiled(f"connections to {server}: {how}", service)
        match how:
            case "cut":
                links.spoil(name, "cut")
                return
            case "half-open":
                links.spoil(name, "half_open")
                return
            case "refused":
                links.spoil(name, "refuse")
            case "slow":
                links.spoil(name, "slow", self._random.uniform(0.02, 0.3))
            case "held":
                links.spoil(name, "hold")
        seconds = self._random.uniform(0.5, 3 * SESSION_TIMEOUT_SECONDS)
        cuts = how == "held" and self._random.random() < 0.5

        async def heal() -> None:
            await asyncio.sleep(seconds)
            if cuts:
                links.spoil(name, "cut")
            links.spoil(name, "heal")

        self._later(heal())

    def _change_replicas(self) -> None:
        """One more of a part, or one less where there are two others."""
        fleet = self._platform.fleet
        service, part = self._random.choice(
            [(each.service, each.part) for each in fleet.replicas if each.part is not None]
        )
        alike = [each for each in fleet.replicas if (each.service, each.part) == (service, part)]
        if len(alike) < 2:
            self._spoiled("replica added", self._platform.add(service, part).name)
        else:
            replica = self._random.choice(alike)
            self._spoiled("replica removed", replica.name)
            if replica.stopped:
                fleet.go_on(replica)
            self._later(fleet.remove(replica))

    def _add_partition(self) -> None:
        topic = self._random.choice(TOPICS)
        if self._partitions[topic] >= MOST_PARTITIONS or not self._may_take_away("kafka"):
            return

        async def add() -> None:
            async with asyncio.timeout(30):
                self._partitions[topic] = await self._platform.add_partition(topic)
            self._spoiled("partition added", topic)
            self._is_back("kafka")

        self._later(add())

    def _may_take_away(self, server: str) -> bool:
        """Whether it is there and has been for a while; then it is taken until `_is_back`."""
        now = asyncio.get_running_loop().time()
        if now < self._away.get(server, 0):
            return False
        self._away[server] = float("inf")
        return True

    def _is_back(self, server: str) -> None:
        now = asyncio.get_running_loop().time()
        self._away[server] = now + SECONDS_BETWEEN_OUTAGES
        self._note(f"{server} is there")

    def _killed(self, kind: str, whom: str = "") -> None:
        self.kills[kind] += 1
        self._note(f"kill {kind} {whom}")
        self._told()

    def _spoiled(self, kind: str, whom: str) -> None:
        self.faults[kind] += 1
        self._note(f"{kind} {whom}")

    def _note(self, what: str) -> None:
        self._diary.write(f"{time.strftime('%H:%M:%S')} {what}\n")

    def _later(self, work: Awaitable[None]) -> None:
        self._healing.append(asyncio.ensure_future(work))


async def _start(server: EmbeddedServer) -> None:
    for attempt in range(1, STARTS + 1):
        try:
            await server.start()
        except NotReady:
            if attempt == STARTS:
                raise
            await server.kill()
        else:
            return
