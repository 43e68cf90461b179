"""The folder that holds all state of an instance, its lock, and the ports it uses."""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Final

from deploy.embedded.trouble import HomeInUse, PortTaken
from deploy.embedded.watchdog import PACKAGES

PORTS: Final = range(20_000, 30_000)
"""Free ports are taken from below those that systems give to outgoing connections."""


def checkout() -> Path:
    """The folder of the sources, or the working directory where we were installed without them."""
    return PACKAGES if (PACKAGES / "pyproject.toml").exists() else Path.cwd()


def default_home(settings: Mapping[str, str] = os.environ) -> Path:
    """`ASPIRE_HOME`, or `.aspire` in the checkout."""
    return Path(settings.get("ASPIRE_HOME") or checkout() / ".aspire").expanduser().resolve()


def cache(settings: Mapping[str, str] = os.environ) -> Path:
    """`ASPIRE_CACHE`, or `.cache` in the checkout: what was fetched once, for all instances."""
    return Path(settings.get("ASPIRE_CACHE") or checkout() / ".cache").expanduser().resolve()


def lock(home: Path) -> IO[str]:
    """Take the folder for this process until the file is closed. Raises HomeInUse."""
    path = home / "run" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        message = (
            f"An instance already runs in {home} (process {owner or 'unknown'}). "
            "`aspire status` shows it, `aspire down` ends it; "
            "set ASPIRE_HOME to another folder to run a second one beside it."
        )
        raise HomeInUse(message) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: connections that have just been closed do not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ports:
    """Gives each name a free port, and the same one again next time while it is still free."""

    def __init__(self, file: Path, settings: Mapping[str, str] = os.environ) -> None:
        self._file = file
        self._settings = settings
        self._given: set[int] = set()
        self._of: dict[str, int] = {}
        self._ahead: set[str] = set()
        self._remembered: dict[str, int] = {}
        try:
            self._remembered = {str(k): int(v) for k, v in json.loads(file.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._remembered = {}

    def choose(self, name: str) -> int:
        """The port set by `ASPIRE_<NAME>_PORT`, or a free one. Raises PortTaken."""
        if name in self._ahead:
            self._ahead.remove(name)
        else:
            self._of[name] = self._chosen(name)
        return self._of[name]

    def ahead(self, name: str) -> int:
        """The port that the name has, or will be given when it chooses. Raises PortTaken."""
        if name not in self._of:
            self._of[name] = self._chosen(name)
            self._ahead.add(name)
        return self._of[name]

    def _chosen(self, name: str) -> int:
        variable = f"ASPIRE_{name.upper().replace('-', '_')}_PORT"
        if wanted := self._settings.get(variable):
            return self._wanted(variable, wanted)
        port = self._remembered.get(name)
        while port is None or port in self._given or not is_free(port):
            port = random.choice(PORTS)  # noqa: S311 - nothing is secret about it
        self._given.add(port)
        if self._remembered.get(name) != port:
            self._remembered[name] = port
            write_atomically(self._file, json.dumps(self._remembered, indent=2) + "\n")
        return port

    def give_back(self, port: int) -> None:
        """Nobody listens on it any more; whose name it was given for gets it again."""
        self._given.discard(port)
        self._of = {name: given for name, given in self._of.items() if given != port}

    def _wanted(self, variable: str, wanted: str) -> int:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise PortTaken(f"{variable} is {wanted!r}; a port is a number from 1 to 65535.")
        port = int(wanted)
        if port in self._given or not is_free(port):
            message = (
                f"Port {port}, set by {variable}, is taken. "
                "Free it, set another, or leave the variable out to have one chosen."
            )
            raise PortTaken(message)
        self._given.add(port)
        return port


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Readers see the old file or the whole new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def passwords(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Passwords of a server's users, made once and kept beside its data for their owner alone."""
    path = folder / "passwords.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    kept = known | {name: secrets.token_urlsafe(24) for name in names if name not in known}
    if kept != known:
        write_atomically(path, json.dumps(kept, indent=2) + "\n")
    return kept
