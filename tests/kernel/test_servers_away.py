"""While the broker or the database is away, events wait, and then go on by themselves."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from shared.messaging import consumer as consuming
from shared.messaging.consumer import Consumer
from shared.messaging.relay import Relay
from tests.conftest import eventually
from tests.infra import Infra
from tests.kernel.flow import Flow, history, working
from tests.kernel.ledger import ledger_effects

pytestmark = pytest.mark.bad_day

MANY = 20_000
AT_A_TIME = 500
BYTES_OF_ONE = 1_000
"""At least, of an event as the kernel has it."""
ATTEMPTS = 3


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
        consuming, "ANSWER_SECONDS", 2 - flow.settings.consumer_session_timeout_seconds
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


async def test_memory_is_bounded_while_the_broker_is_away(flow: Flow, infra: Infra) -> None:
    attempts = asyncio.Semaphore(0)

    def opened(*given: Any) -> Any:
        attempts.release()
        return flow.client.opened(*given)

    settings = flow.settings.model_copy(
        update={"relay_delivery_seconds": 1, "relay_batch": AT_A_TIME}
    )
    client = replace(flow.client, opened=opened)
    relay = Relay("membership", flow.publisher, settings, client)
    async with working(relay):
        await flow.publish(*history(1))
        await flow.until_sent()
        await infra.broker.kill()
        try:
            await flow.publish(*history(MANY))
            with allocated() as most:
                await eventually(lambda: _trouble(relay, ""))
                async with asyncio.timeout(60):
                    for _ in range(ATTEMPTS):
                        await attempts.acquire()
                assert most() < MANY * BYTES_OF_ONE / 4
        finally:
            await infra.broker.start()
        await flow.until_sent()


async def test_memory_is_bounded_while_the_database_is_away(flow: Flow, infra: Infra) -> None:
    await flow.publish(*history(MANY))
    await flow.relay_all()
    attempts = asyncio.Semaphore(0)

    class Counted(Consumer):
        async def _wait_for(self, trouble: str) -> None:
            attempts.release()
            await super()._wait_for(trouble)

    settings = flow.settings.model_copy(update={"batch_size": AT_A_TIME})
    consumer = Counted("cpd", ledger_effects(), flow.kernel.pool, settings, client=flow.client)
    with allocated() as most:
        async with working(consumer):
            await flow.until_ledger_has(1)
            await infra.postgres.kill()
            try:
                async with asyncio.timeout(60):
                    for _ in range(ATTEMPTS):
                        await attempts.acquire()
            finally:
                await infra.postgres.start()
            assert most() < MANY * BYTES_OF_ONE / 2
            await eventually(lambda: _has(flow, MANY), within_seconds=60)


@contextmanager
def allocated() -> Iterator[Callable[[], int]]:
    """Answers the most bytes that Python has had at once since here, beside what it had before."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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
