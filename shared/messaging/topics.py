"""Reading topics to their present ends, in no group: for comparing them with a database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from shared.events import Topic
from shared.messaging import cluster, security
from shared.messaging.positions import Partition
from shared.messaging.reader import Reader
from shared.messaging.records import Record, identity
from shared.settings import Settings

AT_A_TIME = 2000
POLL_MS = 200

OPENING_SECONDS = 10
"""In which Kafka has to say what is there: commands may be waiting for the comparison."""

REQUEST_MS = 5000
"""For one answer of one broker, so that another is asked while there is time."""

FETCH_BYTES = 8 * 1024 * 1024
"""Of one answer, which a slow line has to carry in that time."""

ENDING_SECONDS = 2
"""For the end of a transaction that is committed; one that is still open may take longer."""

ENDING_POLL_SECONDS = 0.02

STOPPING_SECONDS = 5
"""After which a reader that does not end is left alone: nobody waits for it."""

STILL_SECONDS = 10
"""After which a reading that does not move is given up: Kafka has gone, or the topic has."""

Place = tuple[int, UUID | None]
"""A record's offset, and the id of its event, which shows that it is that record."""


class Topics:
    """Some topics as they were when they were opened: each partition up to its `ends`.

    Records of transactions that were not committed are not seen.
    """

    def __init__(
        self, reader: Reader | None, settings: Settings, ends: Mapping[TopicPartition, int]
    ) -> None:
        self._reader = reader
        self._prefix = settings.topic_prefix
        self._kafka_ends = ends
        self._until: Mapping[TopicPartition, int] = ends
        self._next: dict[TopicPartition, int] = {}

    @property
    def ends(self) -> dict[Partition, int]:
        """The offset after the last record of each partition."""
        return {self._logical(partition): end for partition, end in self._kafka_ends.items()}

    async def read(
        self, since: Mapping[Partition, int], until: Mapping[Partition, int] | None = None
    ) -> AsyncIterator[list[Record]]:
        """The records of these partitions from the given offsets on, in lists of some thousand.

        Up to the ends, or to where `until` says.

        Raises:
            KafkaError: Kafka has gone away, or a topic is not the one that was opened.
        """
        self._until = {
            partition: min(end, (until or {}).get(self._logical(partition), end))
            for partition, end in self._kafka_ends.items()
        }
        self._next = {
            partition: since[of]
            for partition, end in self._until.items()
            if (of := self._logical(partition)) in since and since[of] < end
        }
        if self._reader is None or not self._next:
            return
        await self.rewind()
        self._reader.resume(*self._next)
        moved_at = time.monotonic()
        while self._next:
            before = dict(self._next)
            if records := await self._read_some(self._reader):
                yield records
            if before != self._next:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > STILL_SECONDS:
                raise KafkaTimeoutError(f"{self._first()} has not moved for {STILL_SECONDS} s")

    async def standing(self, places: Mapping[Partition, Place]) -> dict[Partition, Place]:
        """Those of the records that are still where they were.

        Raises:
            KafkaError: as `read`.
        """
        found: dict[Partition, Place] = {}
        since = {of: offset for of, (offset, _) in places.items()}
        async for records in self.read(since, {of: offset + 1 for of, offset in since.items()}):
            found |= {(r.topic, r.partition): (r.offset, identity(r)) for r in records}
        return {of: place for of, place in places.items() if found.get(of) == place}

    async def _read_some(self, reader: Reader) -> list[Record]:
        try:
            async with asyncio.timeout(STILL_SECONDS):
                found = await reader.getmany(timeout_ms=POLL_MS, max_records=AT_A_TIME)
                positions = {
                    partition: await reader.position(partition) for partition in self._next
                }
        except TimeoutError as error:
            raise KafkaTimeoutError(f"{self._first()} cannot be read on") from error
        if fault := reader.fault():
            raise KafkaError(fault)
        records: list[Record] = []
        for partition, raw in found.items():
            if partition in self._next:
                records += [
                    Record(*self._logical(partition), r.offset, r.key, r.headers, r.value)
                    for r in raw
                    if r.offset < self._until[partition]
                ]
        for partition, position in positions.items():
            if position < self._next[partition]:
                raise KafkaError(f"{partition.topic} begins anew: it is another topic")
            self._next[partition] = position
            if position >= self._until[partition]:
                del self._next[partition]
                reader.pause(partition)
        return records

    def _first(self) -> str:
        return "{} partition {}".format(*min(self._next))

    async def rewind(self) -> None:
        """Goes on after what was handed over, where the reader has lost a part."""
        assert self._reader is not None
        for partition, offset in self._next.items():
            self._reader.seek(partition, offset)

    def _logical(self, partition: TopicPartition) -> Partition:
        return partition.topic.removeprefix(self._prefix), partition.partition


@asynccontextmanager
async def opened(settings: Settings, topics: Sequence[Topic]) -> AsyncIterator[Topics]:
    """Opens those of the topics that are there.

    Raises:
        KafkaError: Kafka does not answer.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                found = await _open(settings, topics, stack)
        except TimeoutError as error:
            raise KafkaTimeoutError(
                f"Kafka has not said what is there for {OPENING_SECONDS} s"
            ) from error
        yield found


async def _open(settings: Settings, topics: Sequence[Topic], stack: AsyncExitStack) -> Topics:
    partitions = await cluster.partitions_of(settings, topics)
    if not partitions:
        return Topics(None, settings, {})

    async def rewind() -> None:
        await found.rewind()

    reader = Reader(
        **security.options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_MS,
        fetch_max_bytes=FETCH_BYTES,
        rewind=rewind,
    )
    stack.push_async_callback(_stop, reader)
    await reader.start()
    # Once only: aiokafka may never end a fetcher whose assignment has just changed.
    reader.assign(partitions)
    reader.pause(*partitions)
    found = Topics(reader, settings, await _ends(reader, settings, topics, partitions))
    return found


async def _ends(
    reader: Reader,
    settings: Settings,
    topics: Sequence[Topic],
    partitions: Sequence[TopicPartition],
) -> dict[TopicPartition, int]:
    """The ends of what is committed.

    Kafka writes the end of a transaction some moments after it has said that it is committed. That
    is waited for, so that nothing that a relay has been told is taken for lost.
    """
    written = await _written(settings, topics, partitions)
    until = time.monotonic() + ENDING_SECONDS
    while True:
        ends: dict[TopicPartition, int] = await reader.end_offsets(partitions)
        ended = all(ends[partition] >= end for partition, end in written.items())
        if ended or time.monotonic() > until:
            return ends
        await asyncio.sleep(ENDING_POLL_SECONDS)


async def _written(
    settings: Settings, topics: Sequence[Topic], partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The ends of what is written to topics that transactions are written to, committed or not."""
    names = {settings.topic_prefix + topic.name for topic in topics if topic.compacted}
    wanted = [partition for partition in partitions if partition.topic in names]
    if not wanted:
        return {}
    reader = AIOKafkaConsumer(
        **security.options(settings), enable_auto_commit=False, request_timeout_ms=REQUEST_MS
    )
    try:
        await reader.start()
        ends: dict[TopicPartition, int] = await reader.end_offsets(wanted)
        return ends
    finally:
        await _stop(reader)


async def _stop(reader: AIOKafkaConsumer) -> None:
    """Ends a reader, whose connections Kafka may have left in mid-request: then without them."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STOPPING_SECONDS):
            await reader.stop()


Opened = Callable[[Settings, Sequence[Topic]], AbstractAsyncContextManager[Topics]]
