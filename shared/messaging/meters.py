"""What relay and consumer count and time, by OpenTelemetry's conventions where there are some.

Recorded once a batch, for a record costs about 10 µs and an event about as much in all.
"""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

from opentelemetry import metrics

from shared.messaging.batch import Outcome
from shared.messaging.records import Outgoing, Record

TOPIC: Final = "messaging.destination.name"
GROUP: Final = "messaging.consumer.group.name"
OUTCOME: Final = "aspire.outcome"

_PROCESS: Final = {"messaging.system": "kafka", "messaging.operation.name": "process"}
_SEND: Final = {"messaging.system": "kafka", "messaging.operation.name": "send"}

_AGES: Final = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400]
_SECONDS: Final = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
_EVENTS: Final = [1, 2, 5, 10, 50, 100, 500, 1000, 2000, 5000]

_topic_of: Final = attrgetter("topic")

_meter = metrics.get_meter("aspire.messaging")
_age = _meter.create_histogram(
    "aspire.event.age",
    unit="s",
    description="Age of a batch's oldest event of a topic when it takes effect",
    explicit_bucket_boundaries_advisory=_AGES,
)
_consumed = _meter.create_counter(
    "messaging.client.consumed.messages",
    unit="{message}",
    description="Records taken, whatever became of them",
)
_processing = _meter.create_histogram(
    "messaging.process.duration",
    unit="s",
    description="How long a batch took, from the claim of its keys to its commit",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
_taken_at_once = _meter.create_histogram(
    "aspire.consumer.batch.size",
    unit="{event}",
    description="Records of a batch that the consumer took",
    explicit_bucket_boundaries_advisory=_EVENTS,
)
_outcomes = _meter.create_counter(
    "aspire.consumer.events",
    unit="{event}",
    description="What became of records: applied, without_effect, seen, set_aside or parked",
)
_rebalances = _meter.create_counter(
    "aspire.consumer.rebalances",
    unit="{rebalance}",
    description="How often this replica was given its partitions anew",
)
_sent = _meter.create_counter(
    "messaging.client.sent.messages",
    unit="{message}",
    description="Events that the relay sent; with error.type those that Kafka did not acknowledge",
)
_sending = _meter.create_histogram(
    "messaging.client.operation.duration",
    unit="s",
    description="How long Kafka took to acknowledge a batch of the relay",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
_sent_at_once = _meter.create_histogram(
    "aspire.relay.batch.size",
    unit="{event}",
    description="Events of a batch that the relay sent",
    explicit_bucket_boundaries_advisory=_EVENTS,
)


def group(service: str) -> str:
    """The name of a service's consumer group, as spans and metrics give it."""
    return f"aspire.{service}"


def took(
    service: str, records: Sequence[Record], outcome: Outcome, seconds: float
) -> dict[str, float]:
    """A batch has been taken, in so many seconds; answers how old the oldest event of each topic
    was when it took effect, in seconds."""
    of = {GROUP: group(service)}
    _processing.record(seconds, _PROCESS | of)
    _taken_at_once.record(len(records), of)
    for topic, count in Counter(map(_topic_of, records)).items():
        _consumed.add(count, _PROCESS | of | {TOPIC: topic})
    now = datetime.now(UTC)
    ages = {
        topic: max(0.0, (now - oldest).total_seconds())
        for topic, oldest in _oldest(outcome).items()
    }
    for topic, age in ages.items():
        _age.record(age, of | {TOPIC: topic})
    for name, count in (
        ("applied", len(outcome.applied)),
        ("without_effect", outcome.without_effect),
        ("seen", outcome.seen),
        ("set_aside", outcome.set_aside),
        ("parked", len(outcome.parked)),
    ):
        if count:
            _outcomes.add(count, of | {OUTCOME: name})
    return ages


def rebalanced(service: str) -> None:
    """This replica was given its partitions."""
    _rebalances.add(1, {GROUP: group(service)})


def sent(
    events: Sequence[Outgoing],
    acknowledged: Sequence[Outgoing],
    failure: Exception | None,
    begun_ns: int,
) -> None:
    """The relay has sent events, since `begun_ns` (1970); `failure` is why not all are on Kafka."""
    failed = {"error.type": type(failure).__name__} if failure else {}
    _sending.record((time.time_ns() - begun_ns) / 1e9, _SEND | failed)
    _sent_at_once.record(len(events))
    on_kafka = Counter(map(_topic_of, acknowledged))
    for topic, count in on_kafka.items():
        _sent.add(count, _SEND | {TOPIC: topic})
    for topic, count in (Counter(map(_topic_of, events)) - on_kafka).items():
        _sent.add(count, _SEND | {TOPIC: topic} | failed)


def _oldest(outcome: Outcome) -> dict[str, datetime]:
    oldest: dict[str, datetime] = {}
    for event in outcome.applied:
        known = oldest.get(event.topic)
        if known is None or event.time < known:
            oldest[event.topic] = event.time
    return oldest
