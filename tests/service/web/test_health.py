"""Health says of each part whether it works, and why it does not."""

import httpx
from fastapi import FastAPI

from shared.web.health import Health, health_router
from tests.service.web.things import Api


async def test_an_api_that_works(api: Api) -> None:
    assert (await api.client.get("/health/live")).json() == {"status": "live"}
    response = await api.client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["parts"] == {"api": {"status": "ready", "detail": "answers"}}


async def ready(**parts: Health | Exception) -> httpx.Response:
    def check(health: Health | Exception):  # type: ignore[no-untyped-def]
        async def answer() -> Health:
            if isinstance(health, Exception):
                raise health
            return health

        return answer

    app = FastAPI()
    app.include_router(health_router({name: check(health) for name, health in parts.items()}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/health/ready")


async def test_a_part_that_does_not_work_says_why() -> None:
    response = await ready(api=Health(ok=True), relay=Health(ok=False, detail="Kafka is away"))
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["parts"]["relay"] == {"status": "not ready", "detail": "Kafka is away"}


async def test_a_check_that_fails_is_a_part_that_does_not_work() -> None:
    response = await ready(api=OSError("no route"))
    assert response.status_code == 503
    assert response.json()["parts"]["api"]["detail"] == "OSError: no route"


async def test_a_degraded_part_is_ready() -> None:
    response = await ready(api=Health(ok=True, degraded=True, detail="Kafka is away"))
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
