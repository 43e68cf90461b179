"""Reads the log up to where the old answers have come, and no further, in no consumer group."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.ending import together
from shared.messaging import batch, security
from shared.messaging.client import Client
from shared.messaging.failures import FaultIsOurs
from shared.messaging.positions import Partition, Positions
from shared.messaging.records import Record
from shared.rebuilding.refusal import CannotRebuild
from shared.service import Service
from shared.settings import Settings

Ends = Mapping[Partition, tuple[int, UUID | None]]
"""The last record that the old answers were made of, by partition: its offset and its id."""

Tell = Callable[[int, int], None]
"""Takes how many records have been taken, and of how many."""

REPUBLISH = (
    "Kafka does not hold every event from the first on. Once `aspire republish` has sent them "
    "again and {service} has read them, run this again"
)


LANES = 2
"""Batches under way at once, of partitions of their own, as two replicas have them: one is read
while the database is busy with the other."""

ANSWER_SECONDS = 15
"""aiokafka asks for ever for a partition that is not there."""


@asynccontextmanager
async def follower(
    service: Service, pool: asyncpg.Pool, settings: Settings, tell: Tell, client: Client
) -> AsyncIterator["Follower"]:
    """Takes the log into the area, in the kernel's own batches."""
    lanes = [_Lane(service, pool, settings, client) for _ in range(LANES)]
    try:
        for lane in lanes:
            await lane.start()
        yield Follower(lanes, tell)
    finally:
        for lane in lanes:
            await lane.stop()


class Follower:
    """Made by `follower`."""

    def __init__(self, lanes: Sequence["_Lane"], tell: Tell) -> None:
        self._lanes = lanes
        self._tell = tell

    async def follow(self, ends: Ends) -> int:
        """Takes everything up to `ends`; answers how many records that were.

        Raises:
            CannotRebuild: Kafka does not have them, or an effect fails for many keys alike.
            Exception: Kafka or the database is away; what was taken is kept.
        """
        of_all = sum(last + 1 for last, _ in ends.values())

        def tell() -> None:
            self._tell(sum(lane.come for lane in self._lanes), of_all)

        partitions = sorted(ends)
        shares = [{of: ends[of] for of in partitions[n::LANES]} for n in range(LANES)]
        following = zip(self._lanes, shares, strict=True)
        return sum(await together(*(lane.follow(share, tell) for lane, share in following)))


class _Lane:
    """Follows a share of the partitions. It has `come` so many records."""

    def __init__(
        self, service: Service, pool: asyncpg.Pool, settings: Settings, client: Client
    ) -> None:
        self.come = 0
        self._service = service
        self._pool = pool
        self._settings = settings
        self._positions = Positions(pool, settings)
        self._assigned: list[TopicPartition] = []
        self._reader: Any = client.reader(
            rewind=self._seek,
            **security.options(settings),
            client_id=f"aspire-{service.name}-rebuild",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
        )

    async def start(self) -> None:
        await self._reader.start()

    async def stop(self) -> None:
        await self._reader.stop()

    async def follow(self, ends: Ends, tell: Callable[[], None]) -> int:
        """As the follower does; calls `tell` whenever it has come on."""
        await self._check(ends)
        if self._assigned != (assigned := [self._named(of) for of in sorted(ends)]):
            self._assigned = assigned
            self._reader.assign(assigned)
            await self._seek()
        begun = self.come = self._come(ends)
        while behind := self._behind(ends):
            found = await self._reader.getmany(
                *behind, timeout_ms=1000, max_records=self._settings.batch_size
            )
            if records := self._to_take(found, ends):
                await self._take(records)
            elif not found:
                await self._check(ends)
            self.come = self._come(ends)
            tell()
        return self.come - begun

    def _behind(self, ends: Ends) -> list[TopicPartition]:
        taken = self._positions.taken()
        return [self._named(of) for of, (end, _) in ends.items() if taken[of] < end]

    def _come(self, ends: Ends) -> int:
        taken = self._positions.taken()
        return sum(taken[of] + 1 for of in ends)

    def _to_take(
        self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]], ends: Ends
    ) -> list[Record]:
        prefix = len(self._settings.topic_prefix)
        records: list[Record] = []
        for partition, raw in found.items():
            end, _ = ends[partition.topic[prefix:], partition.partition]
            if raw[-1].offset > end:
                self._reader.seek(partition, end + 1)
            records += [
                Record(r.topic[prefix:], r.partition, r.offset, r.key, r.headers, r.value)
                for r in raw
                if r.offset <= end
            ]
        return self._positions.check(self._reader, records)

    async def _take(self, records: Sequence[Record]) -> None:
        try:
            outcome = await batch.take(
                self._pool,
                self._service.name,
                self._service.effects,
                records,
                self._settings.consumer_transaction_timeout_seconds,
                self._positions.taken(),
            )
        except FaultIsOurs as fault:
            raise CannotRebuild(
                f"The new answers cannot be made: {fault}. The old ones go on. Mend it, roll it "
                "out, and run this again."
            ) from fault
        self._positions.took(outcome.ends)

    async def _seek(self) -> None:
        await self._positions.seek(self._reader, self._assigned)

    async def _check(self, ends: Ends) -> None:
        """Sees that Kafka has every record from the first to the ends."""
        partitions = {of: self._named(of) for of in ends}
        if not partitions:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                begins = await self._reader.beginning_offsets(list(partitions.values()))
                behind_last = await self._reader.end_offsets(list(partitions.values()))
        except (KafkaError, TimeoutError) as error:
            raise CannotRebuild(
                f"Kafka does not say what it holds of {', '.join(sorted({t for t, _ in ends}))} "
                f"({type(error).__name__}). `aspire status` shows whether it is there, and "
                "`aspire migrate` makes the topics."
            ) from error
        for of, partition in partitions.items():
            last, _ = ends[of]
            if begins[partition] > 0 or behind_last[partition] <= last:
                raise CannotRebuild(
                    f"{REPUBLISH.format(service=self._service.name)}: partition {of[1]} of "
                    f"{partition.topic} has offsets {begins[partition]} to "
                    f"{behind_last[partition] - 1}, and {last} was read."
                )

    def _named(self, of: Partition) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + of[0], of[1])
