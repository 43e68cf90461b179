"""What leaves a process of its spans: nothing personal, no polling, and no noise about a collector
that is away."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

from shared.collector import Collector

REDACTED: Final = "REDACTED"
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")


class DiscreetExporter(SpanExporter):
    """Hands spans on without what may be about a person, and says once that nobody takes them.

    Messages of exceptions quote what was sent (PostgreSQL's details have the values of a row), and
    so do query strings. Of both, only the kind is left. A statement without a parent belongs to
    polling or a health check, and is dropped.
    """

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._collector = Collector("spans")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        wanted = [
            discreet(span) for span in spans if span.parent or span.kind is not SpanKind.CLIENT
        ]
        if not wanted:
            return SpanExportResult.SUCCESS
        try:
            result, why = self._inner.export(wanted), ""
        except Exception as error:  # a trace is never worth a failure
            result, why = SpanExportResult.FAILURE, type(error).__name__
        self._collector.answered(result is SpanExportResult.SUCCESS, why)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


def discreet(span: ReadableSpan) -> ReadableSpan:
    """The span without what may be about a person; itself where there is no such thing."""
    attributes = dict(span.attributes or {})
    personal = bool(span.events or span.status.description)
    if "url.query" in attributes:
        names = [name for name, _ in parse_qsl(str(attributes["url.query"]), True)]
        attributes["url.query"] = "&".join(f"{_segment(name)}={REDACTED}" for name in names)
        personal = True
    path = str(attributes.get("url.path", ""))
    if (plain := "/".join(map(_segment, path.split("/")))) != path:
        attributes["url.path"] = plain
        personal = True
    if not personal:
        return span
    if span.status.description and "error.type" not in attributes:
        attributes["error.type"] = span.status.description.partition(":")[0]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _segment(text: str) -> str:
    return text if _PLAIN_SEGMENT.fullmatch(text) else REDACTED
