"""What a check found: faults by kind, each with words."""

from collections import Counter
from dataclasses import dataclass, field

LOST = "lost"
DOUBLED = "doubled"
DISORDERED = "out of order"
WRONG = "otherwise wrong"
FAULTS = (LOST, DOUBLED, DISORDERED, WRONG)


@dataclass
class Check:
    """One thing that has to hold, and where it does not."""

    name: str
    looked_at: int = 0
    findings: list[tuple[str, str]] = field(default_factory=list)
    """Fault and words."""

    def lost(self, what: str) -> None:
        self.findings.append((LOST, what))

    def doubled(self, what: str) -> None:
        self.findings.append((DOUBLED, what))

    def disordered(self, what: str) -> None:
        self.findings.append((DISORDERED, what))

    def wrong(self, what: str) -> None:
        self.findings.append((WRONG, what))

    def counts(self) -> Counter[str]:
        return Counter(fault for fault, _ in self.findings)
