"""The PostgreSQL and the Kafka that tests run against, with handles to take them away.

Embedded ones in a temporary folder, or containers where ASPIRE_TEST_INFRA=testcontainers. Both
are real, and both keep their ports when they are killed and started again.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Protocol, Self

import psutil

from deploy.embedded import kafka as embedded_kafka
from deploy.embedded import postgres as embedded_postgres
from deploy.embedded.home import Ports
from deploy.embedded.kafka import BROKER, Kafka
from deploy.embedded.postgres import FORGETFUL, SETTINGS, Postgres
from deploy.embedded.supervisor import Supervisor

POSTGRES_IMAGE: Final = "postgres:18"
KAFKA_IMAGE: Final = "apache/kafka:4.4.0"
SECONDS_TO_ANSWER: Final = 60.0
ROOM_BYTES: Final = 2 * 1024**3
"""Free in memory for the servers of two processes, which were seen to take a sixth of it."""


class Handle(Protocol):
    """A server that a test may take away and bring back at the same address, with its data."""

    async def kill(self) -> None:
        """End it as a failure would: kill -9."""

    async def stop(self) -> None:
        """Stop it as an operator would."""

    async def start(self) -> None:
        """Start it and wait until it answers."""

    async def pause(self) -> None:
        """Have it hold still with its connections open, as a machine does that hangs."""

    async def resume(self) -> None:
        """Let it go on after a pause."""

    async def lose(self) -> None:
        """End it as a failure would, and with it all of its data; `start` makes an empty one."""


class Infra:
    """Both servers: `async with Infra() as infra`, or `start` and `stop`."""

    kafka: str
    """Bootstrap servers."""
    admin_dsn: str
    """The superuser's postgresql:// URL."""
    broker: Handle
    postgres: Handle

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are added to PostgreSQL's."""
        self._stack = AsyncExitStack()
        self._settings = {**FORGETFUL, **(settings or {})}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start both, side by side."""
        try:
            if os.environ.get("ASPIRE_TEST_INFRA", "embedded") == "testcontainers":
                await self._start_containers()
            else:
                await self._start_embedded()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End both and remove what they kept."""
        await self._stack.aclose()

    async def _start_embedded(self) -> None:
        home = Path(tempfile.mkdtemp(prefix="aspire-tests-", dir=in_memory()))
        self._stack.callback(shutil.rmtree, home, ignore_errors=True)
        ports = Ports(home / "ports.json", {})
        # If the tests are killed, its watchdog ends the servers.
        supervisor = await self._stack.enter_async_context(Supervisor(home / "log"))
        kafka = Kafka(
            supervisor,
            home / "kafka",
            port=ports.choose("kafka"),
            controller_port=ports.choose("kafka-controller"),
        )
        postgres = Postgres(
            supervisor, home / "postgres", port=ports.choose("postgres"), settings=self._settings
        )
        self.broker = EmbeddedServer(supervisor, kafka, home / "kafka")
        self.postgres = EmbeddedServer(supervisor, postgres, home / "postgres")
        self._stack.push_async_callback(self.broker.kill)  # it would put its topics in order first
        await _together(self.broker.start(), self.postgres.start())
        self.kafka, self.admin_dsn = kafka.bootstrap, postgres.admin_dsn

    async def _start_containers(self) -> None:
        home = Path(tempfile.mkdtemp(prefix="aspire-tests-"))
        self._stack.callback(shutil.rmtree, home, ignore_errors=True)
        ports = Ports(home / "ports.json", {})
        kafka_port, postgres_port = ports.choose("kafka"), ports.choose("postgres")
        self.kafka = f"127.0.0.1:{kafka_port}"
        self.admin_dsn = f"postgresql://postgres:test@127.0.0.1:{postgres_port}/postgres"
        self.broker = Container(
            lambda: kafka_container(kafka_port), lambda: embedded_kafka.answers(kafka_port)
        )
        self.postgres = Container(
            lambda: postgres_container(postgres_port, self._settings),
            lambda: embedded_postgres.answers(self.admin_dsn),
        )
        for container in (self.broker, self.postgres):
            self._stack.push_async_callback(container.remove)
        await _together(self.broker.start(), self.postgres.start())


def in_memory() -> Path | None:
    """A folder in memory, where there is room: a database is made there in a tenth of the time."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK):
        return memory if shutil.disk_usage(memory).free > ROOM_BYTES else None
    return None


class EmbeddedServer:
    """The handle of one of our own child processes."""

    def __init__(self, supervisor: Supervisor, server: Kafka | Postgres, folder: Path) -> None:
        self.folder = folder
        self._supervisor = supervisor
        self._server = server

    @property
    def pid(self) -> int | None:
        """Of its first process, if it runs."""
        child = self._server.child
        return child.popen.pid if child is not None else None

    async def kill(self) -> None:
        self._signal(signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        await self._server.stop()

    async def start(self) -> None:
        if self._server.child is None or not self._server.child.alive:
            await self._server.start()

    async def lose(self) -> None:
        await self.kill()
        await asyncio.to_thread(shutil.rmtree, self.folder)

    async def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    async def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """To every process of the server: PostgreSQL has one for each connection."""
        child = self._server.child
        if child is None or not child.alive:
            return
        leader = psutil.Process(child.popen.pid)
        for process in (leader, *leader.children(recursive=True)):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue


class Container:
    """The handle of a testcontainers container, whose engine answers only to blocking calls."""

    def __init__(self, make: Callable[[], Any], answers: Callable[[], Awaitable[bool]]) -> None:
        self._make = make
        self._container = make()
        self._answers = answers
        self._created = False

    async def kill(self) -> None:
        await self._ask("kill")

    async def stop(self) -> None:
        await self._ask("stop")

    async def start(self) -> None:
        if self._created:
            await self._ask("start")
        else:
            self._created = True
            await asyncio.to_thread(self._container.start)
        async with asyncio.timeout(SECONDS_TO_ANSWER):
            while True:
                if await self._answers():
                    return
                await asyncio.sleep(0.1)

    async def pause(self) -> None:
        await self._ask("pause")

    async def resume(self) -> None:
        await self._ask("unpause")

    async def lose(self) -> None:
        await self.remove()
        self._container, self._created = self._make(), False

    async def remove(self) -> None:
        """End it and remove its volumes."""
        if self._created:
            await asyncio.to_thread(self._container.stop)

    async def _ask(self, act: str) -> None:
        await asyncio.to_thread(getattr(self._container.get_wrapped_container(), act))


def kafka_container(port: int) -> Any:
    """One node as `deploy/embedded` runs it, in Apache's image, for clients on this machine."""
    from testcontainers.core.container import DockerContainer

    properties = {
        **BROKER,
        # A client connects to the address that the broker names, so it has to name the host's.
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093,HOST://:19092",
        "advertised.listeners": f"PLAINTEXT://localhost:9092,HOST://127.0.0.1:{port}",
        "listener.security.protocol.map": ",".join(
            f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", "HOST")
        ),
        "controller.quorum.voters": "1@localhost:9093",
    }
    variables = {f"KAFKA_{key.upper().replace('.', '_')}": v for key, v in properties.items()}
    return DockerContainer(KAFKA_IMAGE).with_bind_ports(19092, port).with_envs(**variables)


def postgres_container(port: int, settings: Mapping[str, str] = FORGETFUL) -> Any:
    """The server with the settings that the embedded one has in tests."""
    from testcontainers.core.container import DockerContainer

    listening = {"listen_addresses", "unix_socket_directories"}  # the image's business
    kept = {key: v for key, v in {**SETTINGS, **settings}.items() if key not in listening}
    arguments = [part for key, value in kept.items() for part in ("-c", f"{key}={value}")]
    return (
        DockerContainer(POSTGRES_IMAGE)
        .with_bind_ports(5432, port)
        .with_envs(
            POSTGRES_PASSWORD="test",
            POSTGRES_INITDB_ARGS=(
                "--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C"
            ),
        )
        .with_command(["postgres", *arguments])
    )


async def _together(*starts: Awaitable[None]) -> None:
    """All of them to their end, then the first failure, if there is one."""
    results = await asyncio.gather(*starts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
