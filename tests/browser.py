"""A real browser: Chromium without a window, driven over its debugging pipe.

It speaks the Chrome DevTools Protocol, JSON between NUL bytes on two descriptors:
https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
BECOME: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from descriptor 3, and answers on 4."""
SECONDS_TO_ANSWER: Final = 30
LONGEST_MESSAGE: Final = 64 * 1024 * 1024


def executable() -> str:
    """Where the browser is; the test is skipped where there is none."""
    named = os.environ.get("ASPIRE_TEST_BROWSER")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no browser: install chromium, or name one in ASPIRE_TEST_BROWSER")
    return found


class Tab:
    """A page in the browser. `errors` are what went wrong in it: exceptions, refused requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.WriteTransport) -> None:
        self.errors: list[str] = []
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session: str | None = None

    async def listen(self) -> None:
        """Takes what the browser says, until it ends."""
        while True:
            message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            if waiting := self._waiting.pop(message.get("id", 0), None):
                waiting.set_result(message)
            elif message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"]))
            elif message.get("method") == "Log.entryAdded":
                entry = message["params"]["entry"]
                if entry["level"] == "error":
                    self.errors.append(f"{entry['text']} {entry.get('url', '')}")

    async def attach(self) -> None:
        """Opens an empty page, and listens to what goes wrong in it."""
        target = await self._call("Target.createTarget", url="about:blank")
        attached = await self._call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            await self._call(f"{domain}.enable")

    async def open(self, url: str) -> None:
        await self._call("Page.navigate", url=url)

    async def eval(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        answer = await self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def text(self, selector: str) -> str:
        """What a person reads there; nothing where there is no such element, or none to be seen."""
        found = await self.eval(
            f"((each) => each?.checkVisibility() ? each.innerText : '')"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        return " ".join(str(found).split())

    async def click(self, words: str) -> None:
        """The button, to be seen, whose text or label begins so."""
        await self.eval(
            "[...document.querySelectorAll('button')].find((each) => each.checkVisibility() &&"
            f" (each.ariaLabel ?? each.textContent).startsWith({json.dumps(words)})).click()"
        )

    async def size(self, width: int, height: int) -> None:
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    async def picture(self) -> bytes:
        """A PNG of what is to be seen."""
        answer = await self._call("Page.captureScreenshot", captureBeyondViewport=False)
        return base64.b64decode(answer["data"])

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(message).encode() + b"\0")
        answer = await asyncio.wait_for(self._waiting[number], SECONDS_TO_ANSWER)
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])


@asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """A browser with one page, until the end of the block."""
    program = executable()
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-ISc", BECOME, str(to_browser), str(from_browser)),
            *(program, *FLAGS, f"--user-data-dir={profile}"),
            pass_fds=(to_browser, from_browser),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        reader = asyncio.StreamReader(LONGEST_MESSAGE)
        reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(to_us, "rb", 0)
        )
        writing, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(from_us, "wb", 0))
        tab = Tab(reader, writing)
        listening = asyncio.create_task(tab.listen())
        try:
            await tab.attach()
            yield tab
        finally:
            listening.cancel()
            writing.close()
            reading.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            if process.returncode is None:
                process.kill()
                await process.wait()
