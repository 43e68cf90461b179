"""Valid things of the programme, made with one call each."""

from datetime import date
from typing import Any
from uuid import uuid4

from services.membership.domain.membership import Membership
from services.membership.domain.network import Network
from services.membership.domain.school import School
from shared.events.membership import SchoolDetails, StartingPoint
from shared.events.vocabulary import Framework, Judgement, Pathway, Region

JOINED_ON = date(2026, 9, 1)
GOOD = StartingPoint(
    framework=Framework.OVERALL_GRADE, judgement=Judgement.GOOD, inspected_on=date(2023, 5, 10)
)


def a_school(urn: int = 100001) -> School:
    return School.register(uuid4(), SchoolDetails(urn=urn, name=f"School {urn}"))[0]


def a_network(established_on: date = date(2026, 1, 1)) -> Network:
    return Network.establish(uuid4(), "Solent", Region.SOUTH_EAST, established_on)[0]


def a_joining(school: School | None = None, network: Network | None = None, **changes: Any) -> Any:
    """What Membership.join answers: the membership and its event."""
    given: dict[str, Any] = {
        "pathway": Pathway.PARTNER_SCHOOLS,
        "joined_on": JOINED_ON,
        "starting_point": GOOD,
        "group": None,
        "others": (),
    }
    given.update(changes)
    return Membership.join(uuid4(), school or a_school(), network or a_network(), **given)


def a_membership(**changes: Any) -> Membership:
    membership: Membership = a_joining(**changes)[0]
    return membership
