"""CloudEvents as a request or a record brings them, read by the SDK: in binary and structured mode,
a request's also batched.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_binary
from cloudevents.core.bindings.kafka import KafkaMessage
from cloudevents.core.bindings.kafka import from_binary as from_record
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from services.integration.domain.reports import REPORTS, Report
from shared.problems import FieldError, Invalid, Refused

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
MOST_EVENTS: Final = 1000
LONGEST_ATTRIBUTE: Final = 255
"""Of source and id, which are a part of an index."""
NEEDED: Final = ("id", "source", "type", "specversion")
UNREADABLE: Final = (
    BaseCloudEventException, ValueError, TypeError, OverflowError, RecursionError,
)  # fmt: skip
"""What json, the SDK and its parser of times raise for what somebody has sent."""


class ModeUnknown(Refused):
    status = 415
    title = "This is no CloudEvent"


class BatchRefused(Invalid):
    title = "The batch cannot be read"


class EventNotValid(Invalid):
    title = "The event is not valid"


class EventTypeUnknown(Invalid):
    title = "No such event is taken here"


@dataclass(frozen=True)
class Sent:
    """An event that was sent: its source and id, as far as they can be read, and what it reports or
    why it is refused."""

    source: str | None
    event_id: str | None
    report: Report | Refused


def read(headers: Mapping[str, str], body: bytes) -> list[Sent] | Sent:
    """A batch, or the one event. Raises ModeUnknown, BatchRefused."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == BATCHED:
        return [_structured(json.dumps(each).encode()) for each in _batch(body)]
    if media_type == STRUCTURED:
        return _structured(body)
    given = {name: value for name, value in headers.items() if name.startswith("ce-")}
    if not given or media_type != "application/json":
        raise ModeUnknown(
            f"Send CloudEvents as “Content-Type: {STRUCTURED}”, several as {BATCHED}, or the data "
            "as application/json with the attributes in headers “ce-id”, “ce-source” and so on."
        )
    message = HTTPMessage(given | {"content-type": media_type}, body)
    try:
        return _sent(from_binary(message, JSONFormat(), _strict))
    except UNREADABLE as error:
        return Sent(given.get("ce-source"), given.get("ce-id"), _in_words(error))


def read_record(headers: Mapping[str, bytes], value: bytes | None) -> Sent:
    """The one event of a record on Kafka, in binary or structured mode.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
    """
    named = {name.lower(): each or b"" for name, each in headers.items()}
    media_type = named.get("content-type", b"").partition(b";")[0].strip().lower()
    if media_type == STRUCTURED.encode():
        return _structured(value or b"")
    given = {name: each for name, each in named.items() if name.startswith("ce_")}
    if not given or media_type != b"application/json":
        return Sent(None, None, ModeUnknown(
            f"Write CloudEvents with the header “content-type: {STRUCTURED}”, or the data with "
            "“content-type: application/json” and the attributes in headers “ce_id” and so on."
        ))  # fmt: skip
    message = KafkaMessage(given | {"content-type": b"application/json"}, None, value or b"")
    try:
        return _sent(from_record(message, JSONFormat(), _strict))
    except UNREADABLE as error:
        source, event_id = (
            _text(given.get(name, b"").decode("utf-8", "replace"))
            for name in ("ce_source", "ce_id")
        )
        return Sent(source, event_id, _in_words(error))


def _batch(body: bytes) -> list[Any]:
    try:
        events = json.loads(body)
    except UNREADABLE as error:
        raise BatchRefused(f"The body cannot be read as JSON: {error}.") from None
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise BatchRefused(f"A batch is a JSON array of {MOST_EVENTS} events at most.")
    return events


def _structured(text: bytes) -> Sent:
    try:
        written = json.loads(text)
    except UNREADABLE as error:
        return Sent(None, None, EventNotValid(f"The event cannot be read as JSON: {error}."))
    if not isinstance(written, dict):
        return Sent(None, None, EventNotValid("An event is a JSON object."))
    try:
        return _sent(JSONFormat().read(_strict, text))
    except UNREADABLE as error:
        source, event_id = (_text(written.get(name)) for name in ("source", "id"))
        return Sent(source, event_id, _in_words(error))


def _strict(attributes: dict[str, Any], data: Any) -> BaseCloudEvent:
    """The SDK's event of CloudEvents 1.0, which by itself makes up an id that is not there."""
    if missing := [name for name in NEEDED if name not in attributes]:
        raise ValueError(f"It lacks {' and '.join(missing)}")
    for name in ("id", "source"):
        text = str(attributes[name])
        if len(text) > LONGEST_ATTRIBUTE or not text.isprintable():
            raise ValueError(f"“{name}” is one line of {LONGEST_ATTRIBUTE} characters at most")
    return CloudEvent(attributes, data)


def _sent(event: BaseCloudEvent) -> Sent:
    return Sent(event.get_source(), event.get_id(), _report(event))


def _report(event: BaseCloudEvent) -> Report | Refused:
    kind = REPORTS.get(event.get_type())
    if kind is None:
        return EventTypeUnknown(
            f"“{event.get_type()}” is not taken here, but {', '.join(REPORTS)}."
        )
    data = event.get_data()
    if isinstance(data, bytes):  # data_base64
        data = JSONFormat().read_data(data, event.get_datacontenttype())
    try:
        return kind.model_validate_json(json.dumps(data))
    except ValidationError as error:
        errors = [_faulty(fault["loc"], fault["msg"]) for fault in error.errors()]
        return EventNotValid(" ".join(each.detail for each in errors), errors=errors)


def _faulty(location: tuple[str | int, ...], message: str) -> FieldError:
    """Without the value, which may be about a person."""
    pointer = "/".join(["#", "data", *map(str, location)])
    where = ".".join(map(str, location)) or "data"
    return FieldError(pointer, f"{where}: {message.removeprefix('Value error, ').rstrip('.')}.")


def _in_words(error: Exception) -> EventNotValid:
    if isinstance(error, CloudEventValidationError):
        faults = [str(each) for of in error.errors.values() for each in of]
        return EventNotValid(". ".join(faults) + ".")
    return EventNotValid(f"The event cannot be read: {error}.")


def _text(value: object) -> str | None:
    return value[:LONGEST_ATTRIBUTE] if isinstance(value, str) else None
