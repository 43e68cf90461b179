"""Records: an event as Kafka carries it, both ways (CloudEvents 1.0, Kafka binding, binary)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.events import EVENT_TYPES, Event, Received

SEQUENCE_DIGITS = 12
"""Zero-padded, so that the string sorts as the number does (CloudEvents sequence extension)."""

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

MAX_TEXT_BYTES = 1000
"""Of a key or a header: well below what an index row of PostgreSQL holds."""

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it came, untouched; `topic` is the logical name, without a prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A record whose key and sequence can be read.

    `fault` says why the event itself cannot be read; then, and for a type that this service does
    not use, there is no `event`.
    """

    record: Record
    key: str
    sequence: int
    id: UUID | None
    type: str | None = None
    event: Received[Event] | None = None
    fault: str | None = None
    alike: str | None = None
    """What such faults of well-formed events have in common; None where it is malformed."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record without a readable key or sequence, or one that contradicts what was taken."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the journal on its way to Kafka."""

    shard: int
    position: int
    id: UUID
    topic: str
    key: str
    sequence: int
    type: str
    payload: str | None
    traceparent: str | None
    recorded_at: datetime

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The CloudEvents attributes; `traceparent` as the fact was recorded with."""
        service = self.type.split(".")[2]
        attributes = {
            "ce_id": str(self.id),
            "ce_source": f"/aspire/{service}",
            "ce_type": self.type,
            "ce_time": self.recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_subject": self.key,
            "ce_specversion": "1.0",
            "ce_sequence": str(self.sequence).zfill(SEQUENCE_DIGITS),
            "content-type": "application/json",
        }
        if self.traceparent:
            attributes["traceparent"] = self.traceparent
        return [(name, value.encode()) for name, value in attributes.items()]

    @property
    def value(self) -> bytes | None:
        return None if self.payload is None else self.payload.encode()


class _Fault(Exception):  # noqa: N818 - it never leaves this module
    """Why a record cannot be read."""

    def __init__(self, reason: str, alike: str | None = None) -> None:
        super().__init__(reason)
        self.alike = alike


def decode(record: Record, uses: frozenset[str]) -> Entry | Unreadable:
    """Reads a record by itself; it never raises, whatever the record holds.

    The body is read only where the type is in `uses`, the types that the service has effects for.
    """
    headers = dict(record.headers)
    try:
        key = _text(record.key, "key")
        sequence = _sequence(headers)
    except _Fault as fault:
        return Unreadable(record, str(fault))
    event_id: UUID | None = None
    try:
        event_id = _uuid(headers)
        event_type = _text(headers.get("ce_type"), "header ce_type")
        event = (
            _event(record, headers, event_id, key, sequence, event_type)
            if event_type in uses
            else None
        )
    except _Fault as fault:
        return Entry(record, key, sequence, event_id, fault=str(fault), alike=fault.alike)
    return Entry(record, key, sequence, event_id, event_type, event)


def identity(record: Record) -> UUID:
    """The event's id; for a record without a readable one, an id made of what it holds."""
    try:
        return _uuid(dict(record.headers))
    except _Fault:
        content = hashlib.sha256(record.key or b"")
        for name, value in record.headers:
            content.update(name.encode("utf-8", "replace") + (value or b""))
        content.update(record.value or b"")
        return UUID(bytes=content.digest()[:16])


def _event(
    record: Record, headers: dict[str, bytes], event_id: UUID, key: str, sequence: int, name: str
) -> Received[Event]:
    kind = EVENT_TYPES[name]
    if kind.topic.name != record.topic:
        raise _Fault(f"{name} does not belong on {record.topic}")
    data = _payload(kind, key, record.value)
    if data.key != key:
        raise _Fault(f"the key is {key} but {kind.key_field} is {data.key}")
    traceparent = (headers.get("traceparent") or b"").decode("latin-1")
    return Received(
        id=event_id,
        topic=record.topic,
        key=key,
        sequence=sequence,
        time=_time(headers),
        data=data,
        partition=record.partition,
        offset=record.offset,
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
    )


def _payload(kind: type[Event], key: str, value: bytes | None) -> Event:
    try:
        if kind.tombstone:
            if value is not None:
                raise _Fault(f"{kind.type} is a tombstone, yet it has a value")
            fields: dict[str, Any] = {kind.key_field: key}
            return kind.model_validate(fields)
        if value is None:
            raise _Fault(f"{kind.type} has no value")
        return kind.model_validate_json(value)
    except ValidationError as error:
        # Values stay out of the reason: they may be personal.
        found = error.errors(include_input=False, include_context=False, include_url=False)
        faults = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in found]
        reason = f"{kind.type} is not as published: {'; '.join(faults)}"[:1000]
        malformed = any(each["type"] == "json_invalid" for each in found)
        places = ", ".join(f"{each['loc']} {each['type']}" for each in found)
        raise _Fault(reason, None if malformed else f"{kind.type}: {places}"[:300]) from None


def _text(raw: bytes | None, what: str) -> str:
    if not raw:
        raise _Fault(f"the record has no {what}")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _Fault(f"the {what} is not UTF-8") from None
    # PostgreSQL's text holds any character but this one.
    if "\x00" in text or len(raw) > MAX_TEXT_BYTES:
        raise _Fault(f"the {what} holds a NUL or is longer than {MAX_TEXT_BYTES} bytes")
    return text


def _sequence(headers: dict[str, bytes]) -> int:
    text = _text(headers.get("ce_sequence"), "header ce_sequence")
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or int(text) < 1:
        raise _Fault("the header ce_sequence is not a positive number of at most 18 digits")
    return int(text)


def _uuid(headers: dict[str, bytes]) -> UUID:
    text = _text(headers.get("ce_id"), "header ce_id")
    try:
        return UUID(text)
    except ValueError:
        raise _Fault("the header ce_id is not a UUID") from None


def _time(headers: dict[str, bytes]) -> datetime:
    text = _text(headers.get("ce_time"), "header ce_time")
    try:
        time: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _Fault("the header ce_time is not an RFC 3339 time with an offset")
    return time
