"""Liveness and readiness: whether the process works, and whether each of its parts does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

log = logging.getLogger(__name__)

CHECK_TIMEOUT_SECONDS: Final = 5


@dataclass(frozen=True)
class Health:
    """How a part is. `degraded`: it works, and something behind it is away."""

    ok: bool
    degraded: bool = False
    detail: str = ""


Check = Callable[[], Awaitable[Health]]


class PartHealth(BaseModel):
    status: str
    detail: str


class Readiness(BaseModel):
    """`ready`, `degraded` (works, but something behind it is away) or `not ready`."""

    status: str
    parts: dict[str, PartHealth]


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """`/health/live` answers while the event loop turns; `/health/ready` asks each check."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", summary="Does the process work?")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/ready",
        summary="Do its parts work?",
        responses={503: {"model": Readiness, "description": "A part does not work; it says why"}},
    )
    async def ready(response: Response) -> Readiness:
        found = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
        parts = dict(zip(checks, found, strict=True))
        if not all(health.ok for health in found):
            response.status_code = 503
        response.headers["Cache-Control"] = "no-store"
        return Readiness(
            status=_status(
                Health(
                    ok=all(health.ok for health in found),
                    degraded=any(health.degraded for health in found),
                )
            ),
            parts={
                name: PartHealth(status=_status(health), detail=health.detail)
                for name, health in parts.items()
            },
        )

    return router


async def _ask(name: str, check: Check) -> Health:
    """A check that fails or hangs is a part that does not work."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check()
    except TimeoutError:
        return Health(ok=False, detail=f"no answer within {CHECK_TIMEOUT_SECONDS} s")
    except Exception as error:
        log.warning("The check of %s failed", name, exc_info=True)
        return Health(ok=False, detail=f"{type(error).__name__}: {error}")


def _status(health: Health) -> str:
    if not health.ok:
        return "not ready"
    return "degraded" if health.degraded else "ready"
