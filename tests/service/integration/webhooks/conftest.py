"""Two trusts whose events are sent to receivers of theirs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.integration.sending import courier
from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.integration.receivers import (
    Receiver,
    receiver,
    working,
)
from tests.service.integration.world import (
    World,
    joined,
    school,
    trust,
)


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells the courier that the clock was moved, or that another process has written."""
    monkeypatch.setattr(courier, "LOOK_SECONDS", 0.05)


@pytest.fixture
def clock() -> FixedClock:
    """The real time, for receivers refuse what is old, until it is moved."""
    return FixedClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer, clock: FixedClock) -> AsyncIterator[World]:
    async with start("integration", parts=("api",), clock=clock, webhooks_inside=True) as started:
        yield World(started, issuer)


@pytest_asyncio.fixture
async def mis(world: World) -> AsyncIterator[World]:
    """Two trusts with a school each, at work."""
    await world.say(
        trust("Solent"), trust("Downs"), joined("Solent", "Ash"), joined("Downs", "Elm")
    )
    await world.say(school("Ash", 100001), school("Elm", 100002))
    await world.connected("Solent")
    await world.connected("Downs")
    async with working(world):
        yield world


@pytest_asyncio.fixture
async def solent() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found
