"""`aspire events`: the topics in readable form. It only reads: no group, nothing committed."""

import asyncio
import difflib
import json
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from rich.console import Group
from rich.json import JSON
from rich.text import Text

from deploy.cli.servers import require_kafka
from deploy.cli.terminal import moment, out, print_line
from deploy.cli.topics import Filter, Shown, follow, newest
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.events import EVENT_TYPES, TOPICS
from shared.events.envelope import TYPE_PREFIX


def events(
    kinds: Annotated[
        list[str] | None,
        typer.Option("--type", help="Such as NetworkDayHeld, or in full. May be repeated."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Of one network, school, day, person …")] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="Such as scheduling. May be repeated.")
    ] = None,
    follow_on: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with those that arrive, until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="The newest so many of those that are there; 0: all.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, one event a line, for programs.")
    ] = False,
) -> None:
    """Show the events on the topics, the newest last.

    Each is shown with its time in London, type, sequence in its key, key, and what it says.

    Examples:

      aspire events --type NetworkDayHeld --limit 5

      aspire events --key 0b7… --limit 0

      aspire events --topic cpd --follow --json
    """
    platform = Platform.here()
    wanted = Filter(
        topics=_topics(topic or []),
        types=frozenset(event_type(each) for each in kinds or []),
        key=key,
    )
    asyncio.run(_show(platform, wanted, limit, follow_on=follow_on, as_json=as_json))


async def _show(
    platform: Platform, wanted: Filter, limit: int, *, follow_on: bool, as_json: bool
) -> None:
    settings = platform.settings
    await require_kafka(settings)
    show = _as_json if as_json else _as_text
    try:
        found, ends = await newest(settings, wanted, limit)
        for each in found:
            show(each)
        if follow_on:
            async for each in follow(settings, wanted, ends):
                show(each)
    except KafkaError as error:
        raise CannotDo(f"Kafka at {settings.kafka} broke off: {error}.") from error


def _topics(names: list[str]) -> tuple[str, ...]:
    """The logical names of the topics; all where none is given."""
    chosen = []
    for name in names:
        full = name if name.startswith("aspire.") else f"aspire.{name}"
        if full not in TOPICS:
            raise CannotDo(f"There is no topic {name}; there are {', '.join(TOPICS)}.")
        chosen.append(full)
    return tuple(chosen or TOPICS)


def event_type(name: str) -> str:
    """The full name of an event type, found by its short one."""
    if name in EVENT_TYPES:
        return name
    by_short = {kind.__name__.casefold(): full for full, kind in EVENT_TYPES.items()}
    if full := by_short.get(name.casefold()):
        return full
    short = {kind.__name__ for kind in EVENT_TYPES.values()}
    close = difflib.get_close_matches(name, short, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(short)}."
    raise CannotDo(f"There is no event type {name}; {hint}")


def _as_json(event: Shown) -> None:
    print_line(json.dumps(event.plain(), ensure_ascii=False))


def _as_text(event: Shown) -> None:
    when = moment(event.time) if event.time else "no time"
    name = (event.type or "of no type").removeprefix(f"{TYPE_PREFIX}.")
    head = Text.assemble(
        (when, "dim"),
        "  ",
        (name, "bold cyan"),
        (f"  #{event.sequence or '?'} of {event.key or 'no key'}", ""),
        (f"  {event.topic}[{event.partition}]@{event.offset}", "dim"),
    )
    out.print(Group(head, *_body(event.data)), soft_wrap=True)


def _body(data: Any) -> list[JSON | Text]:
    if data is None:
        return [Text("  tombstone", style="magenta")]
    if isinstance(data, str):
        return [Text(f"  {data}")]
    return [JSON.from_data(data, indent=None, highlight=out.is_terminal)]
