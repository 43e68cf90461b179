"""Lag is told per topic, in events and in seconds, by what has not taken effect."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.messaging.lag import Lag

NAMES = {"p.schools": "schools", "p.days": "days"}
PARTITION = TopicPartition("p.schools", 0)


class Reader:
    """As much of aiokafka's consumer as is looked at."""

    def __init__(self, end: int) -> None:
        self.end, self.at = end, 0

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PARTITION, TopicPartition("p.days", 0)})

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if self.end < 0:
            raise ConnectionError
        return {of: self.end if of == PARTITION else 0 for of in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self.at if partition == PARTITION else 0


def records(*seconds: float) -> Sequence[ConsumerRecord]:
    made: Any = ConsumerRecord
    return [made("p.schools", 0, n, int(at * 1000), 0, None, None, None, -1, -1, ())
            for n, at in enumerate(seconds)]  # fmt: skip


class Behind:
    def __init__(self, end: int) -> None:
        self.now = 1000.0
        self.reader = Reader(end)
        self.lag = Lag(lambda: self.now)

    async def after(self, seconds: float, taken: int) -> tuple[float, float]:
        """Events and seconds of the topic, that time later, with all up to `taken` taken."""
        self.now += seconds
        reader = cast("AIOKafkaConsumer", self.reader)
        await self.lag.measure(reader, {("schools", 0): taken}, NAMES)
        assert self.lag.events["days"] == self.lag.seconds["days"] == 0
        return self.lag.events["schools"], self.lag.seconds["schools"]


async def test_a_batch_at_work_is_behind_until_it_is_taken() -> None:
    behind = Behind(end=3)
    behind.lag.begin(records(900, 950, 990))
    behind.reader.at = 3
    await behind.after(0, taken=-1)
    assert await behind.after(10, taken=-1) == (3, 110)
    behind.lag.end()
    assert await behind.after(10, taken=2) == (0, 0)


async def test_what_follows_the_last_batch_is_newer_than_that() -> None:
    behind = Behind(end=9)
    behind.lag.begin(records(900, 950, 990))
    behind.lag.end()
    behind.reader.at = 3
    await behind.after(0, taken=2)
    assert await behind.after(10, taken=2) == (6, 20)


async def test_an_event_after_a_silence_is_no_older_than_the_last_look() -> None:
    behind = Behind(end=1)
    behind.lag.begin(records(10))
    behind.lag.end()
    behind.reader.at = 1
    await behind.after(0, taken=0)
    behind.reader.end = 2
    assert await behind.after(5, taken=0) == (1, 5)


async def test_markers_of_transactions_are_no_events() -> None:
    behind = Behind(end=4)
    behind.lag.begin(records(900, 950))
    behind.lag.end()
    behind.reader.at = 4
    assert await behind.after(0, taken=1) == (0, 0)


async def test_a_kafka_that_is_away_leaves_the_lag_unknown() -> None:
    behind = Behind(end=3)
    await behind.after(0, taken=-1)
    behind.reader.end = -1
    with pytest.raises(ConnectionError):
        await behind.after(0, taken=-1)
    assert not behind.lag.events
    assert not behind.lag.seconds
