"""The replicas of the services: started, started again when they die, and as many as are wanted.

How many are wanted is a file for each service, which another process may write; what runs is in
the state of the instance. So nobody has to be spoken to.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import httpx

from deploy.embedded.home import Ports, write_atomically
from deploy.embedded.supervisor import Child, Stopped, Supervisor
from deploy.embedded.trouble import NotReady, Trouble

SECONDS_TO_READY: Final = 60.0
SECONDS_TO_DRAIN: Final = 20.0
"""A replica that is no longer wanted ends its requests (5 s at most), then its batch (10 s)."""
FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 30.0
"""A replica that ran this long before it died starts with the shortest backoff again."""
LOOK_SECONDS: Final = 0.2
MOST: Final = 24
"""Of a service: a consumer more than a topic has partitions would have nothing to do."""


def want(home: Path, service: str, count: int) -> None:
    """From now on the instance in this home runs so many replicas of the service."""
    write_atomically(_wish(home, service), f"{count}\n")


def wanted(home: Path, service: str) -> int:
    """How many replicas of the service are wanted; one where nobody has said."""
    try:
        return int(_wish(home, service).read_text())
    except (OSError, ValueError):
        return 1


def replica_name(service: str, number: int = 1, part: str | None = None) -> str:
    """What the process is called; the first replica of a service has the service's name."""
    return "-".join([service, *([part] if part else []), *([str(number)] * (number > 1))])


def replicas_among(names: Iterable[str], service: str) -> list[str]:
    """Those of the names that are replicas of the service, whole or of a part, in their order."""
    numbers = {
        name: int(name.rpartition("-")[2]) if name[-1].isdecimal() else 1
        for name in names
        if name.split("-")[0] == service
    }
    return sorted(numbers, key=lambda name: (numbers[name], name))


def _wish(home: Path, service: str) -> Path:
    return home / "run" / "replicas" / service


class Spawn(Protocol):
    """Starts the process of a replica."""

    def __call__(self, name: str, service: str, part: str | None, port: int) -> Child: ...


@dataclass
class Replica:
    """A process of a service, which is started again when it dies."""

    service: str
    number: int
    part: str | None
    port: int
    child: Child
    started: float
    """When, by the loop's clock."""
    backoff: float = FIRST_BACKOFF_SECONDS
    restart: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """That of its log and its port, too."""
        return replica_name(self.service, self.number, self.part)

    @property
    def address(self) -> str:
        """Where its HTTP is."""
        return f"http://127.0.0.1:{self.port}"


class Replicas:
    """All that run in an instance. `spawn` starts a process, which is ready when `ready_path` says
    so; with None as soon as it runs."""

    def __init__(
        self,
        supervisor: Supervisor,
        ports: Ports,
        spawn: Spawn,
        ready_path: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._supervisor = supervisor
        self._ports = ports
        self._spawn = spawn
        self._ready_path = ready_path
        self._say = say
        self._running: dict[str, Replica] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """http://host:port of each, by its name."""
        return {name: replica.address for name, replica in self._running.items()}

    async def start(self, service: str, number: int = 1, part: str | None = None) -> str:
        """Start one, wait until it is ready, and return its address.

        One that answers and is not ready after a minute is told of and kept. If it dies before it
        is ready this raises ChildDied; if later, it is started again.
        """
        name = replica_name(service, number, part)
        if name in self._running:
            raise ValueError(f"{name} has been started already; give it another replica number.")
        port = self._ports.choose(name)
        child = self._spawn(name, service, part, port)
        replica = Replica(service, number, part, port, child, self._now())
        try:
            await self._until_ready(replica)
        except Trouble as trouble:
            why = await self._why_not_ready(replica) if isinstance(trouble, NotReady) else None
            if why is None:
                await self._end([replica])
                raise
            # Whoever ends the trouble, as `aspire resume` does, needs the platform.
            self._say(f"{name} runs and is not ready ({why}). All else goes on.")
        self._running[name] = replica
        return replica.address

    async def follow(self, service: str, count: Callable[[], int]) -> None:
        """Until asked to stop: have as many replicas as `count` says, of a service that runs."""
        with suppress(Stopped):
            while True:
                await self._approach(service, count())
                await self._supervisor.tick(LOOK_SECONDS)

    async def _approach(self, service: str, count: int) -> None:
        """End those that are too many, or start the next one."""
        numbers = {
            each.number: each
            for each in self._running.values()
            if (each.service, each.part) == (service, None)
        }
        await self._drain([each for number, each in numbers.items() if number > count])
        missing = set(range(1, count + 1)) - numbers.keys()
        if not missing or not numbers:
            return
        try:
            await self.start(service, min(missing))
        except Trouble as trouble:
            self._say(f"{trouble}\nIt is tried again in {LONGEST_BACKOFF_SECONDS:g} s.")
            await self._supervisor.tick(LONGEST_BACKOFF_SECONDS)

    async def _drain(self, replicas: list[Replica]) -> None:
        for each in replicas:
            del self._running[each.name]
            if each.restart is not None:
                each.restart.cancel()
        restarts = [each.restart for each in replicas if each.restart is not None]
        await asyncio.gather(*restarts, return_exceptions=True)
        if replicas:
            await self._end(replicas)

    async def _end(self, replicas: list[Replica]) -> None:
        await self._supervisor.end([each.child for each in replicas], SECONDS_TO_DRAIN)
        for each in replicas:
            self._ports.give_back(each.port)

    def start_the_dead_again(self) -> None:
        """Begin to; each after a while that grows as it dies again and again."""
        for replica in self._running.values():
            idle = replica.restart is None or replica.restart.done()
            if idle and not replica.child.alive:
                replica.restart = asyncio.create_task(self._restart(replica))

    async def close(self) -> None:
        """Returns when nothing is being started any more, once asked to stop."""
        restarts = [each.restart for each in self._running.values() if each.restart]
        await asyncio.gather(*restarts, return_exceptions=True)

    async def _restart(self, replica: Replica) -> None:
        if self._now() - replica.started > STEADY_SECONDS:
            replica.backoff = FIRST_BACKOFF_SECONDS
        child, again = replica.child, f"t starts again in {replica.backoff:g} s."
        killed = f"{child.end_in_words()}; i{again}"
        self._say(killed if child.killed else f"{child.obituary()}\nI{again}")
        try:
            await self._supervisor.end([replica.child])
            await self._supervisor.tick(replica.backoff)
            replica.backoff = min(2 * replica.backoff, LONGEST_BACKOFF_SECONDS)
            replica.started = self._now()
            replica.child = self._spawn(replica.name, replica.service, replica.part, replica.port)
            await self._until_ready(replica)
        except (Stopped, Trouble):
            return  # if it is dead, it is seen; if it is slow, its readiness says so

    async def _until_ready(self, replica: Replica) -> None:
        async with httpx.AsyncClient(base_url=replica.address, trust_env=False) as client:

            async def ready() -> bool:
                if self._ready_path is None:
                    return True
                try:
                    answer = await client.get(self._ready_path)
                except httpx.HTTPError:
                    return False
                return answer.is_success

            await self._supervisor.until_ready(replica.child, ready, SECONDS_TO_READY)

    async def _why_not_ready(self, replica: Replica) -> str | None:
        """What its parts say; None where it does not answer."""
        try:
            async with httpx.AsyncClient(base_url=replica.address, trust_env=False) as client:
                parts = (await client.get(self._ready_path or "")).json()["parts"]
            return "; ".join(
                f"{name}: {of['detail']}" for name, of in parts.items() if of["detail"]
            )
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            return None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
