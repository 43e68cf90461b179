"""What the play has by now: the plan, the clients, and the ids that services have given."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date

from deploy.demo.clients import Clients
from deploy.demo.plan.parts import Plan
from deploy.demo.tally import Tally
from deploy.demo.trusts import System
from shared.settings import Settings

Done = Callable[[], None]


@dataclass
class Stage:
    """Ids by the plan's numbers."""

    plan: Plan
    clients: Clients
    kafka: Settings
    """How Kafka's administrator comes in."""
    stays: AsyncExitStack
    """What ends after the play only."""
    tally: Tally = field(default_factory=Tally)
    networks: dict[int, str] = field(default_factory=dict)
    advisers: dict[int, tuple[str, str]] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    systems: dict[int, System] = field(default_factory=dict)
    """Group → the system of a trust that is connected."""
    memberships: dict[int, str] = field(default_factory=dict)
    people: dict[int, str] = field(default_factory=dict)
    posts: dict[int, str] = field(default_factory=dict)
    held: dict[int, list[tuple[date, str]]] = field(default_factory=dict)
    """Network → held Network Days, for Development Days that follow them up."""

    def school_id(self, school: int) -> str:
        """The id of a member school."""
        return self.plan.schools[school].school.school_id

    def school_token(self, school: int) -> str:
        """The token of the school's user."""
        return self.clients.school(self.school_id(school))

    def system_of(self, school: int) -> System | None:
        """The system that the school's trust reports its staff by, if it is connected."""
        group = self.plan.schools[school].group
        return None if group is None else self.systems.get(group)

    def adviser_token(self, network: int, adviser: int = 0) -> str:
        """The token of one of the network's two advisers."""
        return self.clients.adviser(self.advisers[network][adviser], self.networks[network])

    def person(self, leader: int) -> str:
        """A leader's id: that of the record that stays, once two were merged."""
        person_id = self.people[leader]
        return self.tally.merged.get(person_id, person_id)
