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
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from shared import telemetry
from shared.events import Event, Received
from shared.messaging.records import Outgoing

tracer = trace.get_tracer("aspire.messaging")

STATEMENT_SPANS: Final = 64
"""At most of one batch. Its statements serve all of its records, so they are shown in the traces of
as many records as that allows, at least of the first."""
MANY: Final = 1000
"""A batch of more records shows its statements once: they are its own more than a record's."""
MOST_LINKS: Final = 128


def sent(events: Sequence[Outgoing], begun: int) -> None:
    """Makes the spans of sampled events that Kafka has acknowledged now: the wait in the outbox,
    from when they were recorded until `begun` (ns since 1970), and the send.

    An event that is sent again waits since it was recorded first.
    """
    if (spans := telemetry.done_spans()) is None:
        return
    ended = time.time_ns()
    for event in events:
        if (parent := _sampled(event.traceparent)) is None:
            continue
        about: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.destination.name": event.topic,
            "messaging.message.id": str(event.id),
            "cloudevents.event_type": event.type,
        }
        recorded = min(int(event.recorded_at.timestamp() * 1e9), begun)
        spans.make("wait in outbox", parent, recorded, begun, about)
        sending = {"messaging.operation.type": "send", "messaging.operation.name": "send"}
        spans.make(f"send {event.topic}", parent, begun, ended, about | sending, SpanKind.PRODUCER)


class ProcessingSpans:
    """Collects what a batch applied; see `processing_spans`."""

    def __init__(self) -> None:
        self.applied: Sequence[Received[Event]] = ()
        self.statements: list[tuple[str, int, int]] = []
        """Text, begin and end in ns since 1970."""

    @property
    def detailed(self) -> int:
        """How many of the sampled records show the statements."""
        if len(self.applied) > MANY:
            return 1
        return max(1, STATEMENT_SPANS // max(1, len(self.statements)))

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
    done = telemetry.done_spans()
    if done is None:
        yield spans
        return
    begun = time.time_ns()
    token = _collecting.set(spans)
    try:
        yield spans
    finally:
        _collecting.reset(token)
    _make(done, service, spans, begun, time.time_ns())


def _make(
    done: telemetry.DoneSpans, service: str, spans: ProcessingSpans, begun: int, ended: int
) -> None:
    sampled = [
        (event, parent)
        for event in spans.applied
        if (parent := _sampled(event.traceparent)) is not None
    ]
    if not sampled:
        return
    detailed = spans.detailed
    for number, (event, parent) in enumerate(sampled):
        about = _about(service, event)
        context = done.make(
            f"process {event.topic}", parent, begun, ended, about, SpanKind.CONSUMER
        )
        if number < detailed:
            _statements(done, spans.statements, context)
    tracer.start_span(
        f"process {service} batch",
        kind=SpanKind.CONSUMER,
        start_time=begun,
        links=[Link(parent) for _, parent in sampled[:MOST_LINKS]],
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": len(spans.applied),
        },
    ).end(ended)


def _about(service: str, event: Received[Event]) -> dict[str, str | int]:
    return {
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
    }


def _statements(
    done: telemetry.DoneSpans, statements: Sequence[tuple[str, int, int]], parent: SpanContext
) -> None:
    for text, begun, ended in statements:
        about: dict[str, str | int] = {"db.system.name": "postgresql", "db.query.text": text}
        done.make(text.split(maxsplit=1)[0], parent, begun, ended, about, SpanKind.CLIENT)


def _sampled(traceparent: str | None) -> SpanContext | None:
    """The span that wrote the event, where its trace is sampled."""
    if traceparent is None or len(traceparent) != 55 or traceparent[-1] not in "13579bdf":
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
