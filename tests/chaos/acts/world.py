"""What the clients know: ids that services have given them, and what they have done with these."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

TODAY = datetime.now(UTC).date()
FIRST_DAY = date(TODAY.year - (TODAY.month < 9), 9, 1)
"""Of the programme year that is played in: the current one."""

Ask = Callable[..., Awaitable[Any]]
"""GET of a service and a path."""


@dataclass
class Act:
    """A command to send; `body` may first have to ask. `learned` is told its answer."""

    kind: str
    service: str
    path: str
    body: Any = None
    method: str = "POST"
    learned: Callable[[Any], None] = lambda _: None


Maker = Callable[["World", Random], Act | None]


@dataclass(eq=False)
class Person:
    person_id: str
    school_id: str
    network_id: str
    post_id: str


@dataclass(eq=False)
class Membership:
    membership_id: str
    school_id: str
    network_id: str
    active: bool = True


@dataclass(eq=False)
class Day:
    """A Network Day; `places` are those booked or waiting, by their ids."""

    day_id: str
    network_id: str
    places: dict[str, str] = field(default_factory=dict)
    applied: int = 0
    register: dict[str, str] = field(default_factory=dict)
    state: str = "scheduled"


@dataclass(eq=False)
class Visit:
    """A Development Day; `people` are the staff of its school."""

    day_id: str
    people: list[str]
    state: str = "planned"


@dataclass
class World:
    """Grows as commands are acknowledged. Of an unanswered one nothing is known."""

    register: bytes
    networks: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    """Schools that have not joined."""
    memberships: list[Membership] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    advisers: list[str] = field(default_factory=list)
    assigned: dict[str, str] = field(default_factory=dict)
    """Adviser → network."""
    days: list[Day] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    own_records: list[tuple[str, str]] = field(default_factory=list)
    """Person and credit."""
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def open_days(self) -> list[Day]:
        """Days that may be booked."""
        return [day for day in self.days if day.state == "scheduled"]


def some_date(random: Random) -> str:
    """A date of the programme year that has come."""
    days = max(1, (TODAY - FIRST_DAY).days)
    return (FIRST_DAY + timedelta(days=random.randrange(days))).isoformat()
