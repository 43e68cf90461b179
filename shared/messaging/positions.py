"""Where to go on in each partition: after the record that the database remembers as the last.

That record is read once more. Where it is not there, or is another one, the topic is not the one
that it was (another Kafka, a refilled topic, a restored database), and is read from its beginning.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging.connections import acquire
from shared.messaging.records import Record, identity
from shared.settings import Settings

log = logging.getLogger(__name__)

Partition = tuple[str, int]

BEGINNING = -1
"""Nothing has been taken: whatever the database remembers may be replaced."""


class Positions:
    """The positions of the partitions that are assigned to this replica."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._pool = pool
        self._prefix = settings.topic_prefix
        self._expected: dict[Partition, tuple[int, UUID | None]] = {}
        """The remembered record of a partition, until it has been met again: offset and id."""
        self._taken: dict[Partition, int] = {}
        """The offset up to which this replica has taken a partition since it was sought."""
        self.sought = asyncio.Event()
        """Set while the consumer reads from where the database is, not from Kafka's offsets."""
        self.era = 0
        """Changes where the partitions are lost: what was read before is not to be taken."""

    def lose(self) -> None:
        """The partitions are no longer ours; records that still come are not to be taken."""
        self.era += 1
        self.sought.clear()
        self._taken.clear()
        self._expected.clear()

    async def seek(self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]) -> None:
        """Puts the consumer where it has to go on.

        Raises:
            Exception: the database or Kafka is away; call again.
        """
        assigned = list(assigned)
        self.lose()
        if not assigned:
            return
        remembered = await self._remembered()
        ends = await consumer.end_offsets(assigned)
        for partition in assigned:
            of = (partition.topic.removeprefix(self._prefix), partition.partition)
            offset, event_id = remembered.get(of, (BEGINNING, None))
            if BEGINNING < offset < ends[partition]:
                self._expected[of] = (offset, event_id)
                self._taken[of] = offset - 1
                consumer.seek(partition, offset)
            else:
                if offset > BEGINNING:
                    _warn(of, f"it ends before offset {offset}, which had been taken")
                self._taken[of] = BEGINNING
                consumer.seek(partition, 0)
        self.sought.set()

    def check(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> list[Record]:
        """The records to take: without those of partitions that turn out to be other ones."""
        begun_anew: set[Partition] = set()
        kept: list[Record] = []
        for of, group in groupby(records, attrgetter("topic", "partition")):
            if of in begun_anew or of not in self._taken:
                continue
            found = list(group)
            expected = self._expected.pop(of, None)
            if expected is not None and (found[0].offset, identity(found[0])) != expected:
                _warn(of, f"offset {expected[0]} is not the event that had been taken there")
                topic, partition = of
                consumer.seek(TopicPartition(self._prefix + topic, partition), 0)
                self._taken[of] = BEGINNING
                begun_anew.add(of)
                continue
            kept += found
        return kept

    def taken(self) -> dict[Partition, int]:
        """Where the database must be at least in each partition, for later records to follow."""
        return dict(self._taken)

    async def are_behind(self) -> bool:
        """Whether the database remembers less than this replica has taken: it was restored."""
        taken = self.taken()
        remembered = await self._remembered()
        return any(
            remembered.get(of, (BEGINNING, None))[0] < offset for of, offset in taken.items()
        )

    def took(self, ends: Mapping[Partition, Record]) -> None:
        """The records up to these have been taken."""
        for of, record in ends.items():
            if of in self._taken:
                self._taken[of] = record.offset

    async def _remembered(self) -> dict[Partition, tuple[int, UUID | None]]:
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(
                'SELECT topic, partition, "offset", event_id FROM position'
            )
        return {(row["topic"], row["partition"]): (row["offset"], row["event_id"]) for row in rows}


class Misplaced(Exception):  # noqa: N818 - reads as a claim
    """The database remembers less than this replica has taken: it was restored; seek again."""


async def remember(
    connection: asyncpg.Connection,
    ends: Mapping[Partition, Record],
    since: Mapping[Partition, int],
) -> None:
    """Remembers the last record taken of each partition, by compare-and-set.

    Raises:
        Misplaced: the database is not where the records before these were taken.
    """
    given = (
        [topic for topic, _ in ends],
        [partition for _, partition in ends],
        [record.offset for record in ends.values()],
        [identity(record) for record in ends.values()],
    )
    moved = await connection.fetch(
        """
        UPDATE position AS p
           SET "offset" = l."offset", event_id = l.event_id
          FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::uuid[], $5::bigint[])
               AS l (topic, partition, "offset", event_id, since)
         WHERE (p.topic, p.partition) = (l.topic, l.partition)
           AND p."offset" >= l.since
        RETURNING p.topic, p.partition
        """,
        *given,
        [since.get(of, BEGINNING) for of in ends],
    )
    if len(moved) == len(ends):
        return
    if any(since.get(of, BEGINNING) > BEGINNING for of in ends.keys() - {tuple(r) for r in moved}):
        raise Misplaced
    await connection.execute(
        """
        INSERT INTO position (topic, partition, "offset", event_id)
        SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::uuid[])
        ON CONFLICT (topic, partition) DO UPDATE
           SET "offset" = excluded."offset", event_id = excluded.event_id
        """,
        *given,
    )


def ends_of(records: Iterable[Record]) -> dict[Partition, Record]:
    """The last record of each partition, in the order of the partitions."""
    return dict(sorted({(r.topic, r.partition): r for r in records}.items()))


async def early(connection: asyncpg.Connection, longer_than_seconds: float) -> list[str]:
    """What has been set aside for too long, or contradicts what was taken, in words."""
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
    contradicting = await connection.fetchval(
        "SELECT count(*) FROM parked WHERE failure = 'contradicting'"
    )
    waiting = [
        f"{row['topic']}: key {row['key']} waits for sequence {row['next']}; "
        f"{row['first']} has come"
        for row in rows
    ]
    if contradicting:
        waiting.append(f"{contradicting} parked records contradict what was taken before them")
    return waiting


def _warn(of: Partition, why: str) -> None:
    log.warning("%s partition %d is read from its beginning: %s", *of, why)
