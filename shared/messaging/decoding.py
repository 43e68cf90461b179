"""Reading records: first each one's head by itself, then the bodies, in one call for each type.

Nothing is raised, whatever a record holds: it is unreadable, or its entry says what is wrong.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import Json, TypeAdapter, ValidationError

from shared.events import EVENT_TYPES, Event, Received
from shared.messaging.records import UNDECODABLE, Entry, Record, Unreadable, event_id

TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON escapes it. PostgreSQL's text holds any character but this one."""

TWICE = "the header {} is there twice, with different values"

MAX_TEXT_BYTES = 1000
"""Of a key or a header: well below what an index row of PostgreSQL holds."""


class _Fault(Exception):  # noqa: N818 - it never leaves this module
    """Why a record cannot be read."""

    def __init__(self, reason: str, alike: str | None = None) -> None:
        super().__init__(reason)
        self.alike = alike


def decode(record: Record, uses: frozenset[str]) -> Entry | Unreadable:
    """Reads a record whole; `read_bodies` says what `uses` is."""
    entry = read_head(record)
    if isinstance(entry, Entry):
        read_bodies([entry], uses)
    return entry


def read_head(record: Record) -> Entry | Unreadable:
    """Reads a record's key, sequence, id and type."""
    headers = dict(record.headers)
    twice = _twice(record, headers) if len(headers) < len(record.headers) else None
    try:
        if twice == "ce_sequence":
            raise _Fault(TWICE.format(twice))
        key, sequence = _text(record.key, "key"), _sequence(headers.get("ce_sequence"))
    except _Fault as fault:
        return Unreadable(record, (headers.get(UNDECODABLE) or b"").decode() or str(fault))
    entry = Entry(record, key, sequence, headers=headers)
    try:
        if twice is not None:
            raise _Fault(TWICE.format(twice))
        raw_id = headers.get("ce_id")
        entry.id = event_id(raw_id)
        entry.type = _text(headers.get("ce_type"), "header ce_type")
    except _Fault as fault:
        entry.fault = str(fault)
    except ValueError:
        entry.fault = f"the header ce_id {'is not a UUID' if raw_id else 'is missing'}"
    return entry


def _twice(record: Record, headers: Mapping[str, bytes]) -> str | None:
    """A CloudEvents attribute that is there with two values; the sequence before all others."""
    twice = {name for name, value in record.headers if headers[name] != value}
    return next((name for name in ("ce_sequence", "ce_id", "ce_type", "ce_time") if name in twice),
                None)  # fmt: skip


def read_bodies(entries: Iterable[Entry], uses: frozenset[str]) -> bool:
    """Reads the events of the types in `uses`, those that the service has effects for.

    Answers whether all is well: no entry has a fault.
    """
    well = True
    by_type: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.fault is not None:
            well = False
        elif entry.type in uses:
            by_type[entry.type].append(entry)
    for name, alike in by_type.items():
        kind = EVENT_TYPES[name]
        for entry, data in zip(alike, _payloads(kind, alike), strict=True):
            try:
                entry.event = _received(entry, kind, data)
            except _Fault as fault:
                entry.fault, entry.alike = str(fault), fault.alike
                well = False
    return well


def _received(entry: Entry, kind: type[Event], data: Event | _Fault) -> Received[Event]:
    record = entry.record
    if kind.topic.name != record.topic:
        raise _Fault(f"{kind.type} does not belong on {record.topic}")
    if isinstance(data, _Fault):
        raise data
    if data.key != entry.key:
        raise _Fault(f"the key is {entry.key} but {kind.key_field} is {data.key}")
    assert entry.id is not None
    return Received(
        entry.id,
        record.topic,
        entry.key,
        entry.sequence,
        _time(entry.headers.get("ce_time")),
        data,
        record.partition,
        record.offset,
        _traceparent(entry.headers.get("traceparent")),
    )


def _payloads(kind: type[Event], entries: Sequence[Entry]) -> Sequence[Event | _Fault]:
    """All at once, each as JSON of its own; one by one where one is not as published."""
    values = [entry.record.value for entry in entries]
    if not kind.tombstone and not any(b"\\u0000" in (value or b"") for value in values):
        try:
            return _many(kind).validate_python(values)
        except ValidationError:
            pass
    return [_payload(kind, entry.key, entry.record.value) for entry in entries]


@cache
def _many(kind: type[Event]) -> TypeAdapter[list[Event]]:
    return TypeAdapter(list[Json[kind]])  # type: ignore[valid-type]


def _payload(kind: type[Event], key: str, value: bytes | None) -> Event | _Fault:
    if kind.tombstone and value is not None:
        return _Fault(f"{kind.type} is a tombstone, yet it has a value")
    if not kind.tombstone and value is None:
        return _Fault(f"{kind.type} has no value")
    if value is not None and NUL.search(value):
        return _Fault(f"{kind.type}: a text holds the character U+0000, which cannot be kept")
    fields: dict[str, Any] = {kind.key_field: key}
    try:
        return kind.model_validate(fields) if value is None else kind.model_validate_json(value)
    except ValidationError as error:
        # Values stay out of the reason: they may be personal.
        found = error.errors(include_input=False, include_context=False, include_url=False)
        if any(each["type"] == "model_type" and not each["loc"] for each in found):
            return _Fault(f"{kind.type} is not as published: the value is not a JSON object")
        faults = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in found]
        reason = f"{kind.type} is not as published: {'; '.join(faults)}"[:1000]
        malformed = any(each["type"] == "json_invalid" for each in found)
        places = ", ".join(f"{each['loc']} {each['type']}" for each in found)
        return _Fault(reason, None if malformed else f"{kind.type}: {places}"[:300])


def _text(raw: bytes | None, what: str) -> str:
    if not raw:
        raise _Fault(f"the record has no {what}")
    # PostgreSQL's text holds any character but NUL.
    if len(raw) > MAX_TEXT_BYTES or 0 in raw:
        raise _Fault(f"the {what} holds a NUL or is longer than {MAX_TEXT_BYTES} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _Fault(f"the {what} is not UTF-8") from None


def _sequence(raw: bytes | None) -> int:
    if not raw:
        raise _Fault("the record has no header ce_sequence")
    if not (raw.isdigit() and len(raw) <= 18) or (number := int(raw)) < 1:
        raise _Fault("the header ce_sequence is not a positive number of at most 18 digits")
    return number


def _time(raw: bytes | None) -> datetime:
    try:
        time: datetime | None = datetime.fromisoformat((raw or b"").decode())
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _Fault("the header ce_time is not an RFC 3339 time with an offset")
    return time


def _traceparent(raw: bytes | None) -> str | None:
    return raw.decode() if raw and TRACEPARENT.fullmatch(raw) else None
