"""Where to go on in each partition: after the record that the database remembers as the last.

That record is read once more. Where it is not there, or is another one, the topic is not the one
that it was (another Kafka, a refilled topic, a restored database), and is read from its beginning.
"""

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging.connections import acquire
from shared.messaging.records import Record
from shared.settings import Settings

log = logging.getLogger(__name__)

Partition = tuple[str, int]


class Positions:
    """The positions of the partitions that are assigned to this replica."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._pool = pool
        self._prefix = settings.topic_prefix
        self._expected: dict[Partition, tuple[int, str]] = {}
        """The remembered record of a partition, until it has been met again: offset and id."""

    async def seek(self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]) -> None:
        """Puts the consumer where it has to go on.

        Raises:
            Exception: the database or Kafka is away; call again.
        """
        assigned = list(assigned)
        if not assigned:
            return
        remembered = await self._remembered()
        ends = await consumer.end_offsets(assigned)
        for partition in assigned:
            of = (partition.topic.removeprefix(self._prefix), partition.partition)
            self._expected.pop(of, None)
            offset, event_id = remembered.get(of, (-1, None))
            if 0 <= offset < ends[partition]:
                self._expected[of] = (offset, str(event_id) if event_id else "")
                consumer.seek(partition, offset)
            else:
                if offset >= 0:
                    _warn(of, f"it ends before offset {offset}, which had been taken")
                consumer.seek(partition, 0)

    def check(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> list[Record]:
        """The records to take: without those of partitions that turn out to be other ones."""
        begun_anew: set[Partition] = set()
        kept: list[Record] = []
        for record in records:
            of = (record.topic, record.partition)
            expected = self._expected.pop(of, None)
            if expected is not None and not _is(record, expected):
                _warn(of, f"offset {expected[0]} is not the event that had been taken there")
                consumer.seek(TopicPartition(self._prefix + record.topic, record.partition), 0)
                begun_anew.add(of)
            if of not in begun_anew:
                kept.append(record)
        return kept

    async def early(self, longer_than_seconds: float) -> list[str]:
        """What has been set aside for too long, in words."""
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(
                """
                SELECT s.topic, s.key, min(s.sequence) AS first, coalesce(i.sequence, 0) + 1 AS next
                  FROM set_aside AS s
                  LEFT JOIN inbox AS i USING (topic, key)
                 WHERE s.since < now() - make_interval(secs => $1)
                 GROUP BY s.topic, s.key, i.sequence
                 ORDER BY min(s.since)
                 LIMIT 20
                """,
                longer_than_seconds,
            )
        return [
            f"{row['topic']}: key {row['key']} waits for sequence {row['next']}; "
            f"{row['first']} has come"
            for row in rows
        ]

    async def _remembered(self) -> dict[Partition, tuple[int, UUID | None]]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(
                'SELECT topic, partition, "offset", event_id FROM position'
            )
        return {(row["topic"], row["partition"]): (row["offset"], row["event_id"]) for row in rows}


def _is(record: Record, expected: tuple[int, str]) -> bool:
    offset, event_id = expected
    if record.offset != offset:
        return False
    return not event_id or dict(record.headers).get("ce_id") == event_id.encode()


def _warn(of: Partition, why: str) -> None:
    log.warning("%s partition %d is read from its beginning: %s", *of, why)
