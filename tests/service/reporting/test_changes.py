"""The stream says at once when figures may have changed, and only then."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from services.reporting.api import changes
from shared.messaging.batch import Outcome
from tests.conftest import Start, Started

CHANGE = "event: change\ndata:\n\n"


async def soon(stream: AsyncIterator[str]) -> str:
    return await asyncio.wait_for(anext(stream), 10)


async def move(started: Started, offset: int) -> None:
    await started.pool.execute(
        """
        INSERT INTO position (topic, partition, "offset") VALUES ('aspire.cpd', 0, $1)
        ON CONFLICT (topic, partition) DO UPDATE SET "offset" = excluded."offset"
        """,
        offset,
    )


async def test_a_batch_is_told_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 60)
    async with start("reporting") as reporting:
        stream = changes._told(reporting.running.app.state.context)
        assert await soon(stream) == CHANGE
        told: asyncio.Future[str] = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await move(reporting, 1)
        assert reporting.running.consumer is not None
        await reporting.running.consumer._done(Outcome())
        assert await asyncio.wait_for(told, 10) == CHANGE


async def test_a_consumer_elsewhere_is_noticed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_SECONDS", 0.02)
    async with start("reporting", parts=("api",)) as reporting:
        stream = changes._told(reporting.running.app.state.context)
        assert await soon(stream) == CHANGE
        assert await soon(stream) == ":\n\n"  # nothing has happened
        await move(reporting, 1)
        assert await soon(stream) == CHANGE


async def test_a_process_that_stops_lets_the_stream_go(start: Start) -> None:
    async with start("reporting", parts=("api",)) as reporting:
        stream = changes._told(reporting.running.app.state.context)
        assert await soon(stream) == CHANGE
        reporting.running.changes.end()
        with pytest.raises(StopAsyncIteration):
            await soon(stream)


async def test_nobody_hears_without_a_token(start: Start) -> None:
    async with start("reporting", parts=("api",)) as reporting:
        answer: httpx.Response = await reporting.client.get("/changes")
        assert answer.status_code == 401
