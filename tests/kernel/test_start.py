"""A service whose servers are not there yet waits, says so, and goes on by itself."""

from typing import Any

import httpx
import pytest

from shared.database import create_pool
from shared.service import Running, load
from shared.settings import Settings
from tests.conftest import Database, eventually
from tests.infra import Infra


@pytest.mark.bad_day
async def test_a_service_starts_before_kafka_and_postgresql(
    settings: Settings, database: Database, topics: list[str], infra: Infra
) -> None:
    dsn = await database("cpd")
    await infra.broker.stop()
    await infra.postgres.stop()
    try:
        pool = await create_pool(dsn, "early", min_size=0, max_size=4)
        running = Running(load("cpd"), settings, pool)
        transport = httpx.ASGITransport(running.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        async with client, running.working():

            async def parts() -> dict[str, Any]:
                found: dict[str, Any] = (await client.get("/health/ready")).json()["parts"]
                return found

            assert (await client.get("/health/live")).status_code == 200
            waiting = await parts()
            assert {part["status"] for part in waiting.values()} == {"not ready"}
            assert "the database does not answer" in waiting["api"]["detail"]

            await infra.postgres.start()

            async def api_works() -> bool:
                return "wait in the outbox" in (await parts())["api"]["detail"]

            await eventually(api_works, what="the API takes commands without Kafka")
            told = await parts()
            assert told["api"]["status"] == "degraded"
            assert "does not answer" in told["consumer"]["detail"]
            assert "does not answer" in told["relay"]["detail"]

            await infra.broker.start()

            async def ready() -> bool:
                return (await client.get("/health/ready")).status_code == 200

            await eventually(ready, within_seconds=60, what="everything works")
        await pool.close()
    finally:
        await infra.postgres.start()
        await infra.broker.start()


async def test_an_empty_database_is_said_to_lack_its_migrations(
    settings: Settings, infra: Infra
) -> None:
    pool = await create_pool(infra.admin_dsn, "empty", min_size=0, max_size=2)
    running = Running(load("cpd"), settings, pool, parts=["api"])
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/health/ready")
    await pool.close()
    assert answer.status_code == 503
    assert "run `aspire migrate`" in answer.json()["parts"]["api"]["detail"]
