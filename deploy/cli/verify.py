"""`aspire verify`: the journals, the topics and every inbox, compared."""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated, Any, Final

import asyncpg
import typer
import uvloop
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from deploy.cli.databases import pooled
from deploy.cli.servers import require_kafka, unbroken
from deploy.cli.terminal import err, out, print_json, say
from deploy.cli.where import Platform, known_service
from deploy.embedded.instance import SERVICES
from shared import service as services
from shared.messaging import hourly
from shared.messaging.verify import Verified
from shared.messaging.verify import verify as compare

DIFFERENT: Final = 1
SHOWN: Final = 50


def verify(
    service: Annotated[
        list[str] | None, typer.Argument(help="Only the databases of these; all if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Compare the journals, the topics and every inbox.

    Reads all of the topics, and of each given database the journal and the inbox. It finds events
    that Kafka has lost, also the last one of a key, events that no journal knows, and events that
    a service has not taken or has taken with another id. Events on their way are no difference.
    Each service does the same hourly for what is new. The exit code is 1 where anything differs.

    Examples:

      aspire verify

      aspire verify scheduling reporting --json
    """
    chosen = [known_service(each) for each in service or SERVICES]
    verified = uvloop.run(_verify(chosen, hidden=as_json))
    if as_json:
        print_json(_plain(verified))
    else:
        _print(verified)
    if verified.counts:
        raise typer.Exit(DIFFERENT)


async def _verify(names: list[str], *, hidden: bool) -> Verified:
    platform = Platform.here()
    settings = platform.settings
    await require_kafka(settings)
    reads = {name: services.load(name).effects.topics for name in names}
    with unbroken(settings, "Run it again."):
        async with AsyncExitStack() as stack:
            pools: dict[str, asyncpg.Pool] = {
                name: await stack.enter_async_context(pooled(platform, name)) for name in names
            }
            with _progress(hidden=hidden) as progress:
                verified = await compare(pools, reads, settings, _teller(progress))
            if not verified.counts and len(names) == len(SERVICES):
                for pool in pools.values():
                    await hourly.clear(pool)
    return verified


def _print(verified: Verified) -> None:
    if not verified.counts:
        out.print(
            f"{verified.records:,} records and {verified.keys:,} keys of inboxes compared: "
            "no difference."
        )
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("what", "where", "topic", "key"):
        table.add_column(column, overflow="fold")
    table.add_column("seq.", justify="right")
    table.add_column("id", overflow="fold")
    for each in verified.differences[:SHOWN]:
        table.add_row(
            Text(each.kind, style="red"),
            each.where,
            each.topic,
            Text(each.key),
            str(each.sequence),
            str(each.id or "–"),
        )
    out.print(table)
    if (more := verified.counts.total() - SHOWN) > 0:
        out.print(f"… and {more:,} more; --json lists the first thousand.", style="dim")
    for what_to_do in dict.fromkeys(
        f"{each.kind}: {each.way_out}" for each in verified.differences
    ):
        out.print(Text(what_to_do))
    say(f"{verified.records:,} records compared, {verified.counts.total():,} differences.")


def _plain(verified: Verified) -> dict[str, Any]:
    return {
        "records": verified.records,
        "keys": verified.keys,
        "counts": dict(verified.counts),
        "differences": [
            json.loads(json.dumps(asdict(each), default=str)) | {"way_out": each.way_out}
            for each in verified.differences
        ],
    }


def _teller(progress: Progress) -> Callable[[int, int], None]:
    task = progress.add_task("Comparing", total=None)

    def tell(records: int, of: int) -> None:
        progress.update(task, completed=records, total=of)

    return tell


def _progress(*, hidden: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=hidden or not err.is_terminal,
    )
