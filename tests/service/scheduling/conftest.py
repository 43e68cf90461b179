"""Scheduling's API in this process, on a database of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.scheduling.world import NOW, World


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer) -> AsyncIterator[World]:
    clock = FixedClock(NOW)
    async with start("scheduling", parts=("api",), clock=clock, pool_max_size=20) as scheduling:
        yield World(
            pool=scheduling.pool,
            client=scheduling.client,
            issuer=issuer,
            clock=clock,
            dsn=scheduling.dsn,
        )
