"""What runs in a home, written down for other processes: `aspire status`, `aspire down`."""

import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.embedded.guarded import Login, settings_of
from deploy.embedded.home import write_atomically
from deploy.embedded.processes import Identity, Ward, end, wait_until
from shared.settings import Settings

SECONDS_TO_GO: Final = 12.0


class ChildState(BaseModel):
    """One child process of an instance."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["server", "service"]
    pid: int
    created: float
    address: str | None
    """host:port of a server, http://host:port of a service."""
    log: Path
    ready: bool
    """Whether it has been ready since it was started; ask it whether it is now."""
    stop_signal: int = signal.SIGTERM
    stage: int = 0

    @property
    def identity(self) -> Identity:
        """The process, safe against its number being another's by now."""
        return Identity(self.pid, self.created)

    @property
    def ward(self) -> Ward:
        """The process as something to end."""
        return Ward(self.identity, self.stop_signal, self.stage)


class InstanceState(BaseModel):
    """A running instance. The file has passwords in it and is its owner's alone (0600)."""

    model_config = ConfigDict(frozen=True)

    home: Path
    pid: int
    created: float
    started_at: datetime
    watchdog: int
    kafka: str | None = None
    kafka_admin: Login | None = None
    """Of our own Kafka, where it runs."""
    database_urls: dict[str, str] = {}
    children: tuple[ChildState, ...] = ()

    @property
    def kafka_settings(self) -> Settings:
        """How to come into its Kafka, into its own as the administrator. It has to be there."""
        return settings_of(self.home, self.kafka or "", self.kafka_admin)

    @property
    def live(self) -> bool:
        """Whether the process that wrote it still runs."""
        return Identity(self.pid, self.created).alive()

    @classmethod
    def of_this_process(cls, home: Path, watchdog: int) -> Self:
        """The state of an instance that begins here and now."""
        me = Identity.of(os.getpid())
        created = me.created if me else 0.0
        now = datetime.now(UTC)
        return cls(home=home, pid=os.getpid(), created=created, started_at=now, watchdog=watchdog)

    @classmethod
    def read(cls, home: Path) -> Self | None:
        """What runs in this home now; None where nothing does, whatever an old file says."""
        state = cls.last(home)
        return state if state is not None and state.live else None

    @classmethod
    def last(cls, home: Path) -> Self | None:
        """What the file says, be it of an instance that was killed; None without a good file."""
        try:
            return cls.model_validate_json(_path(home).read_text())
        except (OSError, ValidationError):
            return None

    def write(self) -> None:
        """Readers see the old state or this one, never half of it."""
        write_atomically(_path(self.home), self.model_dump_json(indent=2) + "\n")

    def remove(self) -> None:
        """Nothing runs here any more."""
        _path(self.home).unlink(missing_ok=True)

    def end_leftovers(self, seconds: float = 8) -> None:
        """End the children that outlived the instance."""
        end((child.ward for child in self.children), seconds)


def down(home: Path) -> bool:
    """End the instance that runs in this home, from another process; False where none does.

    Returns when the last of its processes has gone. An instance that does not stop by itself is
    killed, and its children are ended here.
    """
    state = InstanceState.read(home)
    if state is None:
        return False
    supervisor = Identity(state.pid, state.created)
    _send(supervisor, signal.SIGTERM)
    if not wait_until(lambda: not supervisor.alive(), time.monotonic() + SECONDS_TO_GO):
        state = InstanceState.last(home) or state
        _send(supervisor, signal.SIGKILL)
        wait_until(lambda: not supervisor.alive(), time.monotonic() + 1)
    state.end_leftovers()
    return True


def _send(process: Identity, number: int) -> None:
    with suppress(ProcessLookupError):
        if process.alive():
            os.kill(process.pid, number)


def _path(home: Path) -> Path:
    return home / "run" / "state.json"
