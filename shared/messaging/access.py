"""What each service may do on Kafka: write its own topics only, and read all of them.

So nobody who holds one service's password can send another service's next event.
"""

from dataclasses import dataclass
from typing import Literal

from shared.events import TOPICS, topics_of
from shared.messaging import meters
from shared.messaging.producers import fencing_id

Kind = Literal["TOPIC", "GROUP", "TRANSACTIONAL_ID"]
Operation = Literal["READ", "WRITE"]


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to do one thing with one resource, in Kafka's own words; to do it, and to describe it.

    An idempotent producer needs nothing more: whoever may write a topic may be one.
    """

    kind: Kind
    name: str
    operation: Operation


def user(service: str, prefix: str) -> str:
    """The name of a service's user on Kafka, its own in each of the platforms that share one."""
    return f"{prefix}{service}"


def grants(service: str, prefix: str) -> frozenset[Grant]:
    """All that a service may do; `prefix` is that of its platform's topics."""
    own = topics_of(service)
    fences = any(topic.compacted for topic in own)
    return frozenset(
        {Grant("GROUP", prefix + meters.group(service), "READ")}
        | {Grant("TOPIC", prefix + name, "READ") for name in TOPICS}
        | {Grant("TOPIC", prefix + topic.name, "WRITE") for topic in own}
        | ({Grant("TRANSACTIONAL_ID", fencing_id(service, prefix), "WRITE")} if fences else set())
    )
