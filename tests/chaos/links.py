"""TCP proxies on loopback, between services and servers, whose connections can be spoiled."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Control
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

CHUNK_BYTES = 65536


@dataclass(eq=False)
class Connection:
    """A client's connection and ours to the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    pumps: list["asyncio.Task[None]"] = field(default_factory=list)

    def cut(self) -> None:
        """End both sides at once, with a reset."""
        for pump in self.pumps:
            pump.cancel()
        self.client.transport.abort()
        self.server.transport.abort()

    def half_open(self) -> None:
        """The server sees it end; the client does not, and whatever it sends goes nowhere."""
        for pump in self.pumps:
            pump.cancel()
        self.server.transport.abort()


class Link:
    """Forwards a port of 127.0.0.1 to another one. Starts sound; each fault is a method."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refuses = False
        self._delay_seconds = 0.0
        self._connections: set[Connection] = set()
        self._half_open: list[Connection] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for connection in self._half_open:
            connection.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self._connections):
            connection.cut()
        self._connections.clear()

    def half_open(self) -> None:
        """Every connection is gone, but only the server knows. New ones work. Nothing heals it."""
        self._half_open += self._connections
        for connection in self._connections:
            connection.half_open()
        self._connections.clear()

    def refuse(self) -> None:
        """Reset every connection, and every new one as soon as it is made."""
        self._refuses = True
        self.cut()

    def slow(self, seconds: float) -> None:
        """Everything takes longer by so much, in each direction."""
        self._delay_seconds = seconds

    def hold(self) -> None:
        """Nothing arrives any more, in either direction; nothing is lost, either."""
        self._flowing.clear()

    def heal(self) -> None:
        """Sound again; what was held arrives now."""
        self._refuses = False
        self._delay_seconds = 0.0
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(writer, forth)
        connection.pumps = [
            asyncio.create_task(self._pump(connection, reader, forth)),
            asyncio.create_task(self._pump(connection, back, writer)),
        ]
        self._connections.add(connection)

    async def _pump(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        connection.cut()
        self._connections.discard(connection)


class Links:
    """Links by name, in a process of their own, which nothing else slows down."""

    def __init__(self, forking: ForkServerContext, ports: Mapping[Any, tuple[int, int]]) -> None:
        """`ports` are each link's own and the one behind it."""
        self.ports = {name: port for name, (port, _) in ports.items()}
        self._control, there = Pipe()
        self.process: ForkServerProcess = forking.Process(
            target=_serve, args=(dict(ports), there), daemon=True
        )

    def __iter__(self) -> Any:
        return iter(self.ports)

    def start(self) -> None:
        """Returns once all of them listen."""
        self.process.start()
        self._control.recv()

    def spoil(self, name: Any, how: str, *arguments: Any) -> None:
        """Call a link's method of that name."""
        self._control.send((name, how, arguments))

    def heal(self) -> None:
        """All of them."""
        for name in self.ports:
            self.spoil(name, "heal")

    def close(self) -> None:
        """End the process and with it every connection."""
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


def _serve(ports: Mapping[Any, tuple[int, int]], control: Control) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whom we forward for
    asyncio.run(_forward(ports, control))


async def _forward(ports: Mapping[Any, tuple[int, int]], control: Control) -> None:
    links = {name: Link(port, target) for name, (port, target) in ports.items()}
    for link in links.values():
        await link.start()
    control.send(None)
    ended = asyncio.Event()

    def obey() -> None:
        try:
            while control.poll():
                name, how, arguments = control.recv()
                getattr(links[name], how)(*arguments)
        except EOFError:  # whom we forward for has ended
            ended.set()

    asyncio.get_running_loop().add_reader(control.fileno(), obey)
    await ended.wait()
