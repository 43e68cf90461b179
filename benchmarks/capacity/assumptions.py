"""What is taken for granted about schools, people and machines: change it here."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value with its unit, and where it is from."""

    value: float
    unit: str
    why: str


ASSUMPTIONS: Final = {
    "schools": Assumption(24_000, "", "all of England"),
    "staff": Assumption(1_000_000, "", "leaders, teachers and support staff of them"),
    "years kept": Assumption(10, "years", "the journal and the topics keep everything"),
    "places a person books": Assumption(6, "a year", "one each half-term"),
    "people on a Network Day": Assumption(12, "", "1,867 places on 152 days in the demo's year"),
    "places released or waited for": Assumption(0.15, "of those booked", "estimated"),
    "places attended": Assumption(0.92, "of those booked", "91.9 % in the demo's year"),
    "days moved or cancelled": Assumption(0.3, "of those scheduled", "estimated"),
    "Development Days of a school": Assumption(9, "a year", "1,164 of 133 schools in the demo"),
    "people credited by one": Assumption(2, "", "estimated"),
    "changes of a person": Assumption(1, "a year", "appointed, left, a new name"),
    "changes of a school": Assumption(2, "a year", "joined, inspected, details"),
    "questions for each command": Assumption(20, "", "pages of lists, reports, a diary"),
    "questions that ask one service": Assumption(0.5, "of all", "the busiest of the four"),
    "days of a working year": Assumption(195, "", "school days"),
    "hours of a working day": Assumption(8, "", ""),
    "busiest hour": Assumption(10, "times the mean", "the first days of a term"),
    "processors in use": Assumption(0.5, "at most", "room for a lost zone and for catching up"),
    "copies of a topic": Assumption(3, "", "replication factor"),
    "copies of a database": Assumption(2, "", "a standby"),
    "connections of a process": Assumption(14, "at most", "10 of requests, 4 of the workers"),
    "partitions of a topic": Assumption(24, "", "ASPIRE_PARTITIONS"),
    "processors of a database": Assumption(32, "", "the largest that is bought without thinking"),
    "connections of a database": Assumption(500, "", "beyond it PostgreSQL wants a pooler"),
    "disk of a database": Assumption(16, "TB", "a managed volume"),
    "a person waits": Assumption(10, "s", "then a report is answered 503 with Retry-After"),
    "a night": Assumption(10, "hours", "in which a rebuild of reporting should be done"),
    "first report": Assumption(
        20, "s for a million events of its year", "docs/performance.md, at 10 million of ten years"
    ),
}


def of(name: str) -> float:
    """The value of an assumption."""
    return ASSUMPTIONS[name].value
