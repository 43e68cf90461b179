"""Reading topics from outside: all partitions, no consumer group, CloudEvents decoded."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.events import TOPICS
from shared.messaging import cluster, security
from shared.settings import Settings

EPOCH = datetime.fromtimestamp(0, UTC)
POLL_MS = 500
Ends = dict[TopicPartition, int]


@dataclass(frozen=True)
class Filter:
    """Which events are wanted; no types: all types."""

    topics: tuple[str, ...]
    types: frozenset[str] = frozenset()
    key: str | None = None

    @property
    def takes_all(self) -> bool:
        """Whether every event of the topics is wanted."""
        return not self.types and self.key is None

    def takes(self, event: "Shown") -> bool:
        """Whether this event is wanted."""
        return (not self.types or event.type in self.types) and self.key in (None, event.key)


@dataclass(frozen=True)
class Shown:
    """A record as people and programs are shown it, whatever it holds."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: Mapping[str, str]
    data: Any

    @classmethod
    def of(cls, record: ConsumerRecord, prefix: str) -> "Shown":
        """Reads a record; what is not JSON stays text."""
        headers = {name: _text(value) for name, value in record.headers}
        return cls(
            topic=record.topic.removeprefix(prefix),
            partition=record.partition,
            offset=record.offset,
            key=None if record.key is None else _text(record.key),
            headers=headers,
            data=None if record.value is None else _data(record.value),
        )

    @property
    def type(self) -> str | None:
        """The CloudEvents type."""
        return self.headers.get("ce_type")

    @property
    def sequence(self) -> int | None:
        """Its number in its key."""
        text = self.headers.get("ce_sequence", "")
        return int(text) if text.isdecimal() else None

    @property
    def time(self) -> datetime | None:
        """When it was recorded."""
        try:
            time = datetime.fromisoformat(self.headers.get("ce_time", ""))
        except ValueError:
            return None
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    @property
    def order(self) -> tuple[datetime, str, int, int]:
        """By time, and within a partition as it stands there."""
        return (self.time or EPOCH, self.topic, self.partition, self.offset)

    def plain(self) -> dict[str, Any]:
        """The event in CloudEvents' JSON format, with where it stands on Kafka."""
        attributes = {
            name.removeprefix("ce_"): value
            for name, value in self.headers.items()
            if name.startswith("ce_")
        }
        other = {k: v for k, v in self.headers.items() if k == "traceparent"}
        return {
            **attributes,
            **other,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": self.key,
            "data": self.data,
        }


async def newest(settings: Settings, wanted: Filter, limit: int) -> tuple[list[Shown], Ends]:
    """The newest `limit` events that are there (0: all), the oldest first, and where they end."""
    found: list[Shown] = []
    async with _reader(settings, wanted) as consumer:
        if not consumer.assignment():
            return [], {}
        ends: Ends = await consumer.end_offsets(consumer.assignment())
        begins: Ends = await consumer.beginning_offsets(consumer.assignment())
        for partition, begin in begins.items():
            # Where everything is wanted, no partition can hold more of the newest than `limit`.
            skip = limit and wanted.takes_all
            consumer.seek(partition, max(begin, ends[partition] - limit) if skip else begin)
        while await _is_behind(consumer, ends):
            batches = await consumer.getmany(timeout_ms=POLL_MS)
            for partition, records in batches.items():
                events = (
                    Shown.of(record, settings.topic_prefix)
                    for record in records
                    if record.offset < ends[partition]
                )
                found.extend(event for event in events if wanted.takes(event))
            if limit and len(found) > 10 * limit + 1000:
                found = sorted(found, key=lambda event: event.order)[-limit:]
    found.sort(key=lambda event: event.order)
    return (found[-limit:] if limit else found), ends


async def follow(settings: Settings, wanted: Filter, ends: Ends) -> AsyncIterator[Shown]:
    """The events that arrive from `ends` on, for ever."""
    async with _reader(settings, wanted) as consumer:
        for partition, end in ends.items():
            consumer.seek(partition, end)
        async for record in consumer:
            event = Shown.of(record, settings.topic_prefix)
            if wanted.takes(event):
                yield event


@asynccontextmanager
async def _reader(settings: Settings, wanted: Filter) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer on all partitions of the topics that exist, in no group."""
    partitions = await cluster.partitions_of(settings, [TOPICS[name] for name in wanted.topics])
    consumer = AIOKafkaConsumer(
        **security.options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        yield consumer
    finally:
        await consumer.stop()


async def _is_behind(consumer: AIOKafkaConsumer, ends: Ends) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return True
    return False


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _data(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return _text(raw)
