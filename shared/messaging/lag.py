"""How far a replica is behind, in events and in seconds, in the topics of its partitions."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.messaging.positions import Partition

Ends = Mapping[TopicPartition, int]


class Lag:
    """`events`, `seconds` and `partitions`, the number of them, are as measured last, by topic.

    An event is behind until it has taken effect here. The seconds are the age of the oldest event
    that has not, as Kafka's timestamps tell it: those are the times at which events were recorded.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.events: Mapping[str, int] = {}
        self.seconds: Mapping[str, float] = {}
        self.partitions: Mapping[str, int] = {}
        self._clock = clock
        self._at_work = False
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}
        """When the last batch's oldest and newest record were recorded, by topic (ms)."""
        self._measured_at = clock()
        self._ends: Ends = {}

    def begin(self, records: Sequence[ConsumerRecord]) -> None:
        """A batch has come."""
        self._at_work = True
        self._first = self._last | {r.topic: r.timestamp for r in reversed(records)}
        self._last = self._last | {r.topic: r.timestamp for r in records}

    def end(self) -> None:
        """All records of the batch have been taken."""
        self._at_work = False
        self._first = self._last

    async def measure(
        self, reader: AIOKafkaConsumer, taken: Mapping[Partition, int], names: Mapping[str, str]
    ) -> None:
        """Looks how much there is; `names` are those of the topics, by their names on Kafka.

        Raises:
            KafkaError: Kafka does not answer; then nothing is known.
        """
        assigned = sorted(reader.assignment())
        try:
            ends: Ends = await reader.end_offsets(assigned) if assigned else {}
        except BaseException:
            self.events, self.seconds = {}, {}
            raise
        self.partitions = Counter(names[of.topic] for of in assigned)
        behind: dict[str, int] = dict.fromkeys((of.topic for of in assigned), 0)
        longer: set[str] = set()
        for of in assigned:
            following = taken.get((names[of.topic], of.partition), -1) + 1
            if not self._at_work:  # behind the last record there may be markers of transactions
                following = max(following, await reader.position(of))
            behind[of.topic] += max(0, ends[of] - following)
            if following < self._ends.get(of, 0):
                longer.add(of.topic)
        now, since = self._clock(), self._measured_at
        self.events = {names[topic]: count for topic, count in behind.items()}
        self.seconds = {
            names[topic]: self._age(topic, now, 0 if topic in longer else since) if count else 0.0
            for topic, count in behind.items()
        }
        self._measured_at, self._ends = now, ends

    def _age(self, topic: str, now: float, since: float) -> float:
        """Of what has come since the last measuring it is not known when, only that it is newer."""
        return max(0.0, now - max(self._first.get(topic, 0) / 1000, since))
