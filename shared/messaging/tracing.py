"""Spans of processing: one for the batch, and a child in the record's own trace for each sampled
record (OpenTelemetry semantic conventions for messaging)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.events import Event, Received

tracer = trace.get_tracer("aspire.messaging")
_propagator = TraceContextTextMapPropagator()


class ProcessingSpans:
    """Collects what a batch applied; see `processing_spans`."""

    def __init__(self) -> None:
        self.applied: Sequence[Received[Event]] = ()

    def of(self, applied: Sequence[Received[Event]]) -> None:
        self.applied = applied


@contextmanager
def processing_spans(service: str) -> Iterator[ProcessingSpans]:
    """Makes the spans when the batch is done, so that waiting and starting over make none."""
    spans = ProcessingSpans()
    begun = time.time_ns()
    yield spans
    ended = time.time_ns()
    sampled = [each for each in spans.applied if _is_sampled(each.traceparent)]
    if not sampled:
        return
    links = []
    for event in sampled:
        parent = _propagator.extract({"traceparent": event.traceparent or ""})
        links.append(Link(trace.get_current_span(parent).get_span_context()))
        span = tracer.start_span(
            f"process {event.topic}",
            context=parent,
            kind=SpanKind.CONSUMER,
            start_time=begun,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.name": event.topic,
                "messaging.destination.partition.id": str(event.partition),
                "messaging.kafka.offset": event.offset,
                "messaging.kafka.message.key": event.key,
                "messaging.message.id": str(event.id),
                "messaging.consumer.group.name": f"aspire.{service}",
                "cloudevents.event_type": event.data.type,
            },
        )
        span.end(ended)
    batch_span = tracer.start_span(
        f"process {service} batch",
        kind=SpanKind.CONSUMER,
        start_time=begun,
        links=links[:128],
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": len(spans.applied),
        },
    )
    batch_span.end(ended)


def _is_sampled(traceparent: str | None) -> bool:
    return traceparent is not None and traceparent[-1:] in "13579bdf" and len(traceparent) == 55
