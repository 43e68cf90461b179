"""What is tested runs on the event loop that the services run on."""

import asyncio

import uvloop


async def test_tests_run_on_the_loop_of_the_services() -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
