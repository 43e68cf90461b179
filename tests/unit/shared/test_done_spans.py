"""Spans of what is done already: what a parent is to them, and what the sampler says."""

import json
from typing import Any, cast

import pytest
from opentelemetry.exporter.zipkin.json.v2 import JsonV2Encoder
from opentelemetry.exporter.zipkin.node_endpoint import NodeEndpoint
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Sampler
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from shared.messaging.tracing import MANY, STATEMENT_SPANS, ProcessingSpans
from shared.telemetry import DoneSpans

PARENT = SpanContext(0xAB << 120, 0xCD, is_remote=True, trace_flags=TraceFlags(1))


@pytest.mark.parametrize(("sampler", "made"), [(DEFAULT_ON, 2), (ALWAYS_OFF, 0)])
def test_they_are_in_their_parents_trace_unless_the_sampler_wants_none(
    sampler: Sampler, made: int
) -> None:
    exporter = InMemorySpanExporter()
    spans = DoneSpans(TracerProvider(sampler), SimpleSpanProcessor(exporter))
    above = spans.make("process topic", PARENT, 5, 9, {"messaging.system": "kafka"})
    below = spans.make("SELECT", above, 6, 7, {}, SpanKind.CLIENT)
    assert above.trace_id == below.trace_id == PARENT.trace_id
    assert above.span_id != below.span_id
    found = exporter.get_finished_spans()
    assert [(span.name, span.parent, span.start_time, span.end_time) for span in found] == [
        ("process topic", PARENT, 5, 9),
        ("SELECT", above, 6, 7),
    ][:made]


def test_zipkin_reads_them() -> None:
    exporter = InMemorySpanExporter()
    spans = DoneSpans(TracerProvider(DEFAULT_ON), SimpleSpanProcessor(exporter))
    spans.make("process topic", PARENT, 5, 9, {"messaging.kafka.offset": 7})
    [span] = cast("Any", exporter.get_finished_spans())
    [written] = json.loads(JsonV2Encoder().serialize([span], NodeEndpoint()))
    assert None not in written["tags"].values(), "Zipkin refuses the batch"


@pytest.mark.parametrize(("records", "detailed"), [(MANY, STATEMENT_SPANS // 8), (MANY + 1, 1)])
def test_a_large_batch_shows_its_statements_once(records: int, detailed: int) -> None:
    spans = ProcessingSpans()
    spans.statements = [("SELECT 1", 0, 1)] * 8
    spans.applied = cast("Any", range(records))  # only their number matters
    assert spans.detailed == detailed
