"""The topics of the platform, each written by one service; `aspire` creates them from this list."""

from dataclasses import dataclass
from datetime import timedelta

DAY_MS = 24 * 60 * 60 * 1000

TOMBSTONES_KEPT = timedelta(days=90)
"""For so long at least a compacted topic keeps a tombstone."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic: its logical name (without an installation's prefix), its writer, its keeping.

    An event topic keeps everything. A compacted topic keeps the newest record of a key, and its
    settings bound how long an older one, or a tombstone, can still be read.
    """

    name: str
    service: str
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings in Kafka's own words."""
        if self.compacted:
            return {
                "cleanup.policy": "compact",
                "max.compaction.lag.ms": str(DAY_MS),
                "segment.ms": str(DAY_MS),
                "delete.retention.ms": str(TOMBSTONES_KEPT.days * DAY_MS),
            }
        return {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


MEMBERSHIP = Topic("aspire.membership", "membership")
PEOPLE = Topic("aspire.people", "membership", compacted=True)
SCHEDULING = Topic("aspire.scheduling", "scheduling")
CPD = Topic("aspire.cpd", "cpd")
MIS = Topic("aspire.mis", "integration")
MIS_PEOPLE = Topic("aspire.mis.people", "integration", compacted=True)
INTEGRATION = Topic("aspire.integration", "integration")

TOPICS = {
    topic.name: topic
    for topic in (MEMBERSHIP, PEOPLE, SCHEDULING, CPD, MIS, MIS_PEOPLE, INTEGRATION)
}


FROM_TRUSTS = "mis.in."
"""With a trust's id behind it, the topic that the trust's own systems write, for integration."""

FROM_TRUSTS_CONFIG = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)}
"""What was taken is on our own topics; the rest waits for a week."""


TO_TRUSTS = "trust."
"""With a trust's id behind it, the topic of its feed: integration writes it, the trust reads it."""

TO_TRUSTS_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def topics_of(service: str) -> list[Topic]:
    """The topics that `service` writes."""
    return [topic for topic in TOPICS.values() if topic.service == service]
