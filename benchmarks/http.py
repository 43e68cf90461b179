"""HTTP/1.1 at its barest: a client that costs little, so that it is the server that is measured."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing


class Connection:
    """One connection that is kept; `ask` one thing after the other, or `listen` for good."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> bytes:
        """The answer's body; raises RuntimeError where it is no success."""
        head = await self._begin(request)
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 20"):
            raise RuntimeError(body.decode())
        return body

    async def listen(self, request: bytes) -> AsyncIterator[bytes]:
        """The lines of an answer that does not end."""
        head = await self._begin(request)
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head.decode())
        while line := await self._reader.readline():
            yield line

    async def _begin(self, request: bytes) -> bytes:
        self._writer.write(request)
        return (await self._reader.readuntil(b"\r\n\r\n")).lower()


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    """A connection until the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        yield Connection(reader, writer)


def request(method: str, path: str, headers: Mapping[str, str], body: str = "") -> bytes:
    """The bytes of a request."""
    sent = {"Host": "bench", "Content-Type": "application/json", **headers}
    lines = [f"{method} {path} HTTP/1.1", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in sent.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
