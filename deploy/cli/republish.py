"""`aspire republish`: the journals go to Kafka once more, after Kafka was lost."""

import time
from typing import Annotated, Any

import typer
import uvloop
from rich import box
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table

from deploy.cli.databases import pooled
from deploy.cli.resume import operator
from deploy.cli.servers import require_kafka, unbroken
from deploy.cli.terminal import err, out, print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, known_service
from shared.events import TOPICS
from shared.messaging.republish import JournalIsOlder
from shared.messaging.republish import Progress as Sent
from shared.messaging.republish import republish as send_again

PUBLISHING = tuple(dict.fromkeys(topic.service for topic in TOPICS.values()))


def republish(
    service: Annotated[
        list[str] | None, typer.Argument(help="Only these services; all that publish if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Send the events of the journals to Kafka once more, after Kafka was lost.

    Creates the topics where they are missing, and sends every event with the id and the sequence
    that it had; of a compacted topic only what still counts, so an erased person stays erased.
    Services may go on meanwhile: consumers drop what they have seen. Broken off, it is run again.

    Examples:

      aspire republish

      aspire republish scheduling
    """
    chosen = [publishing(each) for each in service or PUBLISHING]
    done = uvloop.run(_republish(chosen, hidden=as_json))
    if as_json:
        print_json(done)
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("service", style="bold")
    table.add_column("events sent", justify="right")
    table.add_column("seconds", justify="right")
    for each in done:
        table.add_row(each["service"], f"{each['events']:,}", f"{each['seconds']:.1f}")
    out.print(table)


def publishing(name: str) -> str:
    """The name of a service that publishes, checked. Raises CannotDo."""
    if known_service(name) not in PUBLISHING:
        raise CannotDo(f"{name} publishes nothing; {', '.join(PUBLISHING)} do.")
    return name


async def _republish(names: list[str], *, hidden: bool) -> list[dict[str, Any]]:
    platform = Platform.here()
    settings = platform.settings
    await require_kafka(settings)
    done = []
    with _progress(hidden=hidden) as progress:
        tasks = {name: progress.add_task(name, total=None, trouble="") for name in names}
        for name in names:
            began = time.monotonic()
            with unbroken(settings, "Run it again: it begins anew."):
                async with pooled(platform, name) as pool:
                    try:
                        events = await send_again(
                            name, pool, settings, operator(), _teller(progress, tasks[name])
                        )
                    except JournalIsOlder as held:
                        raise CannotDo(f"{name}: {held}") from held
            progress.update(tasks[name], total=1, completed=1)
            seconds = round(time.monotonic() - began, 3)
            done.append({"service": name, "events": events, "seconds": seconds})
    return done


def _teller(progress: Progress, task: TaskID) -> Any:
    def tell(sent: Sent) -> None:
        progress.update(task, completed=sent.position, total=sent.of, trouble=sent.trouble or "")

    return tell


def _progress(*, hidden: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        Remaining(),
        TextColumn("{task.fields[trouble]}", style="yellow"),
        console=err,
        disable=hidden or not err.is_terminal,
    )
