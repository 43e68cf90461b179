"""The consumer: one FastStream subscriber a service, over all its topics, in batches.

Where it goes on is what the database remembers, never what Kafka's group does.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.ending import end
from shared.messaging import batch, cluster, faults, meters, positions, security, stops
from shared.messaging.batch import PART, Outcome
from shared.messaging.client import Client
from shared.messaging.connections import acquire
from shared.messaging.effects import Effects
from shared.messaging.failures import AWAY, FaultIsOurs, Readable
from shared.messaging.inbox import storable
from shared.messaging.lag import Lag
from shared.messaging.offsets import Offsets
from shared.messaging.positions import Misplaced, Partition, Positions
from shared.messaging.records import Record, log_fields
from shared.messaging.stops import Stopped
from shared.messaging.tracing import processing_spans
from shared.messaging.untouched import Listener, pass_through, untouched
from shared.settings import Settings
from shared.telemetry import untraced

log = logging.getLogger(__name__)
faststream_log = logging.getLogger(f"{__name__}.faststream")
faststream_log.setLevel(logging.WARNING)

TOO_SLOW = (asyncpg.QueryCanceledError, asyncpg.TransactionTimeoutError)
ALARM_SECONDS = 10
ANSWER_SECONDS = 5
"""In which a broker answers, beyond the session timeout, for which joining a group may wait. Then
a connection that reaches nobody is given up; aiokafka would hold on to it for 40 s."""
GRACEFUL_SECONDS = 5
"""For a batch in work, when the consumer is to end."""
OLDER = "The database is older than what was taken: reading on from where it is"
MOST_UNKNOWN = 100
"""Unknown types that are counted each by itself; the others together."""
OTHER_TYPES = "other types"


class Consumer:
    """One replica of a service's consumer.

    `trouble` says in words why events do not take effect just now, or is None. `alarms` are
    things that an operator should know although the consumer works. `passed_over` counts events
    of types that this release does not know. `taken` counts records by topic, and `ages` tells how
    old a topic's last events were when they took effect, in seconds.
    """

    def __init__(
        self,
        service: str,
        effects: Effects,
        pool: asyncpg.Pool,
        settings: Settings,
        appended: Callable[[], None] = lambda: None,
        client: Client | None = None,
        *,
        took: Callable[[], None] = lambda: None,
    ) -> None:
        """`appended` is called after a batch that caused events, `took` after every batch."""
        self.trouble: str | None = "has not begun"
        self.alarms: list[str] = []
        self.passed_over: Counter[str] = Counter()
        self.lag = Lag()
        self.taken: Counter[str] = Counter()
        self.ages: dict[str, float] = {}
        self._service = service
        self._effects = effects
        self._pool = pool
        self._settings = settings
        self._client = client or Client()
        self._appended = appended
        self._took = took
        self._stopping = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._positions = Positions(pool, settings)
        self._offsets = Offsets(settings.topic_prefix)
        self._seeking = asyncio.Lock()
        self._readable = Readable()
        self._at_most = settings.batch_size
        self._names = {settings.topic_prefix + each.name: each.name for each in effects.topics}
        self._broker = KafkaBroker(
            settings.kafka,
            client_id=f"aspire-{service}",
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(settings.metadata_max_age_seconds * 1000),
            request_timeout_ms=int(
                (settings.consumer_session_timeout_seconds + ANSWER_SECONDS) * 1000
            ),
            graceful_timeout=GRACEFUL_SECONDS,
            apply_types=False,
            consumer_only=True,
            logger=faststream_log,
        )
        self._subscriber = self._subscribe()

    def _subscribe(self) -> BatchSubscriber:
        prefix = self._settings.topic_prefix
        subscriber = self._broker.subscriber(
            *sorted(self._names),
            group_id=prefix + meters.group(self._service),
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
            listener=Listener(self._positions.lose, self._begin),
            parser=untouched,
            decoder=pass_through,
        )
        subscriber(self._receive)
        return subscriber

    async def run(self) -> None:
        """Consumes until cancelled; it waits for Kafka and the database as long as it takes."""
        alarm = asyncio.create_task(self._watch())
        try:
            while True:
                await self._start()
                self._tell(f"Kafka's client has to begin anew: {await self._until_broken()}")
                await self._leave()
        finally:
            self._stopping.set()
            await self._leave()
            await end(alarm)

    async def _leave(self) -> None:
        """Leaves the group, and lets the batch in work come to its end."""
        await self._broker.stop()
        if self._working is not None:
            await asyncio.wait({self._working}, timeout=GRACEFUL_SECONDS)
        await self._offsets.stop()

    async def _start(self) -> None:
        while True:
            await cluster.wait(self._settings, self._client.answers)
            try:
                builder = await self._broker.connect()
                self._broker.config.broker_config.builder = partial(
                    self._client.reader,
                    rewind=self._seek,
                    **{**getattr(builder, "keywords", {}), **security.options(self._settings)},
                )
                await self._broker.start()
            except (KafkaError, OSError) as error:
                self._tell(f"Kafka does not let the consumer in: {type(error).__name__}: {error}")
                await self._broker.stop()
                await asyncio.sleep(self._settings.consumer_retry_seconds)
            else:
                self._tell(None)
                return

    async def _until_broken(self) -> str:
        """Watches over the tasks of Kafka's client, whose end it does not tell."""
        while True:
            reader = self._subscriber.consumer
            if reader is not None and (fault := reader.fault()):
                return str(fault)
            await asyncio.sleep(1)

    async def _begin(self) -> None:
        meters.rebalanced(self._service)
        await self._seek()

    async def _seek(self) -> None:
        """Reads from where the database is, in the partitions that are ours by then."""
        consumer = self._subscriber.consumer
        async with self._seeking:
            while consumer is not None and not self._stopping.is_set():
                try:
                    await self._positions.seek(consumer, consumer.assignment())
                except (KafkaError, *AWAY) as error:
                    await self._wait_for(
                        f"where to go on is not known: {type(error).__name__}: {error}"
                    )
                else:
                    self._tell(None)
                    return

    async def _receive(self, raw: Sequence[ConsumerRecord]) -> None:
        """Has a batch taken while the next one is fetched.

        Nothing is raised: FastStream would pass over the batch.
        """
        records = await self._check(raw)
        era = self._positions.era
        if self._working is not None:
            await asyncio.wait({self._working})
        if records and era == self._positions.era:  # otherwise they will be read again
            self._working = asyncio.create_task(self._take_all(records, raw))

    async def _consume(self, raw: Sequence[ConsumerRecord]) -> None:
        """Takes a batch; it does not return before that is done, or the process is stopping."""
        await self._take_all(await self._check(raw), raw)

    async def _check(self, raw: Sequence[ConsumerRecord]) -> list[Record]:
        """Those of the records that are to be taken."""
        consumer = self._subscriber.consumer
        if self._stopping.is_set() or consumer is None:
            return []
        if not self._positions.sought.is_set():
            # Read from Kafka's offsets, before the database was asked: it will be read again.
            await self._until_sought()
            return []
        names = self._names
        return self._positions.check(
            consumer,
            [Record(names[r.topic], r.partition, r.offset, r.key, r.headers, r.value) for r in raw],
        )

    async def _take_all(self, records: list[Record], raw: Sequence[ConsumerRecord]) -> None:
        since = self._positions.taken()
        self.lag.begin(raw)
        try:
            while records and not self._stopping.is_set():
                records = await self._take_some(records, since)
        except Exception:
            log.exception("A batch was left: reading on from where the database is")
            await self._seek()
        if not records:
            self.lag.end()

    async def _until_sought(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.consumer_retry_seconds):
                await self._positions.sought.wait()

    async def _take_some(self, records: list[Record], since: dict[Partition, int]) -> list[Record]:
        """Takes records, fewer where the time does not do for all; answers those that are left."""
        part = records[: self._at_most]
        try:
            outcome = await self._take(part, since)
        except TOO_SLOW as error:
            self._at_most = max(1, len(part) // 2)
            await self._wait_for(f"{len(part)} records take too long: {type(error).__name__}")
            return records
        except Stopped as stopped:
            stop = stopped.stop
            await self._wait_for(
                f"stopped at {stop.stopped_at:%d %B %Y %H:%M} UTC: {stop.reason}; "
                f"`aspire resume {self._service}` lets it go on"
            )
            return records
        except Misplaced:
            log.warning(OLDER)
            await self._seek()
            return []
        except FaultIsOurs as fault:
            await self._stop(fault)
            return records
        except Exception as error:
            if not isinstance(error, AWAY):
                log.exception("A batch cannot be taken")
            await self._wait_for(f"{type(error).__name__}: {error}")
            return records
        self._at_most = min(2 * self._at_most, self._settings.batch_size)
        since |= {of: record.offset for of, record in outcome.ends.items()}
        await self._done(outcome)
        return records[len(part) :]

    async def _take(self, records: Sequence[Record], since: dict[Partition, int]) -> Outcome:
        with processing_spans(self._service) as spans, untraced():
            begun = time.monotonic()
            outcome = await batch.take(
                self._pool,
                self._service,
                self._effects,
                records,
                self._settings.consumer_transaction_timeout_seconds,
                since,
                self._readable,
            )
            spans.of(outcome.applied)
        seconds = time.monotonic() - begun
        self.ages |= meters.took(self._service, records, outcome, seconds)
        self.taken.update(record.topic for record in records)
        return outcome

    async def _done(self, outcome: Outcome) -> None:
        self._positions.took(outcome.ends)
        self._tell(None)
        self._took()
        if outcome.appended:
            await faults.reach("after_commit_before_wake")
            self._appended()
        self._report(outcome)
        await faults.reach("after_effect_before_offset_commit")
        if (reader := self._subscriber.consumer) is not None:
            self._offsets.tell(reader, outcome.ends)

    async def _stop(self, fault: FaultIsOurs) -> None:
        log.error("The consumer of %s stops: %s", self._service, fault, exc_info=fault)
        try:
            async with acquire(self._pool) as connection:
                await stops.stop(connection, PART, storable(str(fault)))
        except Exception as error:  # it fails again, and stops then
            await self._wait_for(f"{fault}; that cannot be kept: {type(error).__name__}: {error}")

    async def _wait_for(self, trouble: str) -> None:
        self._tell(trouble)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.consumer_retry_seconds):
                await self._stopping.wait()

    def _report(self, outcome: Outcome) -> None:
        for parking in outcome.parked:
            record = parking.entry.record
            log.error(
                "Parked %s partition %d offset %d: %s",
                record.topic, record.partition, record.offset, parking.reason,
                extra=log_fields(record),
            )  # fmt: skip
        for name, count in outcome.unknown.items():
            known = name in self.passed_over or len(self.passed_over) < MOST_UNKNOWN
            if name not in self.passed_over and known:
                log.warning(
                    "Passes over events of the type %s: this release does not know it", name
                )
            self.passed_over[name if known else OTHER_TYPES] += count

    async def _watch(self) -> None:
        """Raises an alarm where an event has waited for a lost one for too long.

        Reads again where the database was restored: a partition that is still now would not tell.
        """
        while True:
            try:
                if await self._positions.are_behind():
                    log.warning(OLDER)
                    await self._seek()
                async with acquire(self._pool) as connection:
                    self.alarms = await positions.early(
                        connection, self._settings.early_alarm_seconds
                    )
            except Exception as error:
                log.info("The alarms are not known: %s", type(error).__name__)
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

    async def measure_lag(self) -> None:
        """Has `lag` look how far this replica is behind.

        Raises:
            KafkaError: Kafka does not answer; it may also not answer for as long as it takes.
        """
        if (reader := self._subscriber.consumer) is not None:
            await self.lag.measure(reader, self._positions.taken(), self._names)

    async def ready(self) -> str | None:
        """None where the consumer can do its work; otherwise why not."""
        return await self._client.answers(self._settings) or self.trouble
