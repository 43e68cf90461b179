"""From a click to the row of the report: a day is scheduled over HTTP, and a client that listens
has it in its report, through two services that run as processes of their own."""

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.consuming import end
from benchmarks.http import Connection, connect, request
from benchmarks.measure import Bench, Spent
from benchmarks.processes import running
from shared.clock import FixedClock, ProgrammeYear, SystemClock
from shared.messaging import cluster
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.service.scheduling.world import NOW, World, day_body

SECONDS = 4
UNMEASURED = 20
CONNECTIONS = 16


async def clicked(bench: Bench, rate: int) -> Spent:
    """Milliseconds from each click to the report that shows it, at so many clicks a second."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(home=home, kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.")
        await cluster.create_topics(settings)
        deciding = await stack.enter_async_context(bench.database("scheduling"))
        telling = await stack.enter_async_context(bench.database("reporting"))
        issuer = LocalIssuer(settings.local_keys)
        unused = await stack.enter_async_context(httpx.AsyncClient())
        world = World(deciding, unused, issuer, FixedClock(NOW), "")
        day = day_body(await world.network(), date=SystemClock().today())
        scheduling, reporting = [
            (await stack.enter_async_context(running(bench, settings, name, pool))).port
            for name, pool in (("scheduling", deciding), ("reporting", telling))
        ]
        browser = Browser(reporting, world.token())
        listening = asyncio.create_task(browser.listen())
        stack.push_async_callback(end, listening)
        office = [await stack.enter_async_context(connect(scheduling)) for _ in range(CONNECTIONS)]
        return await _click(
            bench, rate, office, world.token(), json.dumps(day, default=str), browser
        )


class Browser:
    """What the page does: asks for the report when it is told that there may be another."""

    def __init__(self, port: int, token: dict[str, str]) -> None:
        self._port = port
        self._token = token
        self._clicked: list[float] = []
        self.milliseconds: list[float] = []

    def click(self) -> None:
        self._clicked.append(time.perf_counter())

    async def listen(self) -> None:
        year = ProgrammeYear.of(SystemClock().today())
        asked = request("GET", f"/reports/{year}", self._token)
        async with connect(self._port) as asking, connect(self._port) as stream:
            async for line in stream.listen(request("GET", "/changes", self._token)):
                if b"change" in line:
                    self._show(json.loads(await asking.ask(asked)))

    def _show(self, report: dict[str, Any]) -> None:
        now, shown = time.perf_counter(), len(self.milliseconds)
        days = report["network_days"]["scheduled"]
        self.milliseconds += [(now - clicked) * 1000 for clicked in self._clicked[shown:days]]

    async def until(self, count: int) -> None:
        while len(self.milliseconds) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def _click(
    bench: Bench, rate: int, office: list[Connection], token: dict[str, str], day: str,
    browser: Browser,
) -> Spent:  # fmt: skip
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in office:
        free.put_nowait(connection)

    async def click() -> None:
        browser.click()
        connection = await free.get()
        headers = token | {"Idempotency-Key": str(uuid4())}
        await connection.ask(request("POST", "/network-days", headers, day))
        free.put_nowait(connection)

    for number in range(UNMEASURED):
        await click()
        await browser.until(number + 1)
    clicks: list[asyncio.Task[None]] = []
    total = rate * SECONDS
    async with bench.measured(total) as spent:
        begun = time.perf_counter()
        for number in range(total):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            clicks.append(asyncio.create_task(click()))
        await asyncio.gather(*clicks)
        await browser.until(UNMEASURED + total)
    spent.samples = browser.milliseconds[UNMEASURED:]
    return spent
