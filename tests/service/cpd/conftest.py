"""Cpd's API and effects in this process, on a database of its own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest_asyncio

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.cpd.world import World


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer) -> AsyncIterator[World]:
    clock = FixedClock(datetime(2026, 11, 25, 12, tzinfo=UTC))
    async with start("cpd", parts=("api",), clock=clock) as cpd:
        yield World(cpd, issuer)
