"""Ends the children of a process that died without ending them, kill -9 included.

It is a child itself, and holds the read end of a pipe whose other end only the parent has. The
pipe closes when the parent is gone, however it went.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.embedded.processes import Identity, Ward, end

PACKAGES: Final = Path(__file__).resolve().parents[2]
"""The folder that `deploy` is imported from, for children to start in."""

SECONDS_TO_END: Final = 7.0


class Watchdog:
    """The parent's side: tell it of every child, and of every child that has ended."""

    def __init__(self) -> None:
        self._wards: dict[int, Ward] = {}
        self._process = self._start()

    def watch(self, ward: Ward) -> None:
        """From now on this child does not outlive us."""
        self._wards[ward.identity.pid] = ward
        self._tell(ward)

    def forget(self, ward: Ward) -> None:
        """The child has ended; its number may become somebody else's."""
        if self._wards.pop(ward.identity.pid, None) is not None:
            self._tell(ward, forget=True)

    def keep(self) -> None:
        """Start it anew if somebody ended it."""
        if self._process.poll() is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = self._start()
        for ward in self._wards.values():
            self._tell(ward)

    def close(self) -> None:
        """Let it go; it ends the children that it still watches."""
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=PACKAGES,
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
            bufsize=0,
        )

    def _tell(self, ward: Ward, *, forget: bool = False) -> None:
        line = json.dumps(
            [ward.identity.pid, ward.identity.created, ward.stop_signal, ward.stage, forget]
        )
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            self.keep()  # which tells it of all wards, this one too


def main() -> None:
    """Remember the wards named on standard input, and end them when it closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wards: dict[int, Ward] = {}
    for line in sys.stdin:
        pid, created, stop_signal, stage, forget = json.loads(line)
        if forget:
            wards.pop(pid, None)
        else:
            wards[pid] = Ward(Identity(pid, created), stop_signal, stage)
    end(wards.values(), SECONDS_TO_END)


if __name__ == "__main__":
    main()
