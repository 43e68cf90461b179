"""Log lines of one trace can be found together, and a server that is away does not flood them."""

import json
import logging
import sys

from opentelemetry.sdk.trace import TracerProvider

from shared.telemetry import (
    JsonLines,
    OnceAMinute,
    TextLines,
    current_trace_id,
    current_traceparent,
)

tracer = TracerProvider().get_tracer("test")


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("aspire", logging.INFO, "here.py", 1, message, None, None)
    made.__dict__.update(extra)
    return made


def test_a_line_is_one_json_object_with_what_was_given_beside_it() -> None:
    line = JsonLines("cpd").format(record("Two\nlines", school="Å"))
    assert "\n" not in line
    assert json.loads(line).items() >= {
        "message": "Two\nlines", "school": "Å", "service": "cpd", "level": "INFO",
    }.items()  # fmt: skip


def test_an_exception_is_in_its_line() -> None:
    failed = record("Failed")
    try:
        raise ValueError("the reason")
    except ValueError:
        failed.exc_info = sys.exc_info()
    assert "the reason" in json.loads(JsonLines("cpd").format(failed))["exception"]
    assert "the reason" in TextLines("cpd").format(failed)


def test_lines_within_a_trace_carry_it() -> None:
    assert current_traceparent() is None
    assert "trace_id" not in json.loads(JsonLines("cpd").format(record("Outside")))
    with tracer.start_as_current_span("a request"):
        trace_id, traceparent = current_trace_id(), current_traceparent()
        line = json.loads(JsonLines("cpd").format(record("Inside")))
        text = TextLines("cpd").format(record("Inside"))
    assert trace_id is not None
    assert traceparent is not None
    assert traceparent.startswith(f"00-{trace_id}-")
    assert line["trace_id"] == trace_id
    assert f"[{trace_id[:8]}]" in text


def test_what_a_client_repeats_while_its_server_is_away_is_said_once_a_minute() -> None:
    once = OnceAMinute(["aiokafka"])

    def said(at: float, text: str, logger: str = "aiokafka.conn") -> str | None:
        made = record(text, created=at, name=logger)
        return made.getMessage() if once.filter(made) else None

    lines = [said(at / 10, "Unable to connect: 5% of tries") for at in range(1210)]
    assert [(n, line) for n, line in enumerate(lines) if line] == [
        (0, "Unable to connect: 5% of tries"),
        (600, "Unable to connect: 5% of tries (599 times more in between)"),
        (1200, "Unable to connect: 5% of tries (599 times more in between)"),
    ]
    assert said(121, "Another matter")
    assert all(said(at, "Parked", "shared.messaging.consumer") for at in range(3))
