"""A service as a process of its own, as `aspire run` starts it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from benchmarks.http import connect, request
from benchmarks.measure import Bench
from shared.settings import Settings

READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    port: int


@asynccontextmanager
async def running(
    bench: Bench, settings: Settings, name: str, pool: asyncpg.Pool, **environment: str
) -> AsyncIterator[Running]:
    """The process, once it is ready; it is ended afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "run", name,
        env=os.environ | {
            "ASPIRE_HOME": str(settings.home),
            "ASPIRE_KAFKA": settings.kafka,
            "ASPIRE_TOPIC_PREFIX": settings.topic_prefix,
            "ASPIRE_HTTP_PORT": str(port),
            f"ASPIRE_{name.upper()}_DATABASE_URL": await bench.dsn_of(pool),
            **environment,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await _ready(port):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield Running(process.pid, port)
    finally:
        process.terminate()
        await process.wait()


async def _ready(port: int) -> bool:
    try:
        async with connect(port) as connection:
            await connection.ask(request("GET", "/health/ready", {}))
    except (OSError, RuntimeError):
        return False
    return True
