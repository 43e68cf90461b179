"""`aspire reconcile`: what a database that came back older lacks, and the decision to go on."""

import json
import shutil
import sys
from dataclasses import asdict
from tempfile import TemporaryFile
from textwrap import indent
from typing import Annotated, Any, Final, TextIO

import typer
import uvloop
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.databases import pooled
from deploy.cli.republish import PUBLISHING, publishing
from deploy.cli.resume import operator
from deploy.cli.servers import require_kafka, unbroken
from deploy.cli.terminal import moment, out
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.messaging.reconcile import Fact, accept, missing

SHOWN: Final = 200

ERASED: Final = "uk.aspire.membership.PersonErased.v1"


def reconcile(
    service: Annotated[str, typer.Argument(help=f"{', '.join(PUBLISHING)}")],
    accepting: Annotated[
        bool, typer.Option("--accept", help="Copy the facts into the journal, and go on.")
    ] = False,
    because: Annotated[
        str, typer.Option(help="With --accept: what happened; it stays on record.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List the facts on the topics that a service's journal lacks, and go on from them.

    A service whose database came back older takes no command and publishes nothing, because it
    would count sequences again that consumers have seen. If there is a newer state of the
    database, bring that back instead. Otherwise --accept copies the facts into the journal, so
    that later events follow them, and lets the service go on.

    The service's own tables are not changed: what the facts say is known to everybody but the
    service itself, until you have put its rows right. docs/operations.md says how.

    Examples:

      aspire reconcile scheduling

      aspire reconcile scheduling --accept --because "restored from Tuesday's backup"
    """
    publishing(service)
    if accepting and not because.strip():
        raise CannotDo("Say with --because what happened to the database.")
    with TemporaryFile("w+", encoding="utf-8") as spool:
        told = _Told(spool if as_json else None)
        uvloop.run(_reconcile(service, because.strip() if accepting else None, told))
        if as_json:
            told.end()
            spool.seek(0)
            shutil.copyfileobj(spool, sys.stdout)
        else:
            _print(service, told, accepted=accepting)


class _Told:
    """What is printed of the facts, when they are decided on: the first ones, or all as JSON."""

    def __init__(self, spool: TextIO | None) -> None:
        self.count = self.copied = 0
        self.first: list[Fact] = []
        self.erased: list[str] = []
        self._spool = spool

    def hear(self, fact: Fact) -> None:
        """Takes one in."""
        if self._spool is not None:
            self._spool.write(",\n" if self.count else "[\n")
            self._spool.write(indent(json.dumps(_plain(fact), indent=2, ensure_ascii=False), "  "))
        elif self.count < SHOWN:
            self.first.append(fact)
        self.count += 1
        self.copied += fact.obstacle is None
        if fact.type == ERASED:
            self.erased.append(fact.key)

    def end(self) -> None:
        """Nothing more comes."""
        if self._spool is not None:
            self._spool.write("\n]\n" if self.count else "[]\n")


async def _reconcile(service: str, because: str | None, told: _Told) -> None:
    platform = Platform.here()
    settings = platform.settings
    await require_kafka(settings)
    with unbroken(settings, "Run it again."):
        async with pooled(platform, service) as pool:
            if because is None:
                await missing(service, pool, settings, told.hear)
            else:
                await accept(service, pool, settings, operator(), because, told.hear)


def _print(service: str, told: _Told, *, accepted: bool) -> None:
    if not told.count:
        out.print(f"The journal of {service} lacks nothing that is on its topics.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("happened")
    table.add_column("type", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("seq.", justify="right")
    table.add_column("copied" if accepted else "can be copied", overflow="fold")
    for fact in told.first:
        table.add_row(
            moment(fact.time),
            fact.type.removeprefix("uk.aspire."),
            Text(fact.key),
            str(fact.sequence),
            Text(f"no: {fact.obstacle}", style="red") if fact.obstacle else Text("yes"),
        )
    out.print(table)
    if told.count > SHOWN:
        out.print(f"… and {told.count - SHOWN:,} more; --json lists all.", style="dim")
    if accepted:
        left = told.count - told.copied
        out.print(f"{service} goes on: {told.copied:,} facts copied, {left:,} left.")
        out.print("Its own tables do not know them yet; docs/operations.md says what to do.")
    else:
        out.print(
            f"`aspire reconcile {service} --accept --because …` copies {told.copied:,} of them."
        )
    for key in told.erased:
        out.print(f"Erase again, for its name is back: POST /people/{key}/erasure")


def _plain(fact: Fact) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(fact), default=str))
    # A stranger's NaN is no JSON, and could be read nowhere.
    plain["data"] = None if fact.payload is None else json.loads(fact.payload, parse_constant=str)
    del plain["payload"]
    return plain
