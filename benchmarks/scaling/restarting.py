"""A rolling restart of every service under load, as a client sees it that sends once more.

The client knows the addresses of both replicas of a service. Where one does not answer it sends the
same request, with the same Idempotency-Key, to the other, and no third time.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from deploy.cli.starting import start
from deploy.demo.register import write_register
from deploy.embedded.instance import SERVICES, Instance
from deploy.embedded.replicas import replicas_among
from deploy.embedded.state import ChildState, InstanceState
from shared.clock import ProgrammeYear, SystemClock
from shared.messaging import security
from shared.web import LocalIssuer
from tests.chaos.checker import check
from tests.chaos.checker.consumers import behind
from tests.chaos.checker.evidence import gather
from tests.chaos.clients import Clients, noted, outcome
from tests.chaos.ledger import Command, Ledger
from tests.chaos.load import Load
from tests.chaos.platform import until_empty
from tests.chaos.witness import attach_witness

REPLICAS: Final = 2
COMMANDS_A_SECOND: Final = 10.0
SECONDS_TO_ANSWER: Final = 20.0
SECONDS_TO_RESTART: Final = 120.0
SECONDS_TO_CATCH_UP: Final = 120.0
SCHOOLS: Final = 60
SEED: Final = 5


@dataclass
class Restarted:
    """What came of it."""

    replicas: int = 0
    """How many were restarted, one after the other."""
    seconds: float = 0.0
    commands: int = 0
    sent_again: int = 0
    errors: list[str] = field(default_factory=list)
    """Commands that were not answered the second time either."""
    differences: list[str] = field(default_factory=list)
    """Between ledger, journals, topics, effects and the report: lost, doubled, out of order."""
    longest_seconds: float = 0.0
    """That a client waited for an answer, the second attempt included."""

    @property
    def reached(self) -> bool:
        return self.commands > 0 and not self.errors and not self.differences

    def written(self) -> dict[str, Any]:
        """For the JSON file."""
        return vars(self) | {"commands_a_second": COMMANDS_A_SECOND, "reached": self.reached}


class Addresses:
    """Where the replicas of an instance are, as its clients have been told."""

    def __init__(self, instance: Instance) -> None:
        self.issuer = LocalIssuer(instance.home / "issuer")
        self._instance = instance

    def apis(self, service: str) -> list[str]:
        """All of a service's, whether they answer just now or not."""
        found = self._instance.addresses()
        return [found[name] for name in replicas_among(found, service)]


class RetryingOnce(Clients):
    """Sends to one replica, and where that does not answer once more, to the other."""

    def __init__(self, addresses: Addresses, ledger: Ledger, random: Random) -> None:
        super().__init__(addresses, ledger, random, SECONDS_TO_ANSWER)
        self._addresses = addresses
        self.restarted = Restarted()

    async def send(self, command: Command) -> None:
        """Send a command, and settle it in the ledger."""
        self._ledger.open(command)
        headers, begun = self._headers(command), time.monotonic()
        apis = self._addresses.apis(command.service)
        for address in self._random.sample(apis, len(apis)):
            noted(command, await self._attempt(command, headers, address))
            if command.status is not None:
                break
        else:
            self.restarted.errors.append(f"{command.method} {command.path} of {command.service}")
        self.restarted.sent_again += command.attempts - 1
        self.restarted.longest_seconds = max(
            self.restarted.longest_seconds, time.monotonic() - begun
        )
        self._ledger.settle(command, outcome(command))


async def restarting(say: Callable[[str], None]) -> Restarted:
    """Starts an instance, restarts its replicas one by one under load, and compares everything."""
    home = Path(tempfile.mkdtemp(prefix="aspire-scaling-"))
    kept = {name: value for name, value in os.environ.items() if "ASPIRE" not in name}
    cache = {key: os.environ[key] for key in ("ASPIRE_CACHE",) if key in os.environ}
    try:
        with Ledger(home / "ledger.jsonl") as ledger:
            async with Instance(home / "home", settings=kept | cache) as instance:
                await start(instance, say, dict.fromkeys(SERVICES, REPLICAS))
                urls = {name: instance.database_url(name) for name in SERVICES}
                for name, url in urls.items():
                    await attach_witness(url, name)
                random = Random(SEED)  # noqa: S311 - no secret
                async with RetryingOnce(Addresses(instance), ledger, random) as clients:
                    await _under_load(instance, clients, ledger, say)
                    await _compare(instance, clients, ledger, urls)
                    return clients.restarted
    finally:
        shutil.rmtree(home, ignore_errors=True)
    raise AssertionError("asked to stop")


async def _under_load(
    instance: Instance, clients: RetryingOnce, ledger: Ledger, say: Callable[[str], None]
) -> None:
    register = instance.home / "register.csv"
    write_register(register, SEED, SCHOOLS)
    random = Random(SEED + 1)  # noqa: S311 - no secret
    load = Load(clients, ledger, random, register.read_bytes(), COMMANDS_A_SECOND)
    say("Preparing the programme.")
    await load.prepare()
    loading, begun = asyncio.create_task(load.run()), time.monotonic()
    try:
        for child in _replicas(instance):
            await _restart(instance, child)
            clients.restarted.replicas += 1
            say(f"Restarted {child.name}; {len(ledger.commands):,} commands, "
                f"{clients.restarted.sent_again} sent again.")  # fmt: skip
        loading.cancel()
        await load.end()
    finally:
        loading.cancel()
        await load.break_off()
    clients.restarted.seconds = time.monotonic() - begun
    clients.restarted.commands = len(ledger.commands)


def _replicas(instance: Instance) -> list[ChildState]:
    state = InstanceState.read(instance.home)
    assert state is not None
    return [child for child in state.children if child.kind == "service"]


async def _restart(instance: Instance, child: ChildState) -> None:
    """Asks it to end; the instance starts it again."""
    os.kill(child.pid, signal.SIGTERM)
    async with asyncio.timeout(SECONDS_TO_RESTART):
        while not any(
            each.name == child.name and each.pid != child.pid and each.ready
            for each in _replicas(instance)
        ):
            await instance.pause(0.1)


async def _compare(
    instance: Instance, clients: RetryingOnce, ledger: Ledger, urls: dict[str, str]
) -> None:
    """Once everything has caught up."""

    async def left() -> list[str]:
        return behind(await gather(urls, None))

    await until_empty(left, SECONDS_TO_CATCH_UP, "behind", pause=0.5)
    evidence = await gather(urls, security.options(instance.kafka_settings))
    year = str(ProgrammeYear.of(SystemClock().today()))
    evidence.reports[year] = await clients.get("reporting", f"/reports/{year}")
    clients.restarted.differences = [
        f"{fault}: {words}"
        for each in check(evidence, ledger.commands, [])
        for fault, words in each.findings
    ]
