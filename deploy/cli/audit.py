"""`aspire audit`: who changed what, and when."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from deploy.cli.databases import connected
from deploy.cli.events import event_type
from deploy.cli.terminal import moment, out, print_json, say
from deploy.cli.token import parse_lifetime
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, known_service
from deploy.embedded.instance import SERVICES
from shared.clock import LONDON
from shared.events.envelope import TYPE_PREFIX
from shared.messaging import audit as trail
from shared.messaging.audit import ACTS, Change, Wanted


@dataclass(frozen=True)
class Found:
    """A change, and the service whose database has it."""

    service: str
    change: Change

    def plain(self) -> dict[str, Any]:
        """For programs."""
        change = self.change
        return {
            "at": change.recorded_at.isoformat(),
            "service": self.service,
            "actor": change.actor,
            "type": change.type,
            "topic": change.topic,
            "key": change.key,
            "sequence": change.sequence,
            "event_id": change.id,
            "trace_id": change.trace_id,
            "part": change.part,
            "because": change.because,
        }


def audit(
    actor: Annotated[
        str | None, typer.Option(help="Of one actor: a token's subject, operator:… or service:….")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Of one network, school, day, person …")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"Such as PlaceBooked, or {', '.join(ACTS)}. May be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="2026-11-28, 2026-11-28T09:30 (London), or 2h, 7d ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="The same; it is included.")] = None,
    service: Annotated[
        list[str] | None, typer.Option(help="What this service decided. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="The newest so many; 0: all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show who changed what and when, the newest last.

    From the journals of the services: every event with its actor, time, key and trace, but nothing
    of what it says. And what is no event: stops that a service made by itself, and the operators'
    resuming, discarding and rebuilding, with their reasons.

    Examples:

      aspire audit --since 2h

      aspire audit --key 0b7… --type PlaceBooked --type PlaceReleased

      aspire audit --type resumed --type discarded --limit 0 --json
    """
    now = datetime.now(UTC)
    wanted = Wanted(
        actor=actor,
        key=key,
        types=[each if each in ACTS else event_type(each) for each in kind or ()],
        since=_moment(since, now),
        until=_moment(until, now),
        limit=limit + 1 if limit else None,  # one more tells whether there are older ones
    )
    asked = tuple(known_service(each) for each in service or SERVICES)
    found = asyncio.run(_found(asked, wanted))
    older = bool(limit) and len(found) > limit
    shown = found[-limit:] if older else found
    if as_json:
        print_json([each.plain() for each in shown])
    else:
        for each in shown:
            out.print(_text(each), soft_wrap=True)
    if not found:
        say("Nobody changed anything like that.")
    elif older:
        say(f"There are older ones: --until {shown[0].change.recorded_at.isoformat()}")


async def _found(services: tuple[str, ...], wanted: Wanted) -> list[Found]:
    platform, found = Platform.here(), []
    for name in services:
        async with connected(platform, name) as connection:
            found += [Found(name, each) for each in await trail.changes(connection, name, wanted)]
    found.sort(key=lambda each: each.change.recorded_at)
    return found[-wanted.limit :] if wanted.limit else found


def _moment(text: str | None, now: datetime) -> datetime | None:
    """A date or a time in London where it names no zone, or so long ago. Raises CannotDo."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_lifetime(text)
        except CannotDo:
            raise CannotDo(
                f"“{text}” is no time: write 2026-11-28, 2026-11-28T09:30, or 2h or 7d for so "
                "long ago."
            ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=LONDON)


def _text(found: Found) -> Text:
    change = found.change
    name = change.type.removeprefix(f"{TYPE_PREFIX}.")
    if change.type in ACTS:
        name = " ".join(filter(None, (found.service, change.part, change.type)))
    line = Text.assemble(
        (moment(change.recorded_at), "dim"),
        "  ",
        (name, "bold cyan"),
        f"  by {change.actor}",
    )
    for said, value in (("", change.key), ("event ", change.id), ("trace ", change.trace_id)):
        if value:
            line.append(f"  {said}{value}", "dim")
    if change.because:
        line.append(f"  because {change.because}", "yellow")
    return line
