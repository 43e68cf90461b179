"""A round: start, prepare, load and faults, quiet, look."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from deploy.demo.register import write_register
from shared.clock import ProgrammeYear, SystemClock
from tests.chaos.checker import check
from tests.chaos.checker.consumers import behind
from tests.chaos.checker.evidence import Evidence, gather
from tests.chaos.checker.findings import Check
from tests.chaos.clients import Clients
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.platform import Platform, until_empty
from tests.chaos.storm import Storm

COMMANDS_A_SECOND = 8.0
KILLS_A_SECOND = 1.6
SECONDS_TO_CATCH_UP = 120.0
SCHOOLS = 60


@dataclass
class Round:
    """What is to be done, how far it is, and what came of it."""

    kills: int
    seed: int
    home: Path
    tell: Callable[[str], None] = lambda _: None
    """Is told of each phase."""
    killed: Callable[[], None] = lambda: None
    checks: list[Check] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)
    storm: Storm | None = None
    ledger: Ledger | None = None
    load: Load | None = None
    seconds_of_storm: float = 0.0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it came to its end and nothing was found."""
        return bool(self.checks) and not any(each.findings for each in self.checks)

    async def run(self) -> None:
        """Play it to its end; every process is ended then."""
        began = time.monotonic()
        random = Random(f"chaos {self.seed}")
        of_load, of_fleet, of_clients = (Random(random.random()) for _ in range(3))
        register = _register(self.home / "register.csv", self.seed)
        self.tell("starting Kafka, PostgreSQL and the services")
        with Ledger(self.home / "ledger.jsonl") as self.ledger:
            async with (
                Platform(self.home, of_fleet) as platform,
                Clients(platform, self.ledger, of_clients) as clients,
            ):
                self.load = Load(clients, self.ledger, of_load, register, COMMANDS_A_SECOND)
                self.tell("preparing the programme")
                await self.load.prepare()
                self.storm = Storm(platform, random, self.kills, KILLS_A_SECOND, self.killed)
                await self._storm(self.load, self.storm)
                await self._quiet(platform)
                self.tell("looking at what is left")
                await self._look(platform, clients)
        self.seconds = time.monotonic() - began

    async def _storm(self, load: Load, storm: Storm) -> None:
        self.tell("load and faults")
        began = time.monotonic()
        loading = asyncio.create_task(load.run())
        try:
            await storm.rage()
            self.seconds_of_storm = time.monotonic() - began
            self.tell("healing; the last commands")
            await storm.calm()
            loading.cancel()
            await load.end()
        finally:
            loading.cancel()
            await load.break_off()

    async def _quiet(self, platform: Platform) -> None:
        """Until everything is ready and has caught up; what has not is for the checker to say."""
        self.tell("waiting until everything is ready")
        late = Check("everything is ready and has caught up in time")
        self.checks.append(late)
        try:
            await platform.until_ready()
            self.tell("waiting until everything has caught up")

            async def left() -> list[str]:
                return behind(await gather(platform.urls, None))

            await until_empty(left, SECONDS_TO_CATCH_UP, "behind", pause=0.5)
        except TimeoutError as error:
            late.wrong(str(error))

    async def _look(self, platform: Platform, clients: Clients) -> None:
        self.evidence = await gather(platform.urls, {"bootstrap_servers": platform.kafka})
        year = str(ProgrammeYear.of(SystemClock().today()))
        self.evidence.reports[year] = await clients.get("reporting", f"/reports/{year}")
        assert self.ledger is not None
        self.checks += check(
            self.evidence, self.ledger.commands, platform.fleet.ended_by_themselves
        )


def _register(path: Path, seed: int) -> bytes:
    write_register(path, seed, SCHOOLS)
    return path.read_bytes()
