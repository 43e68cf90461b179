"""aiokafka's consumer, which a record that cannot even be decoded does not stop.

aiokafka decodes the names of headers strictly, and a name that is not UTF-8 raises out of
`getmany`: what it had drained of other partitions is gone, and the partition never moves on.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from shared.messaging.records import UNDECODABLE

log = logging.getLogger(__name__)

FETCH_MS = 100
"""In which what follows a new position comes from the broker, if there is anything."""

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
        """As aiokafka's; a record that cannot be decoded comes as a blank that says why.

        A group's member waits until there are records, because FastStream sleeps after none. Others
        look at their positions, which also move without any.
        """
        if self._carefully:
            return await self._one_by_one(max_records or 1)
        try:
            found: Found = {}
            while not found:
                found = await super().getmany(
                    *partitions, timeout_ms=timeout_ms, max_records=max_records
                )
                if self._group_id is None:
                    break
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

    async def _one_by_one(self, at_most: int) -> Found:
        """The next records of every partition, blanks in the place of those that are undecodable.

        At least two of each, for the first is the one that was taken last. The rest of an
        undecodable record's batch may come as blanks, too: it can only be skipped one by one.
        """
        found: Found = {}
        blanks = 0
        assigned = self.assignment()
        share = max(2, at_most // max(1, len(assigned)))
        for partition in assigned:
            read: list[ConsumerRecord] = []
            wait_ms = 0 if found else FETCH_MS
            while len(read) < share:
                try:
                    more = await super().getmany(partition, timeout_ms=wait_ms, max_records=1)
                except UnicodeDecodeError:
                    offset = await self.position(partition)
                    self.seek(partition, offset + 1)
                    read.append(_blank(partition, offset))
                    blanks += 1
                    wait_ms = FETCH_MS
                    continue
                if partition not in more:
                    break
                read += more[partition]
                wait_ms = 0
            if read:
                found[partition] = read
        self._carefully = bool(found) and not blanks
        return found

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
        headers=((UNDECODABLE, b"the name of a header is not UTF-8"),),
    )
