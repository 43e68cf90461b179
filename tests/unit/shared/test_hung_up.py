"""What is sent to a broker that has hung up fails as the kernel expects it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ListGroupsRequest

from shared.messaging import cluster

assert cluster, "it prepares aiokafka"


@asynccontextmanager
async def connected() -> AsyncIterator[Any]:
    """aiokafka's connection to a server that says nothing."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = AIOKafkaConnection("127.0.0.1", port)
        connection._reader, connection._writer = await asyncio.open_connection("127.0.0.1", port)
        connection._read_task = connection._create_reader_task()
        yield connection
        connection.close()


@pytest.mark.parametrize("turns", range(4))
async def test_a_request_after_the_end_is_refused(turns: int) -> None:
    async with connected() as connection:
        connection._writer.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            connection.send(ListGroupsRequest())


@pytest.mark.parametrize("turns", range(4))
async def test_a_password_after_the_end_is_refused(turns: int) -> None:
    async with connected() as connection:
        connection._writer.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            connection._send_sasl_token(b"secret")
