"""A consumer of aiokafka's shape above the stand-in: a member of a group, or by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaConnectionError

from tests.standin.broker import Broker, Stored

Found = dict[TopicPartition, list[ConsumerRecord]]


class StandInReader:
    """What the kernel uses of a consumer, and what FastStream does.

    As with aiokafka, what is assigned can be read from the group's offsets on before the listener
    has done its work, and a record's rebalance is noticed by `coordinate` alone.
    """

    def __init__(
        self,
        broker: Broker,
        *topics: str,
        group_id: str | None = None,
        client_id: str = "reader",
        rewind: Callable[[], Awaitable[None]] | None = None,
        **options: Any,
    ) -> None:
        self.topics = list(topics)
        self._group_id = group_id
        self._coordinator = SimpleNamespace(member_id=broker.member_id(client_id))
        self._broker = broker
        self._listener: ConsumerRebalanceListener | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._due: list[TopicPartition] | None = None
        self._moved = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def member_id(self) -> str:
        return str(self._coordinator.member_id)

    def subscribe(
        self,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        self.topics, self._listener = list(topics), listener

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._positions = {each: self._committed(each) for each in partitions}

    async def start(self) -> None:
        self._check()
        if self._group_id is not None and self.topics:
            self.join()
            self._task = asyncio.create_task(self._coordinate())
            await self._ready.wait()

    def join(self) -> None:
        """Becomes a member of the group; `coordinate` takes up what the broker assigns."""
        assert self._group_id is not None
        members = self._broker.group(self._group_id).members
        members.append(self)
        members.sort(key=lambda each: each.member_id)
        if self._broker.balances:
            self._broker.balance()

    async def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._group_id is not None:
            self._broker.leave(self._group_id, self)

    def assign_later(self, partitions: list[TopicPartition]) -> None:
        """The broker's decision, which `coordinate` takes up."""
        self._due = partitions
        self._moved.set()

    async def coordinate(self) -> bool:
        """Takes up the partitions that the broker has assigned; False where that is done."""
        if self._due is None:
            return False
        partitions, self._due = self._due, None
        self._moved.clear()
        if self._listener is not None:
            await self._listener.on_partitions_revoked(set(self._positions))
        self._positions = {each: self._committed(each) for each in partitions}
        self._ready.set()
        if self._listener is not None:
            await self._listener.on_partitions_assigned(set(partitions))
        return True

    async def _coordinate(self) -> None:
        while True:
            await self._moved.wait()
            await self.coordinate()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Found:
        """Records that are committed, of the partitions in turn.

        A group's member waits until there are some, as the kernel's reader does; others a while.
        """
        await self._broker.reach("reader.getmany")
        self._check()
        found = self._read(partitions, max_records)
        while not found and timeout_ms:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_ms / 1000):
                    await self._broker.grown.wait()
            self._check()
            found = self._read(partitions, max_records)
            if self._group_id is None:
                break
        return found

    def _read(self, partitions: Iterable[TopicPartition], max_records: int | None) -> Found:
        found: Found = {}
        left = max_records or 10_000
        wanted = (set(partitions) or self._positions.keys()) - self._paused
        for partition in sorted(wanted, reverse=self._broker.last_first):
            log = self._broker.log(partition)
            end = log.stable_end
            for record in log.records:
                if self._positions[partition] <= record.offset < end and left:
                    self._positions[partition] = record.offset + 1
                    if record.counts:
                        found.setdefault(partition, []).append(_record(partition, record))
                        left -= 1
        return {} if self._broker.away else found

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._positions)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await self._broker.reach("reader.end_offsets")
        self._check()
        return {each: self._broker.log(each).stable_end for each in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise IllegalStateError(f"{partition} is not assigned")
        self._positions[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused.difference_update(partitions)

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self._broker.reach("reader.commit")
        self._check()
        assert self._group_id is not None
        group = self._broker.group(self._group_id)
        if self not in group.members and group.members:
            raise IllegalStateError("no longer a member of the group")
        group.committed |= offsets

    async def committed(self, partition: TopicPartition) -> int | None:
        return self._broker.group(self._group_id or "").committed.get(partition)

    def fault(self) -> str | None:
        """Why it will never deliver again: its coordination has ended."""
        if self._task is not None and self._task.done():
            return "its coordination has ended"
        return None

    def _committed(self, partition: TopicPartition) -> int:
        return self._broker.group(self._group_id or "").committed.get(partition, 0)

    def _check(self) -> None:
        if self._stopped:
            raise ConsumerStoppedError
        if self._broker.away:
            raise KafkaConnectionError("the broker is away")


def _record(partition: TopicPartition, stored: Stored) -> ConsumerRecord:
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=stored.offset,
        timestamp=stored.timestamp,
        timestamp_type=0,
        key=stored.key,
        value=stored.value,
        checksum=None,
        serialized_key_size=len(stored.key or b""),
        serialized_value_size=len(stored.value or b""),
        headers=stored.headers,
    )
