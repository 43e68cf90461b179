"""Whatever a server does to a connection, who asks it is told in what it expects."""

import asyncio
import socket
import struct

import httpx
import pytest

from shared.web.asking import asking

TRIES = 400
"""Of which one in forty was seen to end in the loop's own way."""


async def test_a_server_that_hangs_up_at_once_gives_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=TRIES) as listening:
        listening.setblocking(False)
        hanging_up = asyncio.create_task(_hang_up(listening))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(TRIES):
                with pytest.raises(httpx.TransportError), asking():
                    await client.get(address)
        hanging_up.cancel()


async def _hang_up(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listening)
        reset = struct.pack("ii", 1, 0)  # l_onoff, l_linger
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.close()
