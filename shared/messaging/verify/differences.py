"""Differences between places, of what kind, and the command that ends each."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from shared.events import TOPICS
from shared.messaging.records import Entry

LISTED = 1000

LOST = "lost from Kafka"
UNKNOWN = "unknown to the journal"
NOT_TAKEN = "not taken"
CONTRADICTING = "taken with another id"
AHEAD = "taken, unknown to the journal"

WAY_OUT = {
    LOST: "aspire republish {journal}",
    UNKNOWN: "aspire reconcile {journal}",
    NOT_TAKEN: "aspire parked list {where}; then see docs/operations.md, Verifying",
    CONTRADICTING: "see docs/operations.md, Verifying: two facts have one sequence",
    AHEAD: "see docs/operations.md, Verifying: the journal of {journal} is older than its events",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One event on which two places disagree, and the command that ends it."""

    kind: str
    where: str
    topic: str
    key: str
    sequence: int
    id: UUID | None

    @property
    def way_out(self) -> str:
        return WAY_OUT[self.kind].format(journal=TOPICS[self.topic].service, where=self.where)

    @classmethod
    def of(cls, kind: str, where: str, entry: Entry) -> "Difference":
        """One about an event on a topic."""
        return cls(kind, where, entry.record.topic, entry.key, entry.sequence, entry.id)


@dataclass(slots=True)
class Verified:
    """What was compared, and the differences: all are counted, the first thousand listed."""

    records: int = 0
    keys: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def summary(self) -> str | None:
        """The differences in words; None where there are none."""
        return (
            ", ".join(f"{number:,} events {kind}" for kind, number in self.counts.items()) or None
        )

    def note(self, difference: Difference) -> None:
        self.counts[difference.kind] += 1
        if len(self.differences) < LISTED:
            self.differences.append(difference)
