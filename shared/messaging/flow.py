"""How events flow through a service just now: what its replicas say, and what its database does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import asyncpg
from pydantic import BaseModel

from shared.events import topics_of
from shared.messaging import figures, replicas, stops
from shared.messaging.replicas import Replica, Says
from shared.messaging.stops import Stop

T = TypeVar("T")


class Process(Says):
    """A replica; `silent` tells for how long it has said nothing, in seconds, and `well` whether
    that is short enough for the rest to be true."""

    silent: float
    well: bool


class Writing(BaseModel):
    """A topic that the service writes."""

    topic: str
    rate: float
    """Events a second that were sent."""


class Reading(BaseModel):
    """A topic that the service reads. None: no replica knows, or nothing has come yet."""

    topic: str
    rate: float
    """Events a second that were taken."""
    partitions: int
    """Those that its replicas read."""
    lag: int | None
    """Events on Kafka that have not taken effect here."""
    lag_seconds: float | None
    """Age of the oldest of them."""
    age: float | None
    """Seconds from when an event happened until it took effect, in the last batch."""
    parked: int
    set_aside: int
    set_aside_age: float


class Flow(BaseModel):
    """A service's part in the flow of events."""

    service: str
    replicas: list[Process]
    outbox: int
    """Events that are not yet on Kafka; a million stands for more."""
    outbox_age: float
    """Age of the oldest of them, in seconds."""
    writes: list[Writing]
    reads: list[Reading]
    stops: list[Stop]
    alarms: dict[str, int]


async def flow(
    connection: asyncpg.Connection,
    service: str,
    reads: Iterable[str],
    *,
    early_alarm_seconds: float,
    silent_after_seconds: float,
) -> Flow:
    """As its database knows it; `reads` are the topics that the service reads.

    A replica that has said nothing for `silent_after_seconds` is shown, and counts for nothing.
    """
    known = await replicas.known(connection)
    found = await figures.read(connection, early_alarm_seconds)
    alive = [each.says for each in known if each.silent <= silent_after_seconds]
    return Flow(
        service=service,
        replicas=[_process(each, silent_after_seconds) for each in known],
        outbox=found.outbox,
        outbox_age=found.outbox_age,
        writes=[
            Writing(topic=topic.name, rate=sum(_those(topic.name, (each.sent for each in alive))))
            for topic in topics_of(service)
        ],
        reads=[_reading(topic, alive, found) for topic in sorted(reads)],
        stops=await stops.all_in_force(connection),
        alarms=dict(found.alarms),
    )


def _process(replica: Replica, silent_after_seconds: float) -> Process:
    well = replica.silent <= silent_after_seconds
    return Process(**replica.says.model_dump(), silent=replica.silent, well=well)


def _reading(topic: str, alive: Sequence[Says], found: figures.Figures) -> Reading:
    lags = _those(topic, (each.lag for each in alive))
    return Reading(
        topic=topic,
        rate=sum(_those(topic, (each.taken for each in alive))),
        partitions=sum(_those(topic, (each.partitions for each in alive))),
        lag=sum(lags) if lags else None,
        lag_seconds=max(_those(topic, (each.lag_seconds for each in alive)), default=None),
        age=max(_those(topic, (each.age for each in alive)), default=None),
        parked=found.parked.get(topic, 0),
        set_aside=found.set_aside.get(topic, 0),
        set_aside_age=found.set_aside_age.get(topic, 0.0),
    )


def _those(topic: str, values: Iterable[Mapping[str, T]]) -> list[T]:
    return [each[topic] for each in values if topic in each]
