"""The relay's producers: an idempotent one, and a transactional one that fences a former owner."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from shared.events import TOPICS
from shared.messaging.records import Outgoing
from shared.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An event that all in-sync replicas have, and where."""

    event: Outgoing
    partition: int
    offset: int


class Producers:
    """Sends batches with a deadline. A producer that failed is never used again, nor flushed."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._settings = settings
        self._plain: AIOKafkaProducer | None = None
        self._fencing: AIOKafkaProducer | None = None

    async def send(
        self, events: Sequence[Outgoing]
    ) -> tuple[list[Acknowledged], KafkaError | TimeoutError | None]:
        """Sends events in their order and awaits the acknowledgements.

        Answers those acknowledged without a gap within their shard, and the failure that ended
        the batch, if one did.
        """
        plain = [event for event in events if not TOPICS[event.topic].compacted]
        compacted = [event for event in events if TOPICS[event.topic].compacted]
        acknowledged: list[Acknowledged] = []
        try:
            async with asyncio.timeout(self._settings.relay_delivery_seconds):
                if plain:
                    producer = await self._started_plain()
                    acknowledged += await self._deliver(producer, plain)
                if compacted:
                    acknowledged += await self._deliver_fencing(compacted)
        except (KafkaError, TimeoutError, OSError) as error:
            await self.abandon()
            failure = error if isinstance(error, KafkaError | TimeoutError) else KafkaError(error)
            return acknowledged, failure
        if len(acknowledged) < len(events):
            await self.abandon()
            return acknowledged, KafkaError("Kafka refused a part of a batch")
        return acknowledged, None

    async def fence(self) -> None:
        """From here on a former owner of the compacted topics' shard cannot send any more."""
        if self._fencing is not None:
            await _abandon(self._fencing)
        self._fencing = None
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            transactional_id=f"{self._name}.compacted",
            transaction_timeout_ms=int(self._settings.relay_delivery_seconds * 1000),
        )
        try:
            async with asyncio.timeout(self._settings.relay_delivery_seconds):
                await producer.start()
        except BaseException:
            await _abandon(producer)
            raise
        self._fencing = producer

    async def abandon(self) -> None:
        """Ends the producers without sending what they still hold."""
        for producer in (self._plain, self._fencing):
            if producer is not None:
                await _abandon(producer)
        self._plain = self._fencing = None

    async def _started_plain(self) -> AIOKafkaProducer:
        if self._plain is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka,
                enable_idempotence=True,
                acks="all",
                linger_ms=2,
                max_batch_size=256 * 1024,
                metadata_max_age_ms=int(self._settings.metadata_max_age_seconds * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                await _abandon(producer)
                raise
            self._plain = producer
        return self._plain

    async def _deliver_fencing(self, events: Sequence[Outgoing]) -> list[Acknowledged]:
        if self._fencing is None:
            await self.fence()
        assert self._fencing is not None
        async with self._fencing.transaction():
            acknowledged = await self._deliver(self._fencing, events)
            if len(acknowledged) < len(events):
                raise KafkaError("Kafka refused a part of a transaction")
        return acknowledged

    async def _deliver(
        self, producer: AIOKafkaProducer, events: Sequence[Outgoing]
    ) -> list[Acknowledged]:
        deliveries: list[asyncio.Future[RecordMetadata]] = [
            await producer.send(
                self._settings.topic_prefix + event.topic,
                key=event.key.encode(),
                value=event.value,
                headers=event.headers,
                timestamp_ms=int(event.recorded_at.timestamp() * 1000),
            )
            for event in events
        ]
        results = await asyncio.gather(*deliveries, return_exceptions=True)
        acknowledged: list[Acknowledged] = []
        broken: set[int] = set()
        for event, result in zip(events, results, strict=True):
            if isinstance(result, BaseException):
                broken.add(event.shard)
            elif event.shard not in broken:
                acknowledged.append(Acknowledged(event, result.partition, result.offset))
        return acknowledged


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Ends a producer unflushed: `stop()` would wait for, and send, what it still holds.

    Its connections go first, so that requests in flight fail at once. aiokafka has no public way.
    """
    producer._closed = True  # noqa: SLF001
    with suppress(Exception):
        async with asyncio.timeout(5):
            await producer.client.close()
            await producer._sender.close()  # noqa: SLF001
    producer._message_accumulator.fail_all(KafkaError("the producer was abandoned"))  # noqa: SLF001
