"""Processes known by number and birth, and the one way in which they are ended."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import psutil

BIRTH_TOLERANCE_SECONDS: Final = 2.0
"""The clock may be set between two looks at one process; a number is not reused that fast."""

POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Identity:
    """A process: its number alone may belong to another one by now."""

    pid: int
    created: float
    """When it began, in seconds since 1970, as psutil tells it."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now, or None."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs; one that only waits to be reaped does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < BIRTH_TOLERANCE_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Ward:
    """A process that leads its own process group, and how it likes to be asked to stop."""

    identity: Identity
    stop_signal: int = signal.SIGTERM
    stage: int = 0
    """Lower stages are ended before higher ones are asked to stop: services before servers."""

    def send(self, number: int) -> None:
        """Signal the whole group; a group that is gone is no error."""
        try:
            os.killpg(self.identity.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def kill(self) -> None:
        """Kill the group and all that descend from it; PostgreSQL's children lead their own."""
        descendants: list[psutil.Process] = []
        with suppress(psutil.Error):
            descendants = psutil.Process(self.identity.pid).children(recursive=True)
        self.send(signal.SIGKILL)
        for process in descendants:
            with suppress(psutil.Error):
                process.kill()


def end(wards: Iterable[Ward], seconds: float) -> None:
    """Ask each to stop, stage by stage, and kill what is left of a stage when its time is over.

    The stages share `seconds` evenly; what a stage does not need goes to the next ones. Returns
    within about a second after `seconds`, with all of them ended. Who was dead before is left
    alone, as its number may be another's by now.
    """
    living = [ward for ward in wards if ward.identity.alive()]
    stages = sorted({ward.stage for ward in living})
    start = time.monotonic()
    for count, stage in enumerate(stages, start=1):
        members = [ward for ward in living if ward.stage == stage]
        for ward in members:
            ward.send(ward.stop_signal)
            ward.send(signal.SIGCONT)  # a stopped process cannot hear
        _wait(members, start + seconds * count / len(stages))
        for ward in members:
            ward.kill()
        _wait(members, time.monotonic() + 1)


def wait_until(condition: Callable[[], bool], until: float) -> bool:
    """Look at the condition until it holds or the monotonic clock shows `until`."""
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _wait(wards: list[Ward], until: float) -> None:
    wait_until(lambda: not any(ward.identity.alive() for ward in wards), until)
