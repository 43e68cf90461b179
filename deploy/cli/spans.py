"""A trace as Zipkin tells it, put in order: which span is below which, and what waited for what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.events.envelope import TYPE_PREFIX

WAIT = "wait in outbox"


@dataclass
class Span:
    """One span; times are in microseconds."""

    id: str
    parent: str | None
    service: str
    name: str
    kind: str
    begun: int
    """Since 1970."""
    lasted: int
    tags: Mapping[str, str]
    below: list["Span"] = field(default_factory=list)
    waited: int | None = None
    """Since Kafka had acknowledged the event; None where it had not yet, or that is not known."""

    @property
    def ended(self) -> int:
        return self.begun + self.lasted

    @property
    def is_statement(self) -> bool:
        return "db.query.text" in self.tags

    @property
    def event_type(self) -> str | None:
        """Such as PlaceBooked, of a span that is about one event."""
        full = self.tags.get("cloudevents.event_type")
        return full.removeprefix(f"{TYPE_PREFIX}.").split(".")[1] if full else None

    @property
    def error(self) -> str | None:
        """What kind of failure it ended with."""
        if "error" not in self.tags:
            return None
        return self.tags.get("error.type") or self.tags["error"] or "failed"

    def walk(self) -> Iterator["Span"]:
        """It, and all below it, each before those below it."""
        yield self
        for each in self.below:
            yield from each.walk()


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[Span]:
    """The spans that have none above them, with the others below; each level by its begin.

    `rows` are what Zipkin's /api/v2/trace answers. A span whose parent is not there (the caller's
    own, or lost) stands at the top.
    """
    spans = {span.id: span for span in map(_span, rows)}
    tops: list[Span] = []
    for span in sorted(spans.values(), key=lambda each: (each.begun, -each.lasted)):
        above = spans.get(span.parent or "")
        (tops if above is None else above.below).append(span)
    sent = {
        span.tags.get("messaging.message.id"): span.ended
        for span in spans.values()
        if span.kind == "PRODUCER" and span.name.startswith("send ")
    }
    for span in spans.values():
        acknowledged = sent.get(span.tags.get("messaging.message.id"))
        if span.kind == "CONSUMER" and acknowledged is not None and acknowledged < span.begun:
            span.waited = span.begun - acknowledged
    return tops


def _span(row: Mapping[str, Any]) -> Span:
    tags = row.get("tags", {})
    return Span(
        id=row["id"],
        parent=row.get("parentId"),
        service=row.get("localEndpoint", {}).get("serviceName", "").removeprefix("aspire-"),
        name=_name(row.get("name", ""), tags),
        kind=row.get("kind", "INTERNAL"),
        begun=row.get("timestamp", 0),
        lasted=row.get("duration", 0),
        tags=tags,
    )


def _name(name: str, tags: Mapping[str, str]) -> str:
    """Zipkin keeps names in lower case; a route is known from the tags."""
    if "http.request.method" in tags and "http.route" in tags:
        return f"{tags['http.request.method']} {tags['http.route']}"
    return name
