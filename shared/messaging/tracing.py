"""Spans of messages, in each sampled record's own trace, made when what they tell of is done.

They follow OpenTelemetry's semantic conventions for messaging and databases. What is not sampled
costs nothing but a look at its flag.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import asyncpg
from asyncpg.connection import LoggedQuery
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import telemetry
from shared.events import Event, Received
from shared.messaging.records import Outgoing

tracer = trace.get_tracer("aspire.messaging")
_propagator = TraceContextTextMapPropagator()

STATEMENT_SPANS: Final = 64
"""At most of one batch. Its statements serve all of its records, so they are shown in the traces of
as many records as that allows, at least of the first."""


def sent(events: Sequence[Outgoing], begun: int) -> None:
    """Makes the spans of sampled events that Kafka has acknowledged now: the wait in the outbox,
    from when they were recorded until `begun` (ns since 1970), and the send.

    An event that is sent again waits since it was recorded first.
    """
    if not telemetry.exports():
        return
    ended = time.time_ns()
    for event in events:
        if not _is_sampled(event.traceparent):
            continue
        attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": event.topic,
            "messaging.message.id": str(event.id),
            "cloudevents.event_id": str(event.id),
            "cloudevents.event_type": event.type,
        }
        parent = _context(event.traceparent)
        recorded = min(int(event.recorded_at.timestamp() * 1e9), begun)
        wait = tracer.start_span(
            "wait in outbox", context=parent, start_time=recorded, attributes=attributes
        )
        wait.end(begun)
        send = tracer.start_span(
            f"send {event.topic}",
            context=parent,
            kind=SpanKind.PRODUCER,
            start_time=begun,
            attributes=attributes
            | {"messaging.operation.type": "send", "messaging.operation.name": "send"},
        )
        send.end(ended)


class ProcessingSpans:
    """Collects what a batch applied; see `processing_spans`."""

    def __init__(self) -> None:
        self.applied: Sequence[Received[Event]] = ()
        self.statements: list[tuple[str, int, int]] = []
        """Text, begin and end in ns since 1970."""

    def of(self, applied: Sequence[Received[Event]]) -> None:
        self.applied = applied

    def ran(self, statement: LoggedQuery) -> None:
        ended = time.time_ns()
        self.statements.append((statement.query, ended - int(statement.elapsed * 1e9), ended))


_collecting: ContextVar[ProcessingSpans | None] = ContextVar("collecting", default=None)


@contextmanager
def statements(connection: asyncpg.Connection) -> Iterator[None]:
    """The batch's statements inside have spans, where its records are sampled."""
    spans = _collecting.get()
    if spans is None:
        yield
        return
    spans.statements.clear()  # of an attempt that was undone
    with connection.query_logger(spans.ran):
        yield


@contextmanager
def processing_spans(service: str) -> Iterator[ProcessingSpans]:
    """Makes the spans when the batch is done, so that waiting and starting over make none."""
    spans = ProcessingSpans()
    if not telemetry.exports():
        yield spans
        return
    begun = time.time_ns()
    token = _collecting.set(spans)
    try:
        yield spans
    finally:
        _collecting.reset(token)
    ended = time.time_ns()
    sampled = [each for each in spans.applied if _is_sampled(each.traceparent)]
    if not sampled:
        return
    detailed = max(1, STATEMENT_SPANS // max(1, len(spans.statements)))
    links = []
    for number, event in enumerate(sampled):
        parent = _context(event.traceparent)
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
                "messaging.batch.message_count": len(spans.applied),
                "cloudevents.event_id": str(event.id),
                "cloudevents.event_type": event.data.type,
            },
        )
        if number < detailed:
            _statements(spans.statements, trace.set_span_in_context(span))
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


def _statements(statements: Sequence[tuple[str, int, int]], parent: Context) -> None:
    for text, begun, ended in statements:
        span = tracer.start_span(
            text.split(maxsplit=1)[0],
            context=parent,
            kind=SpanKind.CLIENT,
            start_time=begun,
            attributes={"db.system.name": "postgresql", "db.query.text": text},
        )
        span.end(ended)


def _context(traceparent: str | None) -> Context:
    return _propagator.extract({"traceparent": traceparent or ""})


def _is_sampled(traceparent: str | None) -> bool:
    return traceparent is not None and traceparent[-1:] in "13579bdf" and len(traceparent) == 55
