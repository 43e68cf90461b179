"""A home without the data of an earlier instance: the demo begins afresh."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.embedded import home as homes
from deploy.embedded.instance import SERVICES
from deploy.embedded.state import InstanceState
from deploy.embedded.trouble import Trouble

MADE_BY_US: Final = ("postgres", "kafka", "log", "issuer", "demo")
"""What an instance and the demo put into a home; `run` stays, as it holds the lock."""


class NotAfresh(Trouble):
    """The demo cannot begin afresh here."""


def begin_afresh(home: Path, say: Callable[[str], None]) -> None:
    """Remove what an earlier instance left. Raises HomeInUse, NotAfresh."""
    was_ours = (home / "run" / "lock").exists()
    there = [home / name for name in MADE_BY_US if (home / name).exists()]
    if there and not was_ours:
        raise NotAfresh(
            f"{home} has a folder {there[0].name}, but no instance has ever run there, so it may "
            "be somebody's. Set ASPIRE_HOME to another folder."
        )
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = homes.lock(home)
    try:
        if there:
            say(f"Beginning afresh: removing the data of the last instance in {home}.")
        last = InstanceState.last(home)
        if last is not None:
            last.end_leftovers()
            last.remove()
        for path in there:
            shutil.rmtree(path)
    finally:
        lock.close()


def refuse_given_servers(settings: Mapping[str, str] = os.environ) -> None:
    """The demo fills empty servers of its own. Raises NotAfresh where others are named."""
    names = ["ASPIRE_KAFKA", *(f"ASPIRE_{each.upper()}_DATABASE_URL" for each in SERVICES)]
    if given := [name for name in names if settings.get(name)]:
        raise NotAfresh(
            f"{' and '.join(given)} names a server that is not the demo's to fill. "
            "Leave it out; the demo starts servers of its own."
        )
