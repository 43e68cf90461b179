"""`aspire parked`: records that a service could not process, and what to do with them."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.databases import connected, pooled
from deploy.cli.resume import operator
from deploy.cli.terminal import moment, out, print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, known_service
from shared import service as services
from shared.messaging import parking
from shared.messaging.parking import NothingParked, Parked, Replayed

app = typer.Typer(
    help="Records that a service could not process: look at them, replay or discard them.",
    no_args_is_help=True,
)

ServiceName = Annotated[str, typer.Argument(help="The service that could not process them.")]
Number = Annotated[int, typer.Argument(help="The record's number, as `aspire parked list` has it.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command("list")
def list_parked(service: ServiceName, as_json: AsJson = False) -> None:
    """List the parked records, with the reason of each.

    A record that cannot be processed holds up later ones of its own key, which are parked behind
    it, and nothing else.

    Examples:

      aspire parked list cpd
    """
    found = asyncio.run(_parked(known_service(service)))
    if as_json:
        print_json([_plain(each) for each in found])
        return
    if not found:
        out.print(f"Nothing is parked in {service}.")
        return
    out.print(table_of(found))


def table_of(found: Sequence[Parked]) -> Table:
    """What names a record is in one column, so that a terminal of 80 has room for the reason."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("no.", justify="right")
    table.add_column("type, topic, key, sequence, since", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for each in found:
        named = (
            (each.type or "of no type").removeprefix("uk.aspire."),
            each.topic,
            f"{each.key or 'without a key'} {each.sequence or ''}".rstrip(),
            moment(each.since, "%d %b %H:%M"),
        )
        table.add_row(str(each.parked_id), Text("\n".join(named)), Text(each.reason))
    return table


@app.command("show")
def show_parked(service: ServiceName, number: Number, as_json: AsJson = False) -> None:
    """Show one parked record with its value.

    The value is left out where the topic is about people.

    Examples:

      aspire parked show cpd 17
    """
    found = asyncio.run(_show(known_service(service), number))
    if as_json:
        print_json(_plain(found))
        return
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _plain(found).items():
        table.add_row(name, Text("–" if value is None else str(value)))
    out.print(table)


@app.command("replay")
def replay_parked(
    service: ServiceName,
    topic: Annotated[str, typer.Option(help="The topic, such as aspire.scheduling.")],
    key: Annotated[str, typer.Option(help="The key whose records are to be processed again.")],
    as_json: AsJson = False,
) -> None:
    """Process the parked records of a key again, in order, up to the first that fails.

    Examples:

      aspire parked replay cpd --topic aspire.scheduling --key 0b7…
    """
    replayed = asyncio.run(_replay(known_service(service), topic, key))
    if as_json:
        failed = [{"sequence": number, "reason": reason} for number, reason in replayed.failed]
        print_json({"applied": replayed.applied, "failed": failed})
    else:
        out.print(f"{replayed.applied} took effect.")
        for number, reason in replayed.failed:
            out.print(Text(f"Sequence {number} failed again: {reason}", style="yellow"))
    if replayed.failed:
        raise typer.Exit(1)


@app.command("discard")
def discard_parked(
    service: ServiceName,
    number: Number,
    because: Annotated[str, typer.Option(help="Why it can be done without; it stays on record.")],
    as_json: AsJson = False,
) -> None:
    """Do without a parked record, for good.

    The decision is kept, and a rebuild keeps to it. Later records of its key stay parked until
    they are replayed.

    Examples:

      aspire parked discard cpd 17 --because "sent by a test"
    """
    if not because.strip():
        raise CannotDo("Say with --because why the record can be done without.")
    gone = asyncio.run(_discard(known_service(service), number, because.strip()))
    if as_json:
        print_json(_plain(gone))
    else:
        out.print(f"Record {number} ({gone.type or 'of no type'}) is discarded.")


async def _parked(service: str) -> list[Parked]:
    async with connected(Platform.here(), service) as connection:
        return await parking.parked(connection)


async def _show(service: str, number: int) -> Parked:
    async with connected(Platform.here(), service) as connection:
        try:
            return await parking.show(connection, number)
        except NothingParked as nothing:
            raise CannotDo(f"{nothing} `aspire parked list {service}` lists them.") from None


async def _replay(service: str, topic: str, key: str) -> Replayed:
    effects = services.load(service).effects
    async with pooled(Platform.here(), service) as pool:
        try:
            return await parking.replay(pool, service, effects, topic, key, operator())
        except NothingParked as nothing:
            raise CannotDo(f"{nothing} `aspire parked list {service}` lists them.") from None


async def _discard(service: str, number: int, because: str) -> Parked:
    async with pooled(Platform.here(), service) as pool:
        try:
            return await parking.discard(pool, number, operator(), because)
        except NothingParked as nothing:
            raise CannotDo(f"{nothing} `aspire parked list {service}` lists them.") from None


def _plain(parked: Parked) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(parked), default=str))
    return plain
