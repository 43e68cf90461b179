"""Hostile records, made from a seed: what a faulty or ill-meaning producer can put onto a topic.

Each class of them has a name, which its records carry in a header of their own, and says what has
to become of them.
"""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from shared.events import Event
from shared.events.cpd import CpdCredited
from shared.events.membership import (
    NetworkEstablished,
    NetworkRenamed,
    PersonProfile,
    PersonProfileErased,
)
from shared.events.scheduling import NetworkDayRescheduled
from shared.events.vocabulary import CpdSource, Region, Strand
from shared.settings import Settings

CLASS = "x-class"
Headers = list[tuple[str, bytes | None]]


@dataclass
class Raw:
    """A record as any client of Kafka can send it."""

    topic: str
    key: bytes | None
    headers: Headers
    value: bytes | None

    def set(self, name: str, value: bytes | None) -> None:
        self.headers = [(n, value if n == name else v) for n, v in self.headers]

    def without(self, name: str) -> None:
        self.headers = [each for each in self.headers if each[0] != name]

    def of(self, name: str) -> bytes:
        return dict(self.headers)[name] or b""


@dataclass(frozen=True)
class Fault:
    """What one class of hostile records does to a good one, and what becomes of it.

    `reason` is a part of what an operator reads; None where it is not parked: "passed over",
    "set aside" or "seen".
    """

    name: str
    spoil: Callable[["Maker", Raw], None]
    reason: str | None
    fate: str = "parked"
    heavy: bool = False
    """Large: a few do."""


@dataclass
class Maker:
    """Makes good events and hostile records; the same seed makes the same ones."""

    seed: int
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def event(self, number: int, key: UUID) -> Event:
        """A good event: which of the five types follows from the number."""
        match number % 5:
            case 0:
                return NetworkEstablished(
                    network_id=key, name="North", region=Region.LONDON, established_on=DAY
                )
            case 1:
                return NetworkRenamed(network_id=key, name="North and East")
            case 2:
                return PersonProfile(person_id=key, name="Ann Other")
            case 3:
                return NetworkDayRescheduled(day_id=key, date=DAY, venue="Hall", places=20)
            case _:
                return CpdCredited(
                    person_id=key, credit_id=key, hours="1.5", strand=Strand.LEADERSHIP,
                    source=CpdSource.NETWORK_DAY, source_id=key, school_id=None, earned_on=DAY,
                )  # fmt: skip

    def raw(self, event: Event, sequence: int, of_class: str = "good") -> Raw:
        """The record of a good event."""
        payload = event.payload()
        return Raw(
            event.topic.name,
            event.key.encode(),
            [
                ("ce_id", str(self.uuid()).encode()),
                ("ce_source", f"/aspire/{event.topic.service}".encode()),
                ("ce_type", event.type.encode()),
                ("ce_time", b"2026-11-25T09:00:00Z"),
                ("ce_subject", event.key.encode()),
                ("ce_specversion", b"1.0"),
                ("ce_sequence", b"%012d" % sequence),
                ("content-type", b"application/json"),
                (CLASS, of_class.encode()),
            ],
            None if payload is None else payload.encode(),
        )

    def hostile(self, fault: Fault) -> Raw:
        """A record of a key of its own, first of its key, spoilt."""
        raw = self.raw(self.event(self.random.randrange(5), self.uuid()), 1, fault.name)
        fault.spoil(self, raw)
        return raw


async def send_undecodable(settings: Settings, topic: str, partition: int) -> None:
    """Sends a record with a header whose name is not UTF-8, as other clients can."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    batch = producer.create_batch()
    batch.append(key=b"k", value=b"v", timestamp=1, headers=[("XX", b"1")])
    batch.close()
    buffer = bytearray(batch._build())
    at = buffer.index(b"XX")
    buffer[at : at + 2] = b"\xff\xfe"
    buffer[17:21] = struct.pack(">I", calc_crc32c(bytes(buffer[21:])))
    batch._buffer = buffer
    name = settings.topic_prefix + topic
    await (await producer.send_batch(batch, name, partition=partition))
    await producer.stop()


DAY = date(2026, 9, 1)


def _as_another(maker: Maker, raw: Raw, event: Event, sequence: int) -> None:
    made = maker.raw(event, sequence, raw.of(CLASS).decode())
    raw.topic, raw.key, raw.headers, raw.value = made.topic, made.key, made.headers, made.value


def _header(name: str, value: bytes | None) -> Callable[[Maker, Raw], None]:
    return lambda _, raw: raw.set(name, value)


def _no_header(name: str) -> Callable[[Maker, Raw], None]:
    return lambda _, raw: raw.without(name)


def _twice(name: str, value: bytes) -> Callable[[Maker, Raw], None]:
    return lambda _, raw: raw.headers.append((name, value))


def _key(value: bytes | None) -> Callable[[Maker, Raw], None]:
    return lambda _, raw: setattr(raw, "key", value)


def _value(value: bytes | None) -> Callable[[Maker, Raw], None]:
    return lambda _, raw: setattr(raw, "value", value)


def _become(event: Callable[[UUID], Event], value: bytes | None) -> Callable[[Maker, Raw], None]:
    def spoil(maker: Maker, raw: Raw) -> None:
        _as_another(maker, raw, event(maker.uuid()), 1)
        raw.value = value

    return spoil


def _cut(maker: Maker, raw: Raw) -> None:
    raw.value = (raw.value or b"")[: maker.random.randrange(1, 20)]


def _junk(maker: Maker, raw: Raw) -> None:
    raw.value = b"\xff" + maker.bytes(maker.random.randrange(1, 200))


def _field_of_another_type(maker: Maker, raw: Raw) -> None:
    fields = json.loads(raw.value or b"{}")
    name = maker.random.choice(sorted(fields))
    fields[name] = maker.random.choice([[], {}, [[]], {"a": {"b": []}}])
    raw.value = json.dumps(fields).encode()


def _without_a_field(maker: Maker, raw: Raw) -> None:
    fields = json.loads(raw.value or b"{}")
    del fields[maker.random.choice(sorted(set(fields) - {"email"}))]  # that one may be left out
    raw.value = json.dumps(fields).encode()


def _nul_in_a_text(_: Maker, raw: Raw) -> None:
    fields = json.loads(raw.value or b"{}")
    name = next((each for each in ("name", "venue") if each in fields), "later_field")
    raw.value = json.dumps(fields | {name: "A\x00B"}).encode()


def _another_key(maker: Maker, raw: Raw) -> None:
    raw.key = str(maker.uuid()).encode()


def _no_key(maker: Maker, raw: Raw) -> None:
    """Not on a compacted topic, where the broker refuses it by itself."""
    _as_another(maker, raw, maker.event(0, maker.uuid()), 1)
    raw.key = None


def _another_topic(_: Maker, raw: Raw) -> None:
    raw.topic = "aspire.cpd" if raw.topic != "aspire.cpd" else "aspire.membership"


def _gap(maker: Maker, raw: Raw) -> None:
    sequence = maker.random.choice([2, 3, 999, 10**17])
    _as_another(maker, raw, maker.event(0, maker.uuid()), sequence)


NOT_JSON = "is not as published: value: Invalid JSON"
NUMBER = "the header ce_sequence is not a positive number of at most 18 digits"

FAULTS: Sequence[Fault] = (
    Fault("no ce_sequence", _no_header("ce_sequence"), "the record has no header ce_sequence"),
    Fault("null ce_sequence", _header("ce_sequence", None), "the record has no header ce_sequence"),
    Fault("empty ce_sequence", _header("ce_sequence", b""), "the record has no header ce_sequence"),
    Fault("binary ce_sequence", _header("ce_sequence", b"\xff1"), NUMBER),
    Fault("negative sequence", _header("ce_sequence", b"-000000000001"), NUMBER),
    Fault("sequence zero", _header("ce_sequence", b"000000000000"), NUMBER),
    Fault("sequence with a point", _header("ce_sequence", b"1.0"), NUMBER),
    Fault("sequence in words", _header("ce_sequence", b"one"), NUMBER),
    Fault("sequence in Arabic digits", _header("ce_sequence", "١".encode()), NUMBER),
    Fault("absurd sequence", _header("ce_sequence", b"9" * 40), NUMBER),
    Fault("two sequences", _twice("ce_sequence", b"2"), "the header ce_sequence is there twice"),
    Fault("no ce_id", _no_header("ce_id"), "the header ce_id is missing"),
    Fault("null ce_id", _header("ce_id", None), "the header ce_id is missing"),
    Fault("binary ce_id", _header("ce_id", b"\xfe\xff"), "the header ce_id is not a UUID"),
    Fault("ce_id in words", _header("ce_id", b"first"), "the header ce_id is not a UUID"),
    Fault("two ids", _twice("ce_id", b"other"), "the header ce_id is there twice"),
    Fault("no ce_type", _no_header("ce_type"), "the record has no header ce_type"),
    Fault("binary ce_type", _header("ce_type", b"\xff"), "the header ce_type is not UTF-8"),
    Fault("huge ce_type", _header("ce_type", b"t" * 5000), "longer than 1000 bytes"),
    Fault("two types", _twice("ce_type", b"uk.aspire.x"), "the header ce_type is there twice"),
    Fault("no ce_time", _no_header("ce_time"), "ce_time is not an RFC 3339 time"),
    Fault("ce_time in words", _header("ce_time", b"today"), "ce_time is not an RFC 3339 time"),
    Fault("local ce_time", _header("ce_time", b"2026-11-25T09:00"), "ce_time is not an RFC 3339"),
    Fault("no key", _no_key, "the record has no key"),
    Fault("empty key", _key(b""), "the record has no key"),
    Fault("binary key", _key(b"\xff\xfe"), "the key is not UTF-8"),
    Fault("key with a NUL", _key(b"a\x00b"), "the key holds a NUL"),
    Fault("huge key", _key(b"k" * 200_000), "the key holds a NUL or is longer", heavy=True),
    Fault("another key", _another_key, "the key is "),
    Fault("another topic", _another_topic, "does not belong on aspire."),
    Fault("a tombstone where none belongs", _value(None), "has no value"),
    Fault(
        "a tombstone with a value",
        _become(lambda key: PersonProfileErased(person_id=key), b"{}"),
        "is a tombstone, yet it has a value",
    ),
    Fault("empty body", _value(b""), NOT_JSON),
    Fault("body cut off", _cut, NOT_JSON),
    Fault("binary body", _junk, NOT_JSON),
    Fault("body with NaN", _value(b'{"places": NaN'), NOT_JSON),
    Fault("deep body", _value(b"[" * 50_000), NOT_JSON, heavy=True),
    Fault("huge body", _value(b'{"name": "' + b"x" * 800_000), NOT_JSON, heavy=True),
    Fault("half a surrogate", _value(b'{"name": "\\ud800"}'), NOT_JSON),
    Fault("a NUL in a text", _nul_in_a_text, "a text holds the character U+0000"),
    Fault("a list for a body", _value(b"[]"), "is not a JSON object"),
    Fault("a number for a body", _value(b"42"), "is not a JSON object"),
    Fault("null for a body", _value(b"null"), "is not a JSON object"),
    Fault("nothing in the body", _value(b"{}"), "Field required"),
    Fault("a field of another type", _field_of_another_type, "is not as published: "),
    Fault("without a field", _without_a_field, "Field required"),
    Fault("an unknown type", _header("ce_type", b"uk.aspire.cpd.Invented.v1"), None, "passed over"),
    Fault(
        "an unknown version",
        _header("ce_type", b"uk.aspire.membership.NetworkEstablished.v9"),
        None,
        "passed over",
    ),
    Fault("a foreign type", _header("ce_type", b"com.example.thing"), None, "passed over"),
    Fault("a sequence skipped", _gap, None, "set aside"),
)
