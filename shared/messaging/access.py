"""What each service, and each trust, may do on Kafka: write its own topics only; services read all.

So nobody who holds one service's password can send another service's next event.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.events import TOPICS, topics_of
from shared.events.topics import FROM_TRUSTS, TO_TRUSTS
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
    begins: bool = False
    """With everything of the kind whose name begins so."""


def user(service: str, prefix: str) -> str:
    """The name of a service's user on Kafka, its own in each of the platforms that share one."""
    return f"{prefix}{service}"


def families(service: str) -> list[str]:
    """How the names of those topics begin that others write for a service."""
    return [FROM_TRUSTS] if service == "integration" else []


def feeds(service: str) -> list[str]:
    """How the names of those topics begin that a service writes for others."""
    return [TO_TRUSTS] if service == "integration" else []


def trust_user(trust_id: UUID, number: int, prefix: str) -> str:
    """The name of one of the two users that a trust may have, so that one can follow the other."""
    return f"{prefix}trust.{trust_id}" + (f".{number}" if number > 1 else "")


def trust_grants(trust_id: UUID, prefix: str) -> frozenset[Grant]:
    """All that a trust's users may do: write the one topic of the trust's own, and read the other,
    in groups of the same name or one that begins so."""
    feed = f"{prefix}{TO_TRUSTS}{trust_id}"
    return frozenset(
        {
            Grant("TOPIC", f"{prefix}{FROM_TRUSTS}{trust_id}", "WRITE"),
            Grant("TOPIC", feed, "READ"),
            Grant("GROUP", feed, "READ", begins=True),
        }
    )


def grants(service: str, prefix: str) -> frozenset[Grant]:
    """All that a service may do; `prefix` is that of its platform's topics."""
    own = topics_of(service)
    fences = any(topic.compacted for topic in own)
    return frozenset(
        {Grant("GROUP", prefix + meters.group(service), "READ")}
        | {Grant("TOPIC", prefix + name, "READ") for name in TOPICS}
        | {Grant("TOPIC", prefix + family, "READ", begins=True) for family in families(service)}
        | {Grant("TOPIC", prefix + topic.name, "WRITE") for topic in own}
        | {
            Grant("TOPIC", prefix + family, operation, begins=True)
            for family in feeds(service)
            for operation in ("READ", "WRITE")
        }
        | ({Grant("TRANSACTIONAL_ID", fencing_id(service, prefix), "WRITE")} if fences else set())
    )
