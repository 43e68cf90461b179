"""Tells those who wait in this process that something has taken effect here."""

import asyncio
from contextlib import suppress


class Changes:
    """Take `next` before you look, and wait for it after: so no change falls between.

    `over`: the process is stopping, and nobody should wait any more.
    """

    def __init__(self) -> None:
        self.over = False
        self.next = asyncio.Event()

    def tell(self) -> None:
        """Something has changed."""
        told, self.next = self.next, asyncio.Event()
        told.set()

    def end(self) -> None:
        """Lets everybody go who waits."""
        self.over = True
        self.tell()


async def wait(change: asyncio.Event, at_most_seconds: float) -> None:
    """Returns when it has come, or when the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_seconds):
            await change.wait()
