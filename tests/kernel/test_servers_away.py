"""While the broker or the database is away, events wait, and then go on by themselves."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared.messaging import consumer
from tests.conftest import eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working

pytestmark = pytest.mark.bad_day


async def test_while_the_broker_is_away_events_wait_in_the_outbox(
    flow: Flow, infra: Infra, caplog: pytest.LogCaptureFixture
) -> None:
    flow.settings = flow.settings.model_copy(update={"relay_delivery_seconds": 2})
    relay = flow.relay()
    async with working(relay), working(flow.consumer()):
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


async def test_a_connection_to_a_broker_that_is_gone_is_given_up(
    flow: Flow, infra: Infra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        consumer, "ANSWER_SECONDS", 2 - flow.settings.consumer_session_timeout_seconds
    )
    async with working(flow.consumer()):
        await flow.publish(*history(2))
        await flow.relay_all()
        await flow.until_ledger_has(2)
        await infra.broker.kill()
        async with silence(flow.settings.kafka) as connected:
            await asyncio.wait_for(connected.wait(), 20)
            await infra.broker.start()
            await flow.publish(*history(3))
            await flow.relay_all()
            await flow.until_ledger_has(5)


@asynccontextmanager
async def silence(address: str) -> AsyncIterator[asyncio.Event]:
    """Takes one connection there in the server's place, and never answers on it."""
    connected, over = asyncio.Event(), asyncio.Event()
    host, port = address.split(":")

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.close()
        connected.set()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(take, host, int(port))
    try:
        yield connected
    finally:
        over.set()
        server.close()


async def test_while_the_database_is_away_the_consumer_waits_and_parks_nothing(
    flow: Flow, infra: Infra
) -> None:
    async with working(flow.consumer()):
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
