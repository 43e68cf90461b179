"""`aspire trace`: the way of a request or an event through every service, with what waited."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import typer
from rich.text import Text
from rich.tree import Tree

from deploy.cli.databases import connected
from deploy.cli.http import check, in_words
from deploy.cli.republish import PUBLISHING
from deploy.cli.spans import WAIT, Span, in_order
from deploy.cli.terminal import moment, out, print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.messaging import audit
from shared.settings import LOOPBACK

TRACE: Final = re.compile(r"[0-9a-f]{32}")
LONGEST_STATEMENT: Final = 70
"""Characters of a statement that are shown."""


def trace(
    of: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An event's id, the request id of a problem, or a trace id (32 digits).",
            show_default=False,
        ),
    ],
    statements: Annotated[
        bool, typer.Option("--statements", help="Each statement, not only how many there are.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show the way of a request or an event through every service.

    Each line is a span with its service, when it began, counted from the first, and how long it
    took; beside it what waited: an event in the outbox, and on Kafka for its consumer. The spans
    are those that Zipkin keeps, the one of the instance or of OTEL_EXPORTER_ZIPKIN_ENDPOINT.

    Examples:

      aspire trace 0199f0c2-7b1e-7cc0-9a51-6f1f0f3c2d10

      aspire trace 4bf92f3577b34da6a3ce929d0e0e4736 --json
    """
    platform = Platform.here()
    trace_id = asyncio.run(_trace_id(platform, of.strip()))
    zipkin = platform.zipkin
    tops = in_order(_spans(zipkin, trace_id))
    link = f"{zipkin}/zipkin/traces/{trace_id}"
    if as_json:
        print_json({"trace_id": trace_id, "zipkin": link, "spans": _plain(tops)})
        return
    first, last = _begun(tops), max(span.ended for top in tops for span in top.walk())
    when = moment(datetime.fromtimestamp(first / 1e6, UTC))
    head = f"Trace {trace_id}, {when}, {_duration(last - first)}"
    out.print(Text(head, style="bold"))
    for top in tops:
        tree = Tree(_line(top, first))
        _grow(tree, top.below, first, statements=statements)
        out.print(tree)
    out.print(Text(link, style=f"cyan link {link}"), soft_wrap=True)


async def _trace_id(platform: Platform, given: str) -> str:
    """The trace of what was asked for. Raises CannotDo."""
    if TRACE.fullmatch(given.lower()):
        return given.lower()
    try:
        event_id = UUID(given)
    except ValueError:
        raise CannotDo(
            f"“{given}” is no id: give an event's (as `aspire events` and `aspire audit` show it), "
            "or the 32 digits of a request or a trace."
        ) from None
    for service in PUBLISHING:
        async with connected(platform, service) as connection:
            change = await audit.change(connection, event_id)
        if change is not None:
            return _sampled(change)
    raise CannotDo(f"No journal has an event {event_id}. `aspire events` shows which there are.")


def _sampled(change: audit.Change) -> str:
    if change.trace_id is None or not change.sampled:
        raise CannotDo(
            f"The trace of event {change.id} was not sampled, so nobody has its spans. "
            "OTEL_TRACES_SAMPLER says which traces are; with --no-tracing none is."
        )
    return change.trace_id


def _spans(zipkin: str, trace_id: str) -> list[dict[str, Any]]:
    """What Zipkin has of a trace. Raises CannotDo."""
    proxied = urlsplit(zipkin).hostname not in LOOPBACK
    with in_words("Zipkin", zipkin), httpx.Client(timeout=30, trust_env=proxied) as client:
        answer = client.get(f"{zipkin}/api/v2/trace/{trace_id}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise CannotDo(
            f"Zipkin at {zipkin} has no trace {trace_id}: there was none, it was not sampled, "
            "newer ones have taken its place, or it is so new that its spans are on their way."
        )
    try:
        rows = check(answer).json()
        return [dict(row) for row in rows]
    except (ValueError, TypeError):
        raise CannotDo(f"What answers at {zipkin} is no Zipkin.") from None


def _grow(tree: Tree, spans: Sequence[Span], first: int, *, statements: bool) -> None:
    """Adds the spans; a run of statements is one line, unless each is asked for."""
    for are_statements, run in groupby(spans, key=lambda span: span.is_statement):
        if are_statements and not statements:
            tree.add(_counted(list(run), first))
            continue
        for span in run:
            _grow(tree.add(_line(span, first)), span.below, first, statements=statements)


def _line(span: Span, first: int) -> Text:
    took, begun = _duration(span.lasted), ("  at +" + _duration(span.begun - first), "dim")
    if span.name == WAIT:
        line = Text(f"waited {took} in the outbox", "yellow")
        return line.append(f" ({span.event_type})" if span.event_type else "").append(*begun)
    name = span.name
    if span.is_statement:
        name = " ".join(span.tags["db.query.text"].split())[:LONGEST_STATEMENT]
    line = Text.assemble((span.service, "bold cyan"), f"  {name}")
    if span.event_type:
        line.append(f" ({span.event_type})")
    line.append(f"  {took}", "bold").append(*begun)
    if span.waited is not None:
        line.append(f", waited {_duration(span.waited)} on Kafka", "yellow")
    if span.error:
        line.append(f"  {span.error}", "bold red")
    return line


def _counted(statements: list[Span], first: int) -> Text:
    took = _duration(sum(each.lasted for each in statements))
    what = "1 statement" if len(statements) == 1 else f"{len(statements)} statements"
    begun = _duration(statements[0].begun - first)
    return Text.assemble(f"{what}  ", (took, "bold"), (f"  at +{begun}", "dim"))


def _duration(microseconds: int) -> str:
    if microseconds >= 1_000_000:
        return f"{microseconds / 1e6:.2f} s"
    return f"{microseconds / 1e3:.{1 if microseconds < 10_000 else 0}f} ms"


def _begun(tops: Sequence[Span]) -> int:
    return min(top.begun for top in tops)


def _plain(tops: Sequence[Span]) -> list[dict[str, Any]]:
    first = _begun(tops)
    return [
        {
            "id": span.id,
            "parent": span.parent,
            "service": span.service,
            "name": span.name,
            "kind": span.kind,
            "begun_ms": (span.begun - first) / 1000,
            "took_ms": span.lasted / 1000,
            "waited_on_kafka_ms": None if span.waited is None else span.waited / 1000,
            "event_id": span.tags.get("messaging.message.id"),
            "event_type": span.event_type,
            "error": span.error,
            "statement": span.tags.get("db.query.text"),
        }
        for top in tops
        for span in top.walk()
    ]
