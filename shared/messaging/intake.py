"""The kernel's second way in: topics that others write, whose records have no sequence.

Each record is taken once, in the order of its topic, in one transaction with what it causes and
with the topic's position. Every replica reads every topic; whoever locks the position first takes a
batch, and the others pass it over, so nobody is waited for and nobody has to be found dead.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.discretion import told
from shared.messaging import cluster, security
from shared.messaging.client import Client
from shared.messaging.connections import acquire
from shared.messaging.failures import AWAY, is_about_data, is_ours
from shared.messaging.journal import Transaction
from shared.messaging.records import Record, identity
from shared.problems import Refused
from shared.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
"""How often new topics are looked for, and what could not be taken is tried again."""
POLL_MS: Final = 200
AT_MOST: Final = 500
"""Records of a topic in one transaction."""
NOTHING: Final = -1


class Taker(Protocol):
    """What becomes of records; `name` is the topic's, without what the intake's have in common."""

    async def take(self, tx: Transaction, name: str, records: Sequence[Record]) -> None:
        """Takes records of one topic, in their order, in the transaction.

        Raises Refused where nothing can be taken just now; it is tried again.
        """

    async def refuse(self, tx: Transaction, name: str, record: Record, why: str) -> None:
        """Does without a record that cannot be taken for what it holds."""


class Intake:
    """Takes the records of all topics whose names begin with `family`, each from partition 0."""

    def __init__(
        self,
        family: str,
        taker: Taker,
        pool: asyncpg.Pool,
        settings: Settings,
        took: Callable[[], None] = lambda: None,
        client: Client | None = None,
    ) -> None:
        """`took` is called after a batch that was taken."""
        self._prefix = settings.topic_prefix
        self._family = family
        self._taker = taker
        self._pool = pool
        self._settings = settings
        self._took = took
        self._client = client or Client()
        self._trouble: dict[str, str] = {}
        self._reader: Any = None

    async def run(self) -> None:
        """Until it is cancelled; it waits for Kafka and the database as long as it takes."""
        while True:
            await cluster.wait(self._settings, self._client.answers)
            try:
                await self._read()
            except (KafkaError, *AWAY) as error:
                self._tell("", f"{type(error).__name__}: {error}")
                await asyncio.sleep(self._settings.consumer_retry_seconds)

    async def _read(self) -> None:
        """Until there are other topics than there were: aiokafka may never end a fetcher whose
        assignment has just changed, so each set has a reader of its own."""
        self._reader = self._client.reader(
            rewind=self._seek,
            **security.options(self._settings),
            client_id=f"aspire-intake-{self._family}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
        )
        try:
            await self._reader.start()
            topics = await self._topics()
            if topics:
                self._reader.assign([TopicPartition(topic, 0) for topic in sorted(topics)])
                await self._seek()
            self._tell("", None)
            while await self._topics() == topics:
                await self._take_for(LOOK_SECONDS)
        finally:
            await self._reader.stop()

    async def _topics(self) -> set[str]:
        begins = self._prefix + self._family
        return {topic for topic in await self._reader.topics() if topic.startswith(begins)}

    async def _take_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if not self._reader.assignment():
            await asyncio.sleep(seconds)
        elif paused := self._reader.paused():
            self._reader.resume(*paused)
        while self._reader.assignment() and time.monotonic() < until:
            found = await self._reader.getmany(timeout_ms=POLL_MS, max_records=AT_MOST)
            if fault := self._reader.fault():
                raise KafkaError(fault)
            for partition, raw in found.items():
                await self._take(partition, raw)

    async def _seek(self) -> None:
        """Puts every topic to the record that was taken last, which is read once more."""
        assigned = self._reader.assignment()
        begins = await self._reader.beginning_offsets(assigned)
        ends = await self._reader.end_offsets(assigned)
        async with acquire(self._pool) as connection:
            rows = await connection.fetch('SELECT topic, "offset" FROM intake_position')
            taken = {self._prefix + row["topic"]: row["offset"] for row in rows}
            for partition in assigned:
                offset = taken.get(partition.topic, NOTHING)
                if offset >= ends[partition]:  # what was taken is not on it: it is another one
                    await self._begin_anew(connection, partition, offset)
                    offset = NOTHING
                # What was taken may have gone since, for these topics do not keep for ever.
                self._reader.seek(partition, max(offset, begins[partition]))

    async def _begin_anew(
        self, connection: asyncpg.Connection, partition: TopicPartition, offset: int
    ) -> None:
        log.warning("%s is another topic than it was: it is read from its beginning", partition)
        await connection.execute(
            'UPDATE intake_position SET "offset" = -1 WHERE topic = $1 AND "offset" = $2',
            self._logical(partition), offset,
        )  # fmt: skip

    async def _take(self, partition: TopicPartition, raw: Sequence[ConsumerRecord]) -> None:
        """Takes a batch, or sets its topic aside for a moment; other topics go on."""
        topic = self._logical(partition)
        records = [Record(topic, 0, r.offset, r.key, r.headers, r.value) for r in raw]
        try:
            try:
                await self._take_whole(partition, records)
            except Exception as error:
                if not _is_of_the_records(error):
                    raise
                for record in records:
                    await self._take_one(partition, record)
        except (Refused, *AWAY) as error:
            self._tell(topic, f"{type(error).__name__}: {told(error)}")
            self._reader.seek(partition, records[0].offset)
            self._reader.pause(partition)
        else:
            self._tell(topic, None)

    async def _take_whole(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        async with acquire(self._pool) as connection, connection.transaction():
            new = await self._new(connection, partition, records)
            if not new:
                return
            tx = Transaction(connection, f"intake:{new[0].topic}")
            await self._taker.take(tx, new[0].topic.removeprefix(self._family), new)
            await _keep(tx, new[-1])
        self._took()

    async def _take_one(self, partition: TopicPartition, record: Record) -> None:
        try:
            await self._take_whole(partition, [record])
        except Exception as error:
            if not _is_of_the_records(error):
                raise
            why = f"{type(error).__name__}: {told(error)}"
            log.exception("Done without %s offset %d", record.topic, record.offset)
            async with acquire(self._pool) as connection, connection.transaction():
                tx = Transaction(connection, f"intake:{record.topic}")
                name = record.topic.removeprefix(self._family)
                await self._taker.refuse(tx, name, record, why)
                await _keep(tx, record)

    async def _new(
        self, connection: asyncpg.Connection, partition: TopicPartition, records: Sequence[Record]
    ) -> list[Record]:
        """Those that were not taken before; until the transaction ends nobody else takes any."""
        row = await connection.fetchrow(
            """
            INSERT INTO intake_position (topic, "offset") VALUES ($1, -1)
            ON CONFLICT (topic) DO UPDATE SET topic = excluded.topic
            RETURNING "offset", record_id
            """,
            records[0].topic,
        )
        assert row is not None
        last = [record for record in records if record.offset == row["offset"]]
        if last and identity(last[0]) != row["record_id"]:
            await self._begin_anew(connection, partition, row["offset"])
            self._reader.seek(partition, 0)
            return []
        return [record for record in records if record.offset > row["offset"]]

    def _logical(self, partition: TopicPartition) -> str:
        name: str = partition.topic
        return name.removeprefix(self._prefix)

    def _tell(self, topic: str, trouble: str | None) -> None:
        """Says what is waited for, once, and that it is over."""
        before = self._trouble.pop(topic, None)
        if trouble is not None:
            self._trouble[topic] = trouble
        if trouble != before:
            what = topic or f"{self._family}*"
            log.warning("Taking %s %s", what, f"waits: {trouble}" if trouble else "goes on")


def _is_of_the_records(error: Exception) -> bool:
    return not isinstance(error, Refused) and is_about_data(error) and not is_ours(error)


async def _keep(tx: Transaction, last: Record) -> None:
    await tx.connection.execute(
        'UPDATE intake_position SET "offset" = $2, record_id = $3 WHERE topic = $1',
        last.topic, last.offset, identity(last),
    )  # fmt: skip
    await tx.append()
