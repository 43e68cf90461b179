"""While the broker or the database is away, events wait, and then go on by themselves."""

import gc

import asyncpg
import pytest

from tests.conftest import eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working


async def test_while_the_broker_is_away_events_wait_in_the_outbox(
    flow: Flow, infra: Infra, caplog: pytest.LogCaptureFixture
) -> None:
    flow.settings = flow.settings.model_copy(update={"relay_delivery_seconds": 2})
    relay, consumer = flow.relay(), flow.consumer()
    async with working(relay), working(consumer):
        await flow.publish(*history(2))
        await flow.until_ledger_has(2)
        await infra.broker.kill()
        try:
            await flow.publish(*history(3))
            await eventually(lambda: _trouble(relay, ""))
            assert "does not answer" in (await relay.ready() or "")
            assert await flow.publisher.fetchval("SELECT count(*) FROM outbox") == 3
        finally:
            await infra.broker.start()
        await flow.until_ledger_has(5, within_seconds=60)
        await eventually(lambda: _well(relay))
    assert await flow.count() == 5
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_while_the_database_is_away_the_consumer_waits_and_parks_nothing(
    flow: Flow, infra: Infra
) -> None:
    consumer = flow.consumer()
    async with working(consumer):
        await flow.publish(*history(2))
        await flow.relay_all()
        await flow.until_ledger_has(2)
        await flow.publish(*history(3))
        await flow.relay_all()
        await infra.postgres.kill()
        try:
            assert not await _reachable(flow)
        finally:
            await infra.postgres.start()
        await eventually(lambda: _has(flow, 5), within_seconds=60)
    assert await flow.kernel.parked() == []


async def _has(flow: Flow, count: int) -> bool:
    return await _reachable(flow) and await flow.count() == count


async def _reachable(flow: Flow) -> bool:
    try:
        await flow.count()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def _trouble(part: object, text: str) -> bool:
    trouble = getattr(part, "trouble", None)
    return trouble is not None and text in trouble


async def _well(part: object) -> bool:
    return getattr(part, "trouble", "") is None
