"""`aspire scale`: more or fewer replicas of a service, while the platform runs."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal import out, print_json, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import ServiceName, known_service
from deploy.embedded.home import default_home
from deploy.embedded.replicas import MOST, replica_name, replicas_among, want, wanted
from deploy.embedded.state import ChildState, InstanceState

SECONDS_WITHOUT_PROGRESS: Final = 90.0
POLL_SECONDS: Final = 0.1


def scale(
    service: ServiceName,
    replicas: Annotated[str, typer.Argument(metavar="N", help=f"1 to {MOST}")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Run N replicas of a service from now on, in the instance that runs in ASPIRE_HOME.

    It returns when the new replicas are ready, or when those that are too many have ended what
    they had begun and are gone, and shows what runs. Replicas share the topics' partitions, the
    sending and the periodic work by themselves. Each has all parts of the service and an API at an
    address of its own; the first one stays.

    Examples:

      aspire scale cpd 3

      aspire scale cpd 1
    """
    count, home = replica_count(replicas), default_home()
    _running_with(home, known_service(service))
    want(home, service, count)
    found = _reached(home, service, count)
    if as_json:
        print_json(
            [{"name": each.name, "address": each.address, "pid": each.pid} for each in found]
        )
    else:
        _print(found)


def replica_count(text: str) -> int:
    """A number of replicas. Raises CannotDo."""
    if text not in {str(number) for number in range(1, MOST + 1)}:
        raise CannotDo(f"{text} is no number of replicas; it is one from 1 to {MOST}.")
    return int(text)


def replica_counts(text: str) -> dict[str, int]:
    """How many of each service, of `cpd=3,reporting=2`. Raises CannotDo."""
    counts: dict[str, int] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        service, equals, count = each.partition("=")
        if not equals:
            raise CannotDo(f"{each} says no number of replicas; write it as in cpd=3,reporting=2.")
        if known_service(service) in counts:
            raise CannotDo(f"The replicas of {service} are given twice.")
        counts[service] = replica_count(count)
    return counts


def _reached(home: Path, service: str, count: int) -> list[ChildState]:
    """The replicas, once so many run and no more; says meanwhile how far it is."""
    names = [replica_name(service, number) for number in range(1, count + 1)]
    told, since = "", time.monotonic()
    while True:
        found = _running_with(home, service)
        ready = [each for each in found if each.ready and each.identity.alive()]
        if [each.name for each in ready] == [each.name for each in found] == names:
            return found
        if wanted(home, service) != count:
            raise CannotDo(
                f"Somebody else has asked for another number of {service}: {wanted(home, service)}."
            )
        progress = f"{service}: {len(found)} run, {len(ready)} of them ready; {count} are wanted."
        if progress != told:
            say(progress)
            told, since = progress, time.monotonic()
        elif time.monotonic() - since > SECONDS_WITHOUT_PROGRESS:
            raise CannotDo(
                f"{progress} Nothing has changed for {SECONDS_WITHOUT_PROGRESS:.0f} s; it is still "
                f"being tried. The logs are in {home / 'log'}."
            )
        time.sleep(POLL_SECONDS)


def _running_with(home: Path, service: str) -> list[ChildState]:
    """The replicas that run, by their numbers. Raises CannotDo where there is none."""
    state = InstanceState.read(home)
    children = {each.name: each for each in (state.children if state else ())}
    if names := replicas_among(children, service):
        return [children[name] for name in names]
    raise CannotDo(
        f"No instance runs {service} in {home}. Start the platform with `aspire up`; "
        f"elsewhere, start replicas with `aspire run {service}`."
    )


def _print(found: list[ChildState]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("replica", style="bold")
    table.add_column("where", overflow="fold")
    table.add_column("process", justify="right")
    for each in found:
        table.add_row(each.name, Text(each.address or ""), str(each.pid))
    out.print(table)
