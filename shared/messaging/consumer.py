"""The consumer: one FastStream subscriber a service, over all its topics, in batches.

Where it goes on is what the database remembers, never what Kafka's group does.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.messaging import batch, cluster, stops
from shared.messaging.batch import FaultIsOurs, Outcome
from shared.messaging.connections import acquire
from shared.messaging.effects import Effects
from shared.messaging.failures import AWAY
from shared.messaging.positions import Positions
from shared.messaging.records import Record
from shared.messaging.tracing import processing_spans
from shared.settings import Settings
from shared.telemetry import untraced

log = logging.getLogger(__name__)

PART = "consumer"
RETRY_SECONDS = 0.5
ALARM_SECONDS = 10


class Consumer:
    """One replica of a service's consumer.

    `trouble` says in words why events do not take effect just now, or is None. `alarms` are
    things that an operator should know although the consumer works.
    """

    def __init__(
        self,
        service: str,
        effects: Effects,
        pool: asyncpg.Pool,
        settings: Settings,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        self.trouble: str | None = "has not begun"
        self.alarms: list[str] = []
        self._service = service
        self._effects = effects
        self._pool = pool
        self._settings = settings
        self._appended = appended
        self._stopping = asyncio.Event()
        self._positions = Positions(pool, settings)
        self._broker = KafkaBroker(
            settings.kafka,
            client_id=f"aspire-{service}",
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(settings.metadata_max_age_seconds * 1000),
            graceful_timeout=5,
            apply_types=False,
            logger=None,
        )
        self._subscriber = self._subscribe()

    def _subscribe(self) -> BatchSubscriber:
        prefix = self._settings.topic_prefix
        subscriber = self._broker.subscriber(
            *sorted(prefix + topic.name for topic in self._effects.topics),
            group_id=f"{prefix}aspire.{self._service}",
            batch=True,
            max_records=self._settings.batch_size,
            batch_timeout_ms=int(self._settings.consumer_poll_seconds * 1000),
            fetch_max_wait_ms=100,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=int(self._settings.consumer_session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(self._settings.consumer_heartbeat_seconds * 1000),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            listener=_Listener(self._assigned),
            parser=_untouched,
            decoder=_pass_through,
        )
        subscriber(self._consume)
        return subscriber

    async def run(self) -> None:
        """Consumes until cancelled; it waits for Kafka and the database as long as it takes."""
        alarm = asyncio.create_task(self._watch_early())
        try:
            await self._start()
            await asyncio.Event().wait()
        finally:
            self._stopping.set()
            alarm.cancel()
            await self._broker.stop()

    async def _start(self) -> None:
        while True:
            await cluster.wait(self._settings)
            try:
                await self._broker.start()
            except (KafkaError, OSError) as error:
                self._tell(f"Kafka does not let the consumer in: {type(error).__name__}: {error}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._tell(None)
                return

    async def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        consumer = self._subscriber.consumer
        assert consumer is not None
        while not self._stopping.is_set():
            try:
                await self._positions.seek(consumer, partitions)
            except (KafkaError, *AWAY) as error:
                await self._wait_for(
                    f"where to go on is not known: {type(error).__name__}: {error}"
                )
            else:
                self._tell(None)
                return

    async def _consume(self, raw: Sequence[ConsumerRecord]) -> None:
        """Takes a batch; it does not return before that is done, or the process is stopping."""
        consumer = self._subscriber.consumer
        if self._stopping.is_set() or consumer is None:
            return
        prefix = len(self._settings.topic_prefix)
        records = self._positions.check(
            consumer,
            [
                Record(r.topic[prefix:], r.partition, r.offset, r.key, r.headers, r.value)
                for r in raw
            ],
        )
        if not records:
            return
        outcome = await self._take(records)
        if outcome is None:
            return
        if outcome.appended:
            self._appended()
        self._report(outcome)
        await self._commit(records)

    async def _take(self, records: Sequence[Record]) -> Outcome | None:
        while not self._stopping.is_set():
            try:
                with processing_spans(self._service) as spans, untraced():
                    await self._await_resumption()
                    outcome = await batch.take(
                        self._pool,
                        self._service,
                        self._effects,
                        records,
                        self._settings.consumer_transaction_timeout_seconds,
                    )
                    spans.of(outcome.applied)
            except FaultIsOurs as fault:
                await self._stop(fault)
            except AWAY as error:
                await self._wait_for(f"the database is away: {type(error).__name__}: {error}")
            else:
                self._tell(None)
                return outcome
        return None

    async def _stop(self, fault: FaultIsOurs) -> None:
        log.error("The consumer of %s stops: %s", self._service, fault, exc_info=fault)
        async with acquire(self._pool) as connection:
            await stops.stop(connection, PART, str(fault))

    async def _await_resumption(self) -> None:
        while not self._stopping.is_set():
            async with acquire(self._pool) as connection:
                stop = await stops.in_force(connection, PART)
            if stop is None:
                return
            await self._wait_for(
                f"stopped at {stop.stopped_at:%d %B %Y %H:%M} UTC: {stop.reason}; "
                f"`aspire resume {self._service}` lets it go on"
            )

    async def _wait_for(self, trouble: str) -> None:
        self._tell(trouble)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._stopping.wait()

    async def _commit(self, records: Sequence[Record]) -> None:
        """Tells Kafka's group, for the tools that show lag; nothing depends on it."""
        prefix = self._settings.topic_prefix
        offsets = {
            TopicPartition(prefix + record.topic, record.partition): record.offset + 1
            for record in records
        }
        consumer = self._subscriber.consumer
        try:
            if consumer is not None:
                await consumer.commit(offsets)
        except (KafkaError, OSError) as error:
            log.info("Offsets were not committed to Kafka: %s", type(error).__name__)

    def _report(self, outcome: Outcome) -> None:
        for parking in outcome.parked:
            record = parking.entry.record
            log.error(
                "Parked %s partition %d offset %d: %s",
                record.topic, record.partition, record.offset, parking.reason,
            )  # fmt: skip

    async def _watch_early(self) -> None:
        """Raises an alarm where an event has waited for a lost one for too long."""
        while True:
            with suppress(*AWAY):
                self.alarms = await self._positions.early(self._settings.early_alarm_seconds)
            for alarm in self.alarms:
                log.error("Alarm: %s", alarm)
            await asyncio.sleep(ALARM_SECONDS)

    def _tell(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            log.log(
                logging.INFO if trouble is None else logging.WARNING,
                "Consumer: %s", trouble or "events take effect",
            )  # fmt: skip
        self.trouble = trouble

    async def ready(self) -> str | None:
        """None where the consumer can do its work; otherwise why not."""
        return await cluster.answers(self._settings) or self.trouble


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, assigned: Callable[[Iterable[TopicPartition]], Any]) -> None:
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A batch in work goes on: its keys are claimed by compare-and-set."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._assigned(assigned)


async def _untouched(raw: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """A message of the records as they came: a hostile header or body is no matter of parsing."""
    return KafkaMessage(body=b"", raw_message=raw, consumer=None)  # type: ignore[arg-type]


async def _pass_through(message: KafkaMessage) -> Any:
    return message.raw_message
