"""Membership's API in this process, on a database of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.membership.office import NOW, Office


@pytest_asyncio.fixture
async def office(start: Start, issuer: LocalIssuer) -> AsyncIterator[Office]:
    async with start(
        "membership", parts=("api",), clock=FixedClock(NOW), pool_max_size=20
    ) as membership:
        yield Office(pool=membership.pool, client=membership.client, issuer=issuer)
