"""Tasks that end together; ending one takes more than cancelling it once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

AGAIN_SECONDS: Final = 6
"""Longer than relay or consumer take to end gracefully, which a cancellation would break off."""


async def end(*tasks: asyncio.Task[Any], again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancels tasks, and returns when all have ended, whatever came of them.

    A client of aiokafka that is being closed swallows the cancellation of whoever waits for that;
    that one goes on as if nothing had been said, so it is told again.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_seconds)


async def together(*work: Coroutine[Any, Any, Result]) -> list[Result]:
    """Does all at once, and answers what each came to. Where one fails, the others are ended."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await end(*tasks)
