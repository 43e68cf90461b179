"""Tasks end, also those that miss a cancellation."""

import asyncio
from contextlib import suppress

import pytest

from shared.ending import end, together


async def test_a_cancellation_that_was_swallowed_is_said_again() -> None:
    swallowed = asyncio.Event()

    async def closes_a_client() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(closes_a_client())
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task, again_seconds=0.01), 5)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_what_ends_by_itself_is_left_to_do_so() -> None:
    ended = asyncio.Event()

    async def ends_gracefully() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            ended.set()

    async def fails() -> None:
        raise RuntimeError("a bug")

    tasks = [asyncio.create_task(ends_gracefully()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    await end(*tasks)
    assert ended.is_set()
    assert isinstance(tasks[1].exception(), RuntimeError)


async def test_what_is_done_together_ends_together() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(together(waits(), fails()), 5)
    assert ended.is_set()


async def test_what_is_done_together_answers_in_the_given_order() -> None:
    first_may_end = asyncio.Event()

    async def first() -> int:
        await first_may_end.wait()
        return 1

    async def second() -> int:
        first_may_end.set()
        return 2

    assert await asyncio.wait_for(together(first(), second()), 5) == [1, 2]
