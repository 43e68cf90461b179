"""What there is to look at afterwards, read with plain SQL and a plain Kafka consumer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

TOPICS = {
    "aspire.membership": "membership",
    "aspire.people": "membership",
    "aspire.scheduling": "scheduling",
    "aspire.cpd": "cpd",
}
"""Each with the service that writes it."""
READS = {
    "scheduling": ("aspire.membership",),
    "cpd": ("aspire.membership", "aspire.scheduling"),
    "reporting": ("aspire.membership", "aspire.scheduling", "aspire.cpd"),
}
"""Each consumer with the topics that it has to follow."""

Key = tuple[str, str]
"""Topic and key."""


@dataclass(frozen=True)
class Fact:
    """An event in a journal (`place` is its position) or on a topic (its offset there)."""

    id: str
    topic: str
    key: str
    sequence: int
    type: str
    """Without prefix and version."""
    value: str | None
    place: int
    partition: int = -1
    actor: str = ""

    @property
    def of(self) -> Key:
        return self.topic, self.key

    @property
    def data(self) -> Any:
        return json.loads(self.value or "{}")

    def __str__(self) -> str:
        return f"{self.topic} {self.key} {self.sequence} {self.type} ({self.id})"


@dataclass(frozen=True)
class Write:
    """A write that the witness saw, in the order of `number`."""

    number: int
    transaction: str
    table: str
    act: str
    owner: str
    was: int | None
    becomes: int | None


@dataclass
class Evidence:
    """Everything, by service where it is a service's."""

    journals: dict[str, list[Fact]] = field(default_factory=dict)
    streams: dict[Key, int] = field(default_factory=dict)
    topics: list[Fact] = field(default_factory=list)
    """In the order of each partition."""
    inboxes: dict[str, dict[Key, tuple[int, str]]] = field(default_factory=dict)
    writes: dict[str, list[Write]] = field(default_factory=dict)
    leftovers: dict[tuple[str, str], int] = field(default_factory=dict)
    """Rows of tables that should be empty, by service and table."""
    answers: dict[str, tuple[int | None, bytes | None]] = field(default_factory=dict)
    """Stored answers by Idempotency-Key: status and body."""
    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """Tables that are looked at as they are."""
    reports: dict[str, Any] = field(default_factory=dict)
    """The national reports by programme year."""


async def gather(urls: Mapping[str, str], kafka: Mapping[str, Any] | None) -> Evidence:
    """Read all of it but the reports; without `kafka`, aiokafka's options,
    the databases only."""
    found = Evidence(topics=await records(kafka) if kafka else [])
    for service, url in urls.items():
        connection = await asyncpg.connect(url)
        try:
            await _read(found, service, connection)
        finally:
            await connection.close()
    return found


async def _read(found: Evidence, service: str, connection: asyncpg.Connection) -> None:
    found.journals[service] = [
        Fact(
            id=str(row["id"]),
            topic=row["topic"],
            key=row["key"],
            sequence=row["sequence"],
            type=row["type"].split(".")[3],
            value=row["payload"],
            place=row["position"],
            actor=row["actor"],
        )
        for row in await connection.fetch(
            "SELECT position, id, topic, key, sequence, type, payload::text AS payload, actor "
            "FROM event ORDER BY position"
        )
    ]
    for row in await connection.fetch("SELECT topic, key, sequence FROM stream"):
        found.streams[row["topic"], row["key"]] = row["sequence"]
    found.inboxes[service] = {
        (row["topic"], row["key"]): (row["sequence"], str(row["last_id"]))
        for row in await connection.fetch("SELECT topic, key, sequence, last_id FROM inbox")
    }
    found.writes[service] = [
        Write(*row)
        for row in await connection.fetch(
            "SELECT number, transaction::text, name, act, owner, was, becomes "
            "FROM witnessed ORDER BY number"
        )
    ]
    for table in ("outbox", "parked", "set_aside", "stop", "discarded"):
        found.leftovers[service, table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
    for row in await connection.fetch("SELECT key, status, body FROM idempotency"):
        found.answers[row["key"]] = (row["status"], row["body"])
    if service in _TABLES:
        name, query = _TABLES[service]
        found.rows[name] = [dict(row) for row in await connection.fetch(query)]


_CREDITS = "SELECT source_id::text AS day, person_id::text AS person, hours FROM credit"
_TABLES = {
    "scheduling": (
        "places",
        "SELECT place_id::text, day_id::text, status, number, attendance FROM place",
    ),
    "cpd": (
        "credits in cpd",
        f"{_CREDITS} WHERE NOT revoked",
    ),
    "reporting": (
        "credits in reporting",
        f"{_CREDITS} WHERE NOT revoked AND source <> 'own_record'",
    ),
}


async def records(kafka: Mapping[str, Any]) -> list[Fact]:
    """Every committed record of every topic, from the beginning."""
    consumer = AIOKafkaConsumer(
        *TOPICS,
        **kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in TOPICS
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.unsubscribe()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        found: list[Fact] = []
        while [p for p in partitions if await consumer.position(p) < ends[p]]:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [_fact(record) for record in batch]
    finally:
        await consumer.stop()
    return found


def _fact(record: Any) -> Fact:
    headers = dict(record.headers)
    return Fact(
        id=headers["ce_id"].decode(),
        topic=record.topic,
        key=record.key.decode(),
        sequence=int(headers["ce_sequence"]),
        type=headers["ce_type"].decode().split(".")[3],
        value=None if record.value is None else record.value.decode(),
        place=record.offset,
        partition=record.partition,
    )
