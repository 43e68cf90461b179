"""Reading records: first each one's head by itself, then the bodies, in one call for each type.

Nothing is raised, whatever a record holds: it is unreadable, or its entry says what is wrong.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as PostgresUUID  # noqa: N811 - the driver's, made in C
from pydantic import Json, TypeAdapter, ValidationError

from shared.events import EVENT_TYPES, Event, Received
from shared.messaging.records import (
    SEQUENCE_DIGITS,
    TRACEPARENT,
    UNDECODABLE,
    Entry,
    Record,
    Unreadable,
    event_id,
)

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON escapes it. PostgreSQL's text holds any character but this one."""

TWICE = "the header {} is there twice, with different values"

ZERO = b"0" * SEQUENCE_DIGITS

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
    return _as_sent(record, headers) or _whatever_came(record, headers)


def _as_sent(record: Record, headers: Mapping[str, bytes]) -> Entry | None:
    """The head of a record that is as ours are, by a short cut; None where it is not."""
    key, number = record.key, headers.get("ce_sequence")
    name = _type_named(headers.get("ce_type"))
    if (
        len(headers) == len(record.headers)
        and name is not None
        and key
        and len(key) <= MAX_TEXT_BYTES
        and 0 not in key
        and number
        and len(number) == SEQUENCE_DIGITS
        and number.isdigit()
        and number > ZERO
    ):
        try:
            identity = PostgresUUID(headers["ce_id"].decode())
            return Entry(record, key.decode(), int(number), identity, name, headers=headers)
        except (KeyError, ValueError, AttributeError):
            return None
    return None


@lru_cache(maxsize=500)
def _type_named(raw: bytes | None) -> str | None:
    """The type of that name, if there is one."""
    name = (raw or b"").decode("utf-8", "replace")
    return name if name in EVENT_TYPES else None


def _whatever_came(record: Record, headers: Mapping[str, bytes]) -> Entry | Unreadable:
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
        well &= _read_alike(EVENT_TYPES[name], alike)
    return well


def _read_alike(kind: type[Event], entries: Sequence[Entry]) -> bool:
    well = True
    topic, key_of = kind.topic.name, attrgetter(kind.key_field)
    for entry, data in zip(entries, _payloads(kind, entries), strict=True):
        record, headers = entry.record, entry.headers
        try:
            if record.topic != topic:
                raise _Fault(f"{kind.type} does not belong on {record.topic}")
            if type(data) is not kind:
                assert isinstance(data, _Fault)
                raise data
            if (named := _named(key_of(data))) != entry.key:
                raise _Fault(f"the key is {entry.key} but {kind.key_field} is {named}")
            assert entry.id is not None
            entry.event = Received(
                entry.id,
                topic,
                entry.key,
                entry.sequence,
                _time(headers.get("ce_time")),
                data,
                record.partition,
                record.offset,
                _traceparent(headers.get("traceparent")),
            )
        except _Fault as fault:
            entry.fault, entry.alike = str(fault), fault.alike
            well = False
    return well


def _named(key: object) -> str:
    """A key as records have it; the driver's UUID is written in a third of Python's time."""
    return str(PostgresUUID(key.bytes) if type(key) is UUID else key)


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
