"""Reading topics to their present ends, in no group: for comparing them with a database."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiokafka import TopicPartition

from shared.events import Topic
from shared.messaging import cluster
from shared.messaging.positions import Partition
from shared.messaging.reader import Reader
from shared.messaging.records import Record
from shared.settings import Settings

AT_A_TIME = 2000
POLL_MS = 200


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
        self._next: dict[TopicPartition, int] = {}

    @property
    def ends(self) -> dict[Partition, int]:
        """The offset after the last record of each partition."""
        return {self._logical(partition): end for partition, end in self._kafka_ends.items()}

    async def read(self, since: Mapping[Partition, int]) -> AsyncIterator[list[Record]]:
        """The records of these partitions from the given offsets on, in lists of some thousand."""
        self._next = {
            partition: since[of]
            for partition, end in self._kafka_ends.items()
            if (of := self._logical(partition)) in since and since[of] < end
        }
        if self._reader is None or not self._next:
            return
        await self.rewind()
        self._reader.resume(*self._next)
        while self._next:
            found = await self._reader.getmany(timeout_ms=POLL_MS, max_records=AT_A_TIME)
            records: list[Record] = []
            for partition, raw in found.items():
                records += [
                    Record(*self._logical(partition), r.offset, r.key, r.headers, r.value)
                    for r in raw
                    if r.offset < self._kafka_ends[partition]
                ]
            if records:
                yield records
            for partition in list(self._next):
                self._next[partition] = await self._reader.position(partition)
                if self._next[partition] >= self._kafka_ends[partition]:
                    del self._next[partition]
                    self._reader.pause(partition)

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
    partitions = await cluster.partitions_of(settings, topics)
    if not partitions:
        yield Topics(None, settings, {})
        return

    async def rewind() -> None:
        await found.rewind()

    reader = Reader(
        bootstrap_servers=settings.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        rewind=rewind,
    )
    try:
        await reader.start()
        # Once only: aiokafka may never end a fetcher whose assignment has just changed.
        reader.assign(partitions)
        reader.pause(*partitions)
        found = Topics(reader, settings, await reader.end_offsets(partitions))
        yield found
    finally:
        await reader.stop()


Opened = Callable[[Settings, Sequence[Topic]], AbstractAsyncContextManager[Topics]]
