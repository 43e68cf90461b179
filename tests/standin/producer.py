"""A producer of aiokafka's shape above the stand-in: idempotent, or transactional by its name."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
)
from aiokafka.structs import RecordMetadata

from shared.messaging.partitioning import partition_of
from tests.standin.broker import Broker, Fate, Session, Transaction

RECORDS_OF_A_BATCH = 2
"""Few, so that there are several requests, of which some are lost."""


@dataclass
class Batch:
    """Records that go to one partition in one request: all of them, or none."""

    contents: list[dict[str, Any]] = field(default_factory=list)

    def append(
        self,
        *,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Self | None:
        """None where it is full."""
        if len(self.contents) == RECORDS_OF_A_BATCH:
            return None
        self.contents.append(
            {"timestamp": timestamp, "key": key, "value": value, "headers": tuple(headers)}
        )
        return self

    def close(self) -> None:
        """Nothing waits for it to be filled."""


class StandInProducer:
    """What the kernel uses of a producer. A request's fate is what the broker has been told.

    A request that is lost takes with it what this producer sends to the same partition after it:
    an idempotent producer leaves no gap.
    """

    def __init__(
        self, broker: Broker, *, transactional_id: str | None = None, **options: Any
    ) -> None:
        self._broker = broker
        self._name = transactional_id
        self._session: Session | None = None
        self._stuck: dict[TopicPartition, Fate] = {}
        self._pending: list[asyncio.Future[RecordMetadata]] = []
        self._in_transaction = False
        self._closed = False

    async def start(self) -> None:
        await self._broker.reach("producer.start")
        self._check()
        self._session = self._broker.session(self._name)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_ms: int = 0,
    ) -> "asyncio.Future[RecordMetadata]":
        """Begins to send a record; the answer is a future, as aiokafka's is."""
        await self._broker.reach("producer.send")
        self._check()
        partition = partition_of(key or b"", len(await self.partitions_for(topic)))
        batch = self.create_batch()
        batch.append(timestamp=timestamp_ms, key=key, value=value, headers=headers)
        return self._begin(TopicPartition(topic, partition), batch)

    async def partitions_for(self, topic: str) -> set[int]:
        """The numbers of a topic's partitions."""
        self._check()
        return {each.partition for each in self._broker.partitions([topic])}

    def create_batch(self) -> "Batch":
        """For records that go to one partition together."""
        return Batch()

    async def send_batch(
        self, batch: "Batch", topic: str, *, partition: int
    ) -> "asyncio.Future[RecordMetadata]":
        """Begins to send a batch; the answer says where the first of it is."""
        await self._broker.reach("producer.send")
        self._check()
        return self._begin(TopicPartition(topic, partition), batch)

    async def send_and_wait(self, topic: str, *args: Any, **kwargs: Any) -> RecordMetadata:
        return await (await self.send(topic, *args, **kwargs))

    async def begin_transaction(self) -> None:
        self._check()
        if self._in_transaction:
            raise IllegalOperation("a transaction is under way")
        self._in_transaction = True
        self._started.transaction = Transaction()

    async def commit_transaction(self) -> None:
        """Ends the transaction.

        Raises:
            KafkaError: it has not been done, or that is not known.
        """
        await self._broker.reach("producer.commit_transaction")
        self._check()
        session = self._started
        match self._next_fate():
            case Fate.DONE:
                self._broker.commit(session)
                self._in_transaction = False
            case Fate.ANSWER_LOST:
                self._broker.commit(session)
                raise KafkaTimeoutError("no answer")
            case Fate.LOST:
                raise KafkaTimeoutError("no answer")
            case Fate.LATE:
                self._broker.late.append(_quietly(lambda: self._broker.commit(session)))
                raise KafkaTimeoutError("no answer")

    async def abandon(self) -> None:
        """Ends it; what has not been answered fails."""
        self._closed = True
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(KafkaError("the producer was abandoned"))
                answer.exception()

    stop = abandon

    @property
    def _started(self) -> Session:
        assert self._session is not None, "start() comes first"
        return self._session

    def _check(self) -> None:
        if self._closed:
            raise ProducerClosed
        if self._broker.away:
            raise KafkaConnectionError("the broker is away")

    def _next_fate(self) -> Fate:
        return self._broker.fates.popleft() if self._broker.fates else Fate.DONE

    def _begin(self, partition: TopicPartition, batch: "Batch") -> "asyncio.Future[RecordMetadata]":
        if self._name is not None and not self._in_transaction:
            raise IllegalOperation("no transaction has begun")
        answer: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._pending.append(answer)
        self._request(partition, batch, answer)
        return answer

    def _request(
        self,
        partition: TopicPartition,
        batch: "Batch",
        answer: "asyncio.Future[RecordMetadata]",
    ) -> None:
        fate = self._stuck.get(partition) or self._next_fate()
        session = self._started

        def append() -> int:
            return self._broker.append(session, partition, batch.contents)

        try:
            match fate:
                case Fate.DONE:
                    answer.set_result(_metadata(partition, append()))
                case Fate.ANSWER_LOST:
                    append()
                    raise KafkaTimeoutError("no answer")
                case Fate.LOST:
                    first = partition not in self._stuck
                    self._stuck[partition] = fate
                    raise KafkaTimeoutError("no answer") if first else OutOfOrderSequenceNumber
                case Fate.LATE:
                    self._stuck[partition] = fate
                    self._broker.late.append(_quietly(append))
                    raise KafkaTimeoutError("no answer")
        except KafkaError as error:
            answer.set_exception(error)
            answer.exception()  # it is looked at where the answers are, or nowhere


def _metadata(partition: TopicPartition, offset: int) -> RecordMetadata:
    return RecordMetadata(partition.topic, partition.partition, partition, offset, None, 0, 0)


def _quietly(request: Callable[[], object]) -> Callable[[], object]:
    def late() -> None:
        with suppress(KafkaError):
            request()

    return late
