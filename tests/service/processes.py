"""Services as their own processes, as they are run anywhere: `aspire run SERVICE`."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from shared.settings import PREFIX, Settings
from shared.web.asking import asking
from tests.conftest import eventually

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """One that answers: its HTTP client, and what it has logged so far."""

    client: httpx.AsyncClient
    log: list[str]


@asynccontextmanager
async def process(
    service: str,
    dsn: str,
    settings: Settings,
    parts: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """Runs it until the end of the block, and waits until it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        f"{PREFIX}{name.upper()}": v.get_secret_value() if isinstance(v, SecretStr) else str(v)
        for name, v in settings.model_dump().items()
        if v
    }
    given |= {f"{PREFIX}{service.upper()}_DATABASE_URL": dsn, f"{PREFIX}HTTP_PORT": str(port)}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "run", service),
        *(f"--part={part}" for part in parts),
        env={**os.environ, **given, f"{PREFIX}LOG_FORMAT": "json", **(environment or {})},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    log: list[str] = []

    async def read() -> None:
        assert running.stderr is not None
        while line := await running.stderr.readline():
            log.append(line.decode())

    reading = asyncio.create_task(read())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def answers() -> bool:
                assert running.returncode is None, log
                try:
                    with asking():
                        return (await client.get("/health/live")).is_success
                except httpx.TransportError:
                    return False

            await eventually(answers, within_seconds=90, what=f"{service} answers")
            yield Process(client, log)
    finally:
        if running.returncode is None:
            running.terminate()
        await asyncio.wait_for(running.wait(), 20)
        await reading
