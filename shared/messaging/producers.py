"""The relay's producers: an idempotent one, and a transactional one that fences a former owner."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from shared.events import TOPICS
from shared.messaging import faults, security
from shared.messaging.client import Client, Producer
from shared.messaging.partitioning import partition_of
from shared.messaging.positions import Partition
from shared.messaging.records import Outgoing
from shared.settings import Settings

log = logging.getLogger(__name__)

BATCH_BYTES = 256 * 1024
"""Of what goes to a partition at once, unless one event alone is larger; a topic takes 1 MiB."""

COMPACTED = frozenset(topic.name for topic in TOPICS.values() if topic.compacted)

TOGETHER = 500
"""Events put into batches before others of this process have their turn."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a batch of a partition is: the offsets of its first and last event, and the last."""

    partition: Partition
    first: int
    last: int
    event: Outgoing


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The `events` that all in-sync replicas have, without a gap within their key, and where all
    batches are that Kafka has."""

    events: Sequence[Outgoing] = ()
    landed: Sequence[Landed] = ()


Delivery = tuple[Sequence[Outgoing], "asyncio.Future[RecordMetadata]"]
"""Events of one partition that go in one batch, and Kafka's answer: where the first of them is."""


def fencing_id(service: str, prefix: str) -> str:
    """The transactional id by which a service's relays fence each other."""
    return f"{prefix}aspire.{service}.compacted"


class Producers:
    """Sends batches with a deadline. A producer that failed is never used again, nor flushed."""

    def __init__(self, service: str, settings: Settings, client: Client) -> None:
        self._service = service
        self._settings = settings
        self._client = client
        self._plain: Producer | None = None
        self._fencing: Producer | None = None

    async def send(
        self, events: Sequence[Outgoing]
    ) -> tuple[Acknowledged, KafkaError | TimeoutError | None]:
        """Sends events in their order and awaits the acknowledgements.

        Answers what was acknowledged, and the failure that ended the batch, if one did.
        """
        deliveries: list[Delivery] = []
        failure: KafkaError | TimeoutError | None = None
        try:
            async with asyncio.timeout(self._settings.relay_delivery_seconds):
                compacted = [event for event in events if event.topic in COMPACTED]
                plain = [event for event in events if event.topic not in COMPACTED]
                await self._deliver_plain(plain if compacted else events, deliveries)
                await self._deliver_fencing(compacted, deliveries)
        except (KafkaError, TimeoutError, OSError) as error:
            failure = error if isinstance(error, KafkaError | TimeoutError) else KafkaError(error)
        acknowledged = _acknowledged(events, deliveries)
        if failure is None and len(acknowledged.events) < len(events):
            failure = KafkaError("Kafka refused a part of a batch")
        if failure is not None:
            await self.abandon()
        return acknowledged, failure

    @property
    def fences(self) -> bool:
        """Whether there is a producer that has fenced a former owner."""
        return self._fencing is not None

    async def fence(self) -> None:
        """From here on a former owner of the compacted topics' shard cannot send any more."""
        if self._fencing is not None:
            await self._fencing.abandon()
        self._fencing = None
        producer: Producer = self._client.producer(
            **security.options(self._settings),
            transactional_id=fencing_id(self._service, self._settings.topic_prefix),
            max_batch_size=BATCH_BYTES,
            transaction_timeout_ms=int(self._settings.relay_delivery_seconds * 1000),
        )
        try:
            async with asyncio.timeout(self._settings.relay_delivery_seconds):
                await producer.start()
        except BaseException:
            await producer.abandon()
            raise
        self._fencing = producer

    async def abandon(self) -> None:
        """Ends the producers without sending what they still hold."""
        for producer in (self._plain, self._fencing):
            if producer is not None:
                await producer.abandon()
        self._plain = self._fencing = None

    async def _started_plain(self) -> Producer:
        if self._plain is None:
            producer: Producer = self._client.producer(
                **security.options(self._settings),
                enable_idempotence=True,
                acks="all",
                max_batch_size=BATCH_BYTES,
                metadata_max_age_ms=int(self._settings.metadata_max_age_seconds * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.abandon()
                raise
            self._plain = producer
        return self._plain

    async def _deliver_plain(self, events: Sequence[Outgoing], deliveries: list[Delivery]) -> None:
        if events:
            producer = await self._started_plain()
            await self._deliver(producer, events, deliveries)

    async def _deliver_fencing(
        self, events: Sequence[Outgoing], deliveries: list[Delivery]
    ) -> None:
        """In a transaction: what it sends counts when it is committed, or not at all.

        It is never aborted here, which would wait without a limit: the next owner's first request
        does that.
        """
        if not events:
            return
        producer = self._fencing
        if producer is None:
            raise KafkaError("the producer that fenced a former relay was given up meanwhile")
        sent: list[Delivery] = []
        await producer.begin_transaction()
        await self._deliver(producer, events, sent)
        if len(_acknowledged(events, sent).events) < len(events):
            raise KafkaError("Kafka refused a part of a transaction")
        await faults.reach("after_send_before_transaction_ends")
        await producer.commit_transaction()
        deliveries += sent

    async def _deliver(
        self, producer: Producer, events: Sequence[Outgoing], deliveries: list[Delivery]
    ) -> None:
        """Notes each delivery as it is begun, so that a deadline forgets none."""
        begun = len(deliveries)
        filling: dict[tuple[str, int], tuple[BatchBuilder, list[Outgoing]]] = {}
        topics: dict[str, tuple[str, int]] = {}
        for number, event in enumerate(events, 1):
            if number % TOGETHER == 0:
                await asyncio.sleep(0)
            if event.topic not in topics:
                name = self._settings.topic_prefix + event.topic
                topics[event.topic] = name, len(await producer.partitions_for(name))
            topic, partitions = topics[event.topic]
            key = event.key.encode()
            of = (topic, partition_of(key, partitions))
            content = {
                "timestamp": int(event.recorded_at.timestamp() * 1000),
                "key": key,
                "value": event.value,
                "headers": event.headers(key),
            }
            batch, inside = filling.get(of, (None, []))
            if batch is None or batch.append(**content) is None:
                if batch is not None:
                    await _begin(producer, of, batch, inside, deliveries)
                batch, inside = filling[of] = (producer.create_batch(), [])
                batch.append(**content)
            inside.append(event)
        for of, (batch, inside) in filling.items():
            await _begin(producer, of, batch, inside, deliveries)
        await asyncio.wait([result for _, result in deliveries[begun:]])


async def _begin(
    producer: Producer,
    of: tuple[str, int],
    batch: BatchBuilder,
    events: Sequence[Outgoing],
    deliveries: list[Delivery],
) -> None:
    batch.close()  # it is full or the last: it waits for no more
    result = await producer.send_batch(batch, of[0], partition=of[1])
    result.add_done_callback(_look_at)
    deliveries.append((events, result))


def _look_at(result: "asyncio.Future[RecordMetadata]") -> None:
    """An answer after the deadline is nobody's business, nor asyncio's."""
    if not result.cancelled():
        result.exception()


def _acknowledged(events: Sequence[Outgoing], deliveries: Sequence[Delivery]) -> Acknowledged:
    """What Kafka has: of each key's events those up to the first that it may not have."""
    has: set[int] = set()
    landed: list[Landed] = []
    for sent, result in deliveries:
        if result.done() and not result.cancelled() and result.exception() is None:
            first = result.result()
            last = first.offset if first.offset < 0 else first.offset + len(sent) - 1
            has.update([event.position for event in sent])
            landed.append(Landed((sent[-1].topic, first.partition), first.offset, last, sent[-1]))
    if len(has) == len(events):
        return Acknowledged(events, landed)
    broken = {
        (event.topic, event.key): event.position
        for event in reversed(events)
        if event.position not in has
    }
    kept = [e for e in events if e.position < broken.get((e.topic, e.key), e.position + 1)]
    return Acknowledged(kept, landed)
