"""Starts child processes, waits for them, and ends all of them, whatever happens to us."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from deploy.embedded.processes import Identity, Ward, end
from deploy.embedded.trouble import ChildDied, NotReady
from deploy.embedded.watchdog import PACKAGES, Watchdog

POLL_SECONDS: Final = 0.05
SECONDS_TO_END: Final = 7.0
LONGEST_LOG_BYTES: Final = 20 * 1024 * 1024
LAST_LINES: Final = 15

SERVICES_STAGE: Final = 0
SERVERS_STAGE: Final = 1


class Stopped(Exception):  # noqa: N818
    """We were asked to stop while we waited for something."""


@dataclass(frozen=True)
class Account:
    """The system account that a child runs under, where that is not our own."""

    uid: int
    gid: int


@dataclass
class Child:
    """A started process, leader of its own group and session."""

    name: str
    popen: subprocess.Popen[bytes]
    ward: Ward
    log: Path
    log_start: int
    """Where in the log file this run begins, in bytes."""
    address: str | None = None
    ready: bool = False

    @property
    def alive(self) -> bool:
        """Whether it runs; reaps it where it does not."""
        return self.popen.poll() is None

    def last_lines(self) -> str:
        """The last lines that this run wrote into its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.log_start)
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-LAST_LINES:])

    @property
    def killed(self) -> bool:
        """Whether a signal has ended it, so that its log cannot say why."""
        code = self.popen.poll()
        return code is not None and code < 0

    def end_in_words(self) -> str:
        """How it ended: `cpd ended by SIGKILL`."""
        code = self.popen.poll()
        how = f"by {signal.Signals(-code).name}" if code and self.killed else f"with {code}"
        return f"{self.name} ended {how}"

    def obituary(self) -> str:
        """How it ended and what it said last."""
        return f"{self.end_in_words()}. Its log, {self.log}, ends with:\n{self.last_lines()}"


@dataclass
class Supervisor:
    """Use as `async with`: leaving it ends every child, services before servers.

    All waiting in it is cut short with `Stopped` once `stopping` is set.
    """

    logs: Path
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    children: list[Child] = field(default_factory=list)
    watchdog: Watchdog = field(default_factory=Watchdog)
    on_change: Callable[[], None] = lambda: None
    """Called after a child was added, taken away or found ready."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path = PACKAGES,
        account: Account | None = None,
        stop_signal: int = signal.SIGTERM,
        stage: int = SERVICES_STAGE,
    ) -> Child:
        """Start a child whose output goes to `<logs>/<name>.log`. Raises Stopped."""
        if self.stopping.is_set():
            raise Stopped("asked to stop")
        log = self.logs / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LONGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            popen = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(os.environ if env is None else env),
                cwd=folder,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
            log_start = output.tell()
        identity = Identity.of(popen.pid) or Identity(popen.pid, 0.0)
        child = Child(name, popen, Ward(identity, stop_signal, stage), log, log_start)
        self.watchdog.watch(child.ward)
        self.children.append(child)
        self.on_change()
        return child

    async def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path = PACKAGES,
        account: Account | None = None,
        seconds: float = 120,
    ) -> None:
        """Start what prepares a server and wait for its good end. Raises ChildDied, NotReady."""
        child = self.spawn(name, argv, env=env, folder=folder, account=account, stage=SERVERS_STAGE)
        try:
            async with asyncio.timeout(seconds):
                while child.alive:
                    await self.tick()
        except TimeoutError:
            message = f"{name} has not ended after {seconds:.0f} s; see {child.log}"
            raise NotReady(message) from None
        finally:
            await self.end([child])
        if child.popen.returncode != 0:
            raise ChildDied(child.obituary())

    async def until_ready(
        self, child: Child, ready: Callable[[], Awaitable[bool]], seconds: float
    ) -> None:
        """Ask until the child is ready. Raises ChildDied, or NotReady after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    if not child.alive:
                        raise ChildDied(child.obituary())
                    await self.tick()
        except TimeoutError:
            message = (
                f"{child.name} is not ready after {seconds:.0f} s. "
                f"Its log, {child.log}, ends with:\n{child.last_lines()}"
            )
            raise NotReady(message) from None
        child.ready = True
        self.on_change()

    async def tick(self, seconds: float = POLL_SECONDS) -> None:
        """Wait a moment; raises Stopped if we are asked to stop before it is over."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise Stopped("asked to stop")

    async def end(self, children: Sequence[Child], seconds: float = SECONDS_TO_END) -> None:
        """End these children within `seconds` and forget them."""
        if any(child.alive for child in children):
            await asyncio.to_thread(end, [child.ward for child in children], seconds)
        for child in children:
            if child.ward.identity.created == 0.0:  # it was gone before we could look at it
                child.popen.kill()
            child.popen.wait()
            self.watchdog.forget(child.ward)
            if child in self.children:
                self.children.remove(child)
        self.on_change()

    async def close(self) -> None:
        """End every child, then the watchdog."""
        self.stopping.set()
        await self.end(list(self.children))
        await asyncio.to_thread(self.watchdog.close)
