"""The processes of the services: forked from one that has imported everything, kept running.

Each runs `aspire run SERVICE --part …`; forking saves the seconds of import that a restart costs.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from deploy.embedded.processes import Identity, Ward, end
from deploy.embedded.watchdog import Watchdog

LONGEST_PAUSE_SECONDS = 1.0
"""Before a dead process is started again."""

forking = get_context("forkserver")
forking.set_forkserver_preload(
    [
        "deploy.cli.run",
        "services.membership.app",
        "services.scheduling.app",
        "services.cpd.app",
        "services.reporting.app",
        "tests.chaos.__main__",
        "uvicorn.loops.auto",
        "uvicorn.protocols.http.auto",
        "uvicorn.lifespan.on",
    ]
)


def run_part(arguments: list[str], environment: Mapping[str, str], log: str) -> None:
    """In the forked process: become the command `aspire`."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    from deploy.cli.app import invoke

    sys.exit(invoke(arguments))


@dataclass(eq=False)
class Replica:
    """A process of a service; `part` None: all of its parts in one process."""

    name: str
    service: str
    part: str | None
    port: int
    environment: Mapping[str, str]
    log: Path
    process: ForkServerProcess | None = None
    ward: Ward | None = None
    stopped: bool = False
    """By SIGSTOP."""
    expected_to_end: bool = False
    restart: "asyncio.Task[None] | None" = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def kind(self) -> str:
        """What it is counted as."""
        return f"{self.service} {self.part or 'all parts'}"

    def has(self, part: str) -> bool:
        return self.part in (None, part)


@dataclass
class Fleet:
    """Starts replicas again as they die, after a random while."""

    random: Random
    watchdog: Watchdog
    replicas: list[Replica] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)
    pause_seconds: float = LONGEST_PAUSE_SECONDS

    def start(self, replica: Replica) -> None:
        """Add a replica and start it."""
        self.replicas.append(replica)
        replica.restart = asyncio.create_task(self._spawn(replica))

    async def keep(self) -> None:
        """Until cancelled: what is dead is started again."""
        while True:
            for replica in self.replicas:
                if not replica.alive and (replica.restart is None or replica.restart.done()):
                    self._bury(replica)
                    replica.restart = asyncio.create_task(self._again(replica))
            await asyncio.sleep(0.05)

    def kill(self, replica: Replica) -> None:
        """SIGKILL."""
        replica.expected_to_end = True
        self._send(replica, signal.SIGKILL)

    def stop(self, replica: Replica) -> None:
        """SIGSTOP."""
        replica.stopped = True
        self._send(replica, signal.SIGSTOP)

    def go_on(self, replica: Replica) -> None:
        """SIGCONT."""
        replica.stopped = False
        self._send(replica, signal.SIGCONT)

    async def remove(self, replica: Replica) -> None:
        """End it as an operator would, and for good."""
        self.replicas.remove(replica)
        if replica.restart is not None:
            await replica.restart
        replica.expected_to_end = True
        await self._end([replica])

    async def close(self) -> None:
        """End all of them."""
        replicas, self.replicas = self.replicas, []
        await asyncio.gather(*(r.restart for r in replicas if r.restart), return_exceptions=True)
        await self._end(replicas)

    async def _end(self, replicas: list[Replica]) -> None:
        wards = [replica.ward for replica in replicas if replica.ward is not None]
        await asyncio.to_thread(end, wards, 8)
        for replica in replicas:
            self._forget(replica)

    async def _again(self, replica: Replica) -> None:
        await asyncio.sleep(self.random.uniform(0.05, self.pause_seconds))
        if replica in self.replicas:
            await self._spawn(replica)

    async def _spawn(self, replica: Replica) -> None:
        arguments = ["run", replica.service]
        if replica.part is not None:
            arguments += ["--part", replica.part]
        process = forking.Process(
            target=run_part, args=(arguments, dict(replica.environment), str(replica.log))
        )
        await asyncio.to_thread(process.start)
        assert process.pid is not None
        replica.ward = Ward(Identity.of(process.pid) or Identity(process.pid, 0.0))
        replica.stopped = replica.expected_to_end = False
        replica.process = process
        self.watchdog.watch(replica.ward)

    def _bury(self, replica: Replica) -> None:
        """A process that we did not kill should not have ended."""
        process = replica.process
        if process is not None and not replica.expected_to_end:
            self.ended_by_themselves.append(
                f"{replica.name} ended by itself with {process.exitcode}; see {replica.log}"
            )
        self._forget(replica)

    def _forget(self, replica: Replica) -> None:
        if replica.ward is not None:
            self.watchdog.forget(replica.ward)
        replica.ward = replica.process = None

    def _send(self, replica: Replica, number: int) -> None:
        if replica.alive and replica.ward is not None and replica.ward.identity.alive():
            os.kill(replica.ward.identity.pid, number)
