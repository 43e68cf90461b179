"""aiokafka's consumer, which a record that cannot even be decoded does not stop.

aiokafka decodes the names of headers strictly, and a name that is not UTF-8 raises out of
`getmany`: what it had drained of other partitions is gone, and the partition never moves on.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

log = logging.getLogger(__name__)

Found = dict[TopicPartition, list[ConsumerRecord]]


class Reader(AIOKafkaConsumer):  # type: ignore[misc]
    """Give it `rewind`, which puts all partitions back to where the database is."""

    def __init__(self, *topics: str, rewind: Callable[[], Awaitable[None]], **options: Any) -> None:
        super().__init__(*topics, **options)
        self._rewind = rewind
        self._carefully = False

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Found:
        """As aiokafka's; a record that cannot be decoded comes without key, headers and value."""
        if self._carefully:
            return await self._next_one()
        try:
            found: Found = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except ConsumerStoppedError:
            raise
        except UnicodeDecodeError:
            log.warning("A record cannot be decoded: reading one by one to find it")
            await self._rewind()
            self._carefully = True
            return {}
        except Exception:
            await self._rewind()
            raise
        return found

    async def _next_one(self) -> Found:
        """The next record of any partition, or a blank in the place of one that is undecodable.

        The rest of that record's batch may come as blanks, too: it can only be skipped one by one.
        """
        for partition in self.assignment():
            try:
                found: Found = await super().getmany(partition, timeout_ms=100, max_records=1)
            except UnicodeDecodeError:
                self._carefully = False
                offset = await self.position(partition)
                self.seek(partition, offset + 1)
                return {partition: [_blank(partition, offset)]}
            if found:
                return found
        self._carefully = False
        return {}

    def fault(self) -> str | None:
        """Why this consumer will never deliver again, if one of its tasks has ended."""
        coordinator = getattr(self._coordinator, "_coordination_task", None)
        fetching = getattr(self._fetcher, "error_future", None)
        for name, task in (("coordination", coordinator), ("fetching", fetching)):
            if task is not None and task.done():
                return f"its {name} has ended"
        return None


def _blank(partition: TopicPartition, offset: int) -> ConsumerRecord:
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )
