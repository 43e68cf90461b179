"""The published language: one module a service, the envelope, the topics and the closed lists."""

from shared.events import cpd, integration, membership, mis, scheduling
from shared.events.envelope import EVENT_TYPES, Caused, Event, Received
from shared.events.topics import TOMBSTONES_KEPT, TOPICS, Topic, topics_of

__all__ = [
    "EVENT_TYPES",
    "TOMBSTONES_KEPT",
    "TOPICS",
    "Caused",
    "Event",
    "Received",
    "Topic",
    "cpd",
    "integration",
    "membership",
    "mis",
    "scheduling",
    "topics_of",
]
