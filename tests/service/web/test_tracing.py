"""A request goes on with its caller's trace; health checks make none."""

import json
import subprocess
import sys

# In a process of its own: OpenTelemetry's provider is set once a process.
PROGRAM = """
import asyncio, json
import httpx
from fastapi import APIRouter
from shared.settings import Settings
from shared.telemetry import configure, current_traceparent
from shared.web import Context, create_app

router = APIRouter()

@router.get("/things")
async def things() -> str | None:
    return current_traceparent()

@router.get("/health/things")
async def health() -> str | None:
    return current_traceparent()

settings = Settings()
configure("cpd", settings)
context = Context(service="cpd", settings=settings, pool=None, clock=None,
                  authenticator=None, wake=lambda: None)
app = create_app(context, title="Things", version="1", routers=[router])

async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as c:
        given = {"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"}
        paths = [("/things", given), ("/things", {}), ("/health/things", {})]
        print(json.dumps([(await c.get(path, headers=headers)).json() for path, headers in paths]))

asyncio.run(main())
"""


def test_a_request_goes_on_with_its_callers_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    continued, fresh, health = json.loads(done.stdout)
    assert continued.startswith(f"00-{'ab' * 16}-")
    assert continued.endswith("-01")
    assert "cd" * 8 not in continued
    assert fresh.startswith("00-")
    assert health is None
