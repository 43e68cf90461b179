"""Records: an event as Kafka carries it, both ways (CloudEvents 1.0, Kafka binding, binary).

Those that a consumer makes by the thousand are not frozen: that would cost four times as much.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as PostgresUUID  # noqa: N811 - the driver's, made in C

from shared.events import Event, Received

SEQUENCE_DIGITS = 12
"""Zero-padded, so that the string sorts as the number does (CloudEvents sequence extension)."""

Headers = Sequence[tuple[str, bytes]]

UNDECODABLE = "aspire-undecodable"
"""The header that a reader gives a record which its client cannot decode: why, in words."""


@dataclass(slots=True)
class Record:
    """A record as it came, untouched; `topic` is the logical name, without a prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None


@dataclass(slots=True)
class Entry:
    """A record whose key and sequence can be read.

    `fault` says why the event itself cannot be read; then, and for a type that this service does
    not use, there is no `event`.
    """

    record: Record
    key: str
    sequence: int
    id: UUID | None = None
    type: str | None = None
    event: Received[Event] | None = None
    fault: str | None = None
    alike: str | None = None
    """What such faults of well-formed events have in common; None where it is malformed."""
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record without a readable key or sequence, or one that contradicts what was taken."""

    record: Record
    reason: str


@dataclass(slots=True)
class Outgoing:
    """A row of the journal on its way to Kafka."""

    position: int
    id: UUID
    topic: str
    key: str
    sequence: int
    type: str
    payload: str | None
    traceparent: str | None
    recorded_at: datetime

    def headers(self, key: bytes) -> list[tuple[str, bytes]]:
        """The CloudEvents attributes; `traceparent` as the fact was recorded with."""
        time = self.recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        headers = [
            ("ce_id", str(self.id).encode()),
            *_of_type(self.type),
            ("ce_time", time.encode()),
            ("ce_subject", key),
            ("ce_sequence", b"%0*d" % (SEQUENCE_DIGITS, self.sequence)),
        ]
        if self.traceparent:
            headers.append(("traceparent", self.traceparent.encode()))
        return headers

    @property
    def value(self) -> bytes | None:
        return None if self.payload is None else self.payload.encode()


@cache
def _of_type(name: str) -> tuple[tuple[str, bytes], ...]:
    """The headers that all events of a type share."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/aspire/{name.split('.')[2]}".encode()),
        ("ce_type", name.encode()),
        ("content-type", b"application/json"),
    )


def event_id(raw: bytes | None) -> UUID:
    """The id in a header `ce_id`.

    Raises:
        ValueError: it is not there, or no UUID.
    """
    return PostgresUUID((raw or b"").decode())


TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(traceparent: bytes | None) -> str | None:
    """Of a well-formed header: anybody may write what stands in a record."""
    found = TRACEPARENT.fullmatch(traceparent or b"")
    return found[1].decode() if found else None


def log_fields(record: Record) -> dict[str, str]:
    """The ids of the event and of its trace for a log line, where the record has them."""
    headers = dict(record.headers)
    found: dict[str, str] = {}
    with suppress(ValueError):
        found["event_id"] = str(event_id(headers.get("ce_id")))
    if traced := trace_id(headers.get("traceparent")):
        found["trace_id"] = traced
    return found


def identity(record: Record) -> UUID:
    """The event's id; for a record without a readable one, an id made of what it holds."""
    try:
        return event_id(dict(record.headers).get("ce_id"))
    except ValueError:
        content = hashlib.sha256(record.key or b"")
        for name, value in record.headers:
            content.update(name.encode("utf-8", "replace") + (value or b""))
        content.update(record.value or b"")
        return UUID(bytes=content.digest()[:16])
