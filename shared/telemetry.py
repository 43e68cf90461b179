"""Traces (OpenTelemetry, W3C trace context), metrics and logs, set up once a process.

`OTEL_*` variables are obeyed. Without an exporter nothing leaves the process, yet each request has
a trace, so that events carry one and log lines of one request can be found together.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind

from shared import metrics
from shared.discretion import plain, traced
from shared.settings import LOOPBACK, Settings, SettingWrong
from shared.span_export import DiscreetExporter

tracer = trace.get_tracer("aspire")


def configure(service: str, settings: Settings) -> None:
    """Log lines, spans and metrics of this process carry the service's name from here on.

    The HTTP spans are FastAPI's own: it makes them once there is a tracer provider. Without an
    exporter a trace that begins here is not sampled, so that nobody makes spans of it.
    """
    configure_logs(service, settings)
    metrics.configure(_resource(service))
    exporter = _exporter()
    if exporter is not None:
        export_to(BatchSpanProcessor(DiscreetExporter(exporter)), service)
    else:
        trace.set_tracer_provider(
            TracerProvider(sampler=ParentBased(ALWAYS_OFF), resource=_resource(service))
        )


def export_to(processor: SpanProcessor, service: str) -> None:
    """Has this process make spans, of statements too, and give them to the processor."""
    global _done
    provider = TracerProvider(resource=_resource(service))
    provider.add_span_processor(processor)
    _done = DoneSpans(provider, processor)
    trace.set_tracer_provider(provider)
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "database")
    # Spans of statements cost some 30 µs each: not where nobody reads them.
    instrumentor = AsyncPGInstrumentor()  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=provider)


class DoneSpans:
    """Makes spans of what is done already, at a third of the price of one that is begun and ended:
    nobody can add anything to them, so they need no locks, limits and copies.
    """

    def __init__(self, provider: TracerProvider, processor: SpanProcessor) -> None:
        self._provider = provider
        self._processor = processor
        # A version of None would be null, for which Zipkin refuses a batch.
        self._scope = InstrumentationScope("aspire.messaging", "")

    def make(
        self,
        name: str,
        parent: SpanContext,
        begun: int,
        ended: int,
        attributes: Mapping[str, str | int],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> SpanContext:
        """Times are ns since 1970. Answers what a child needs to know, also where the sampler
        wants no such span."""
        trace_id = parent.trace_id
        context = SpanContext(
            trace_id,
            self._provider.id_generator.generate_span_id(),
            is_remote=False,
            trace_flags=parent.trace_flags,
            trace_state=parent.trace_state,
        )
        wanted = self._provider.sampler.should_sample(
            trace.set_span_in_context(NonRecordingSpan(parent)), trace_id, name, kind, attributes
        )
        if wanted.decision.is_sampled():  # type: ignore[no-untyped-call]
            self._processor.on_end(
                ReadableSpan(
                    name=name,
                    context=context,
                    parent=parent,
                    resource=self._provider.resource,
                    attributes=attributes,
                    kind=kind,
                    start_time=begun,
                    end_time=ended,
                    instrumentation_scope=self._scope,
                )
            )
        return context


def done_spans() -> DoneSpans | None:
    """None where nobody is given the spans of this process."""
    return _done


_done: DoneSpans | None = None


def _resource(service: str) -> Resource:
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"aspire-{service}"}
    return Resource.create(named)


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A span around what is inside, where the trace is sampled; otherwise nothing."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with tracer.start_as_current_span(name, kind=kind, attributes=attributes):
        yield


def flush() -> None:
    """Sends what has not been exported; the last thing that a process does."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
    metrics.flush()


def current_traceparent() -> str | None:
    """The W3C `traceparent` of what is being done now; None outside any trace."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def current_trace_id() -> str | None:
    """The trace's 32 hexadecimal digits; None outside any trace."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


def untraced() -> AbstractContextManager[None]:
    """Statements inside make no spans: for polling."""
    return suppress_instrumentation()


def configure_logs(service: str, settings: Settings) -> None:
    """Everything that is logged goes to standard error, a line each."""
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines(service) if as_text else JsonLines(service))
    handler.addFilter(OnceAMinute(REPEATING))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    # A collector that is away is told by shared.collector, once.
    for name in ("opentelemetry.exporter", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


REPEATING: Final = ("aiokafka", "shared.database", "shared.web.problems")
"""Loggers that say the same with every attempt or request while a server is away."""


class OnceAMinute(logging.Filter):
    """Holds back what these loggers, or those below them, repeat word for word within a minute.

    The next such line says how often.
    """

    def __init__(self, loggers: Sequence[str]) -> None:
        super().__init__()
        self._loggers = tuple(f"{name}." for name in loggers)
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not f"{record.name}.".startswith(self._loggers) or record.exc_info:
            return True
        text = record.getMessage()
        said_at, held_back = self._said.get((record.name, text), (float("-inf"), 0))
        if record.created - said_at < 60:
            self._said[record.name, text] = (said_at, held_back + 1)
            return False
        if len(self._said) >= MOST_REMEMBERED:
            self._said.clear()
        self._said[record.name, text] = (record.created, 0)
        if held_back:
            record.msg, record.args = f"{text} ({held_back} times more in between)", None
        return True


MOST_REMEMBERED: Final = 1000

_OF_EVERY_RECORD: Final = frozenset(
    [*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName",
     "color_message"]  # uvicorn's message again, with escape sequences in it
)  # fmt: skip


class JsonLines(logging.Formatter):
    """One JSON object a line; what is given as `extra=` is in it, such as `event_id`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        line |= {k: v for k, v in record.__dict__.items() if k not in _OF_EVERY_RECORD}
        if record.exc_info:
            line["exception"] = _exception(record)
        return plain(json.dumps(line, default=str, ensure_ascii=False))


class TextLines(logging.Formatter):
    """A line for people; the first digits of a trace or an event are enough to find it."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        ids = (getattr(record, "trace_id", None) or current_trace_id(),
               getattr(record, "event_id", None))  # fmt: skip
        found = "".join(f" [{each[:8]}]" for each in ids if each)
        line = f"{time} {record.levelname:<7} {self._service}{found} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + _exception(record)
        return plain(line)


def _exception(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return traced(error).rstrip() if error else ""


def _exporter() -> SpanExporter | None:
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not wanted:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        wanted = "otlp" if any(os.environ.get(name) for name in endpoints) else "none"
    match wanted:
        case "none":
            return None
        case "otlp":
            return OTLPSpanExporter()
        case "zipkin":
            return _zipkin()
        case "console":
            return ConsoleSpanExporter()
    raise SettingWrong(f"OTEL_TRACES_EXPORTER is “{wanted}”: use otlp, zipkin, console or none.")


def _zipkin() -> SpanExporter:
    # Only here: few processes need it.
    from opentelemetry.exporter.zipkin.json import ZipkinExporter

    exporter = ZipkinExporter()
    if urlsplit(exporter.endpoint).hostname in LOOPBACK:
        exporter.session.trust_env = False  # no proxy in between
    return exporter
