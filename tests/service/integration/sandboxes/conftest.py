"""A real trust beside the sandboxes."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
import pytest_asyncio

from shared.clock import FixedClock
from shared.events import membership as said
from shared.events.vocabulary import Role
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.integration.sandboxes.developer import ZOE
from tests.service.integration.world import (
    World,
    joined,
    named,
    school,
    trust,
)


@pytest.fixture
def clock() -> FixedClock:
    """The real time: what is played has the database's."""
    return FixedClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer, clock: FixedClock) -> AsyncIterator[World]:
    """A real trust with a school and a leader, who is connected."""
    async with start("integration", parts=("api",), clock=clock, webhooks_inside=True) as started:
        found = World(started, issuer)
        await found.say(
            trust("Solent"), school("Ash", 100001), joined("Solent", "Ash"), ZOE,
            said.LeaderAppointed(
                person_id=ZOE.person_id, post_id=named("post"), school_id=named("Ash"),
                role=Role.OTHER, appointed_on=date(2020, 9, 1),
            ),
        )  # fmt: skip
        await found.connected("Solent")
        yield found
