"""A broker in this process, for the kernel as it is: give relay and consumer its `client`.

It keeps what Kafka promises and the kernel relies on, and nothing more: partitions with offsets,
groups, idempotent and transactional producers, reading of what is committed, compaction. What a
network or a slow process may do to that is done when a test says so, never by chance.
`tests/conformance` runs on it and on real Kafka, so that it can be trusted.
"""

from tests.standin.broker import Broker, Fate
from tests.standin.producer import StandInProducer
from tests.standin.reader import StandInReader

__all__ = ["Broker", "Fate", "StandInProducer", "StandInReader"]
