"""`aspire reconcile`: what a database that came back older lacks, and the decision to go on."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from aiokafka.errors import KafkaError
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.databases import pooled
from deploy.cli.republish import PUBLISHING, publishing
from deploy.cli.resume import operator
from deploy.cli.terminal import out, print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.messaging import cluster
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
    facts = asyncio.run(_facts(service, because.strip() if accepting else None))
    if as_json:
        print_json([_plain(fact) for fact in facts])
    else:
        _print(service, facts, accepted=accepting)


async def _facts(service: str, because: str | None) -> list[Fact]:
    platform = Platform.here()
    settings = platform.settings
    if trouble := await cluster.answers(settings, timeout_seconds=5):
        raise CannotDo(f"{trouble}. `aspire status` shows what runs.")
    async with pooled(platform, service) as pool:
        try:
            if because is None:
                return await missing(service, pool, settings)
            return await accept(service, pool, settings, operator(), because)
        except KafkaError as error:
            raise CannotDo(f"Kafka at {settings.kafka} broke off: {error}.") from error


def _print(service: str, facts: list[Fact], *, accepted: bool) -> None:
    if not facts:
        out.print(f"The journal of {service} lacks nothing that is on its topics.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("happened")
    table.add_column("type", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("seq.", justify="right")
    table.add_column("copied" if accepted else "can be copied", overflow="fold")
    for fact in facts[:SHOWN]:
        table.add_row(
            f"{fact.time:%d %b %Y %H:%M:%S}",
            fact.type.removeprefix("uk.aspire."),
            Text(fact.key),
            str(fact.sequence),
            Text(f"no: {fact.obstacle}", style="red") if fact.obstacle else Text("yes"),
        )
    out.print(table)
    if len(facts) > SHOWN:
        out.print(f"… and {len(facts) - SHOWN:,} more; --json lists all.", style="dim")
    copied = sum(1 for fact in facts if fact.obstacle is None)
    if accepted:
        out.print(f"{service} goes on: {copied:,} facts copied, {len(facts) - copied:,} left.")
        out.print("Its own tables do not know them yet; docs/operations.md says what to do.")
    else:
        out.print(f"`aspire reconcile {service} --accept --because …` copies {copied:,} of them.")
    for fact in facts:
        if fact.type == ERASED:
            out.print(f"Erase again, for its name is back: POST /people/{fact.key}/erasure")


def _plain(fact: Fact) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(fact), default=str))
    plain["data"] = None if fact.payload is None else json.loads(fact.payload)
    del plain["payload"]
    return plain
