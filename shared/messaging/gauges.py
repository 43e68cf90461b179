"""What is looked at rather than counted: outbox, parked, set aside, stops, lag, connections.

Database and Kafka are looked at now and then by each replica, and who reads the metrics waits for
neither; while one is away its figures are soon missing. A replica also tells the database what it
sees, so that any of them can answer for all.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4
from weakref import WeakSet

import asyncpg
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from shared.database import POOL
from shared.messaging import replicas
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.figures import Figures, read
from shared.messaging.meters import GROUP, TOPIC, group
from shared.messaging.relay import Relay
from shared.messaging.replicas import Pace, Says
from shared.messaging.stops import PARTS
from shared.settings import Settings
from shared.telemetry import untraced

log = logging.getLogger(__name__)

WITHIN_SECONDS: Final = 5
LEAVING_SECONDS: Final = 1
PART: Final = "aspire.part"
ALARM: Final = "aspire.alarm"


class Gauges:
    """Those of a service in this process; `run` looks at database and Kafka."""

    def __init__(
        self,
        service: str,
        topics: Sequence[str],
        pools: Mapping[str, asyncpg.Pool],
        relay: Relay | None,
        consumer: Consumer | None,
        *,
        publishes: bool,
        parts: Sequence[str],
        settings: Settings,
    ) -> None:
        """`topics` are those that it consumes, `pools` its connections by their use, `parts` those
        that run in this process."""
        self.topics = topics
        self.pools = pools
        self.relay = relay
        self.consumer = consumer
        self.serves = "api" in parts
        self.publishes = publishes
        self.of: Final = {GROUP: group(service)}
        self._settings = settings
        self._figures: Figures | None = None
        self._read_at = 0.0
        self._replica_id = uuid4()
        self._said = Says(
            host=socket.gethostname(), pid=os.getpid(), started_at=datetime.now(UTC),
            parts=list(parts),
        )  # fmt: skip
        self._sending, self._taking = Pace(), Pace()
        _all.add(self)

    @property
    def figures(self) -> Figures | None:
        """Those that were read last; None where that is too long ago to be true."""
        age = time.monotonic() - self._read_at
        return self._figures if age < self._settings.silent_after_seconds else None

    async def run(self, pool: asyncpg.Pool) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.gather(self._within(self._read(pool)), self._within(self._measure()))
            await self._within(self._tell(pool))
            await asyncio.sleep(self._settings.figures_seconds)

    async def leave(self, pool: asyncpg.Pool) -> None:
        """This replica ends in order."""
        await self._within(self._gone(pool), LEAVING_SECONDS)

    async def _read(self, pool: asyncpg.Pool) -> None:
        with untraced():
            async with acquire(pool) as connection:
                self._figures = await read(connection, self._settings.early_alarm_seconds)
        self._read_at = time.monotonic()

    async def _measure(self) -> None:
        if self.consumer:
            await self.consumer.measure_lag()

    async def _tell(self, pool: asyncpg.Pool) -> None:
        with untraced():
            async with acquire(pool) as connection:
                await replicas.tell(connection, self._replica_id, self._now())

    async def _gone(self, pool: asyncpg.Pool) -> None:
        with untraced():
            async with acquire(pool) as connection:
                await replicas.leave(connection, self._replica_id)

    def _now(self) -> Says:
        said: dict[str, Any] = {"troubles": self._troubles()}
        if self.relay:
            said |= {"sent": self._sending.of(self.relay.sent)}
        if consumer := self.consumer:
            said |= {
                "taken": self._taking.of(consumer.taken),
                "age": dict(consumer.ages),
                "partitions": dict(consumer.lag.partitions),
                "lag": dict(consumer.lag.events),
                "lag_seconds": dict(consumer.lag.seconds),
            }
        return self._said.model_copy(update=said)

    def _troubles(self) -> dict[str, str]:
        workers = (("relay", self.relay), ("consumer", self.consumer))
        return {part: worker.trouble for part, worker in workers if worker and worker.trouble}

    async def _within(
        self, looking: Coroutine[None, None, None], seconds: float = WITHIN_SECONDS
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                await looking
        except Exception as error:  # a figure is never worth a failure
            log.debug("No figures: %s", type(error).__name__)


_all: WeakSet[Gauges] = WeakSet()
_meter = metrics.get_meter("aspire.gauges")


def _gauge(
    name: str, unit: str, description: str
) -> Callable[[Callable[[Gauges], Iterator[Observation]]], None]:
    """Makes a gauge of what the function sees in each service of this process."""

    def of(look: Callable[[Gauges], Iterator[Observation]]) -> None:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [each for gauges in list(_all) for each in look(gauges)]

        _meter.create_observable_gauge(name, [observe], unit=unit, description=description)

    return of


@_gauge("aspire.outbox.events", "{event}", "Events not yet on Kafka; a million stands for more")
def _outbox(gauges: Gauges) -> Iterator[Observation]:
    if gauges.publishes and (figures := gauges.figures):
        yield Observation(figures.outbox)


@_gauge("aspire.outbox.age", "s", "Age of the oldest event that is not yet on Kafka")
def _outbox_age(gauges: Gauges) -> Iterator[Observation]:
    if gauges.publishes and (figures := gauges.figures):
        yield Observation(figures.outbox_age)


@_gauge("aspire.parked.events", "{event}", "Records that are parked")
def _parked(gauges: Gauges) -> Iterator[Observation]:
    if figures := gauges.figures:
        yield from _by_topic(gauges, figures.parked)


@_gauge("aspire.set_aside.events", "{event}", "Events that wait for one that they follow")
def _set_aside(gauges: Gauges) -> Iterator[Observation]:
    if figures := gauges.figures:
        yield from _by_topic(gauges, figures.set_aside)


@_gauge("aspire.set_aside.age", "s", "How long the first of the events that wait has waited")
def _set_aside_age(gauges: Gauges) -> Iterator[Observation]:
    if figures := gauges.figures:
        yield from _by_topic(gauges, figures.set_aside_age)


@_gauge("aspire.consumer.lag.events", "{event}", "Events on Kafka that have not taken effect here")
def _lag(gauges: Gauges) -> Iterator[Observation]:
    if consumer := gauges.consumer:
        for topic, count in dict(consumer.lag.events).items():
            yield Observation(count, gauges.of | {TOPIC: topic})


@_gauge("aspire.consumer.lag.time", "s", "Age of the oldest event that has not taken effect here")
def _lag_time(gauges: Gauges) -> Iterator[Observation]:
    if consumer := gauges.consumer:
        for topic, seconds in dict(consumer.lag.seconds).items():
            yield Observation(seconds, gauges.of | {TOPIC: topic})


@_gauge("aspire.part.working", "1", "1 where the part does its work, 0 where it says why not")
def _working(gauges: Gauges) -> Iterator[Observation]:
    if gauges.serves:  # what it needs is the database
        yield Observation(int(gauges.figures is not None), {PART: "api"})
    for part, worker in (("relay", gauges.relay), ("consumer", gauges.consumer)):
        if worker:
            yield Observation(int(worker.trouble is None), {PART: part})


@_gauge("aspire.stop", "1", "1 where the service has stopped a part until an operator decides")
def _stop(gauges: Gauges) -> Iterator[Observation]:
    if figures := gauges.figures:
        for part in PARTS:
            yield Observation(int(part in figures.stopped), {PART: part})


@_gauge("aspire.alarm.events", "{event}", "What raises an alarm though everything works")
def _alarm(gauges: Gauges) -> Iterator[Observation]:
    if figures := gauges.figures:
        for name, count in figures.alarms.items():
            yield Observation(count, {ALARM: name})


@_gauge("db.client.connection.count", "{connection}", "Open connections to the database")
def _connections(gauges: Gauges) -> Iterator[Observation]:
    for name, pool in gauges.pools.items():
        idle = pool.get_idle_size()
        for state, count in (("idle", idle), ("used", pool.get_size() - idle)):
            yield Observation(count, {POOL: name, "db.client.connection.state": state})


@_gauge("db.client.connection.max", "{connection}", "The most connections that may be open")
def _most_connections(gauges: Gauges) -> Iterator[Observation]:
    for name, pool in gauges.pools.items():
        yield Observation(pool.get_max_size(), {POOL: name})


def _by_topic(gauges: Gauges, values: Mapping[str, float]) -> Iterator[Observation]:
    """Zero for the topics without; what a topic of another release left is not a label's value."""
    for topic in gauges.topics:
        yield Observation(values.get(topic, 0), gauges.of | {TOPIC: topic})
