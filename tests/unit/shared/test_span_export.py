"""No span that leaves the process says anything about a person, and a collector may be away."""

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from shared.span_export import DiscreetExporter


class Collector(SpanExporter):
    away = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        if self.away:
            raise ConnectionError("refused")
        return SpanExportResult.SUCCESS


def test_queries_and_messages_of_exceptions_stay_here() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(DiscreetExporter(spans)))
    given = {"url.query": "name=zoe%40x.org&zoe@x.org=1", "url.path": "/people/zoe@x.org"}
    with (
        pytest.raises(ValueError, match="zoe"),
        provider.get_tracer("test").start_as_current_span("GET", attributes=given),
    ):
        raise ValueError("Key (email)=(zoe@x.org) exists")
    [span] = spans.get_finished_spans()
    assert span.attributes == {
        "url.query": "name=REDACTED&REDACTED=REDACTED",
        "url.path": "/people/REDACTED",
        "error.type": "ValueError",
    }
    assert not span.status.is_ok
    assert "zoe" not in span.to_json()


def test_statements_of_polling_make_no_trace() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(DiscreetExporter(spans)))
    provider.get_tracer("test").start_span("SELECT", kind=SpanKind.CLIENT).end()
    assert not spans.get_finished_spans()


def test_a_collector_that_is_away_is_told_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    collector = Collector()
    exporter = DiscreetExporter(collector)
    span = TracerProvider().get_tracer("test").start_span("GET")
    assert isinstance(span, ReadableSpan)
    results = [exporter.export([span]) for _ in range(3)]
    collector.away = False
    results.append(exporter.export([span]))
    assert results == [SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS]
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
