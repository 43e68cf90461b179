"""Kafka, PostgreSQL and all services in a folder of their own, with a link between each two."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from deploy.embedded.home import Ports
from deploy.embedded.kafka import BROKER, Kafka
from deploy.embedded.postgres import FORGETFUL, Postgres
from deploy.embedded.supervisor import Supervisor
from shared.database import migrate
from shared.messaging import cluster
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.chaos.fleet import Fleet, Replica, forking
from tests.chaos.links import Links
from tests.chaos.witness import attach_witness
from tests.infra import EmbeddedServer

SERVICES = ("membership", "scheduling", "cpd", "reporting")
PARTITIONS = 4
SESSION_TIMEOUT_SECONDS = 2.0
SECONDS_TO_READY = 120.0

QUICK = {
    "ASPIRE_PARTITIONS": str(PARTITIONS),
    "ASPIRE_METADATA_MAX_AGE_SECONDS": "1",
    "ASPIRE_POOL_MAX_SIZE": "5",
    "ASPIRE_POOL_TIMEOUT_SECONDS": "4",
    "ASPIRE_STATEMENT_TIMEOUT_SECONDS": "4",
    "ASPIRE_TRANSACTION_TIMEOUT_SECONDS": "6",
    "ASPIRE_BATCH_SIZE": "100",
    "ASPIRE_CONSUMER_SESSION_TIMEOUT_SECONDS": str(SESSION_TIMEOUT_SECONDS),
    "ASPIRE_CONSUMER_HEARTBEAT_SECONDS": "0.4",
    "ASPIRE_CONSUMER_POLL_SECONDS": "0.1",
    "ASPIRE_CONSUMER_TRANSACTION_TIMEOUT_SECONDS": "6",
    "ASPIRE_RELAY_DELIVERY_SECONDS": "5",
    "ASPIRE_RELAY_POLL_SECONDS": "0.2",
    "ASPIRE_RELAY_BATCH": "100",
    "ASPIRE_LOG_FORMAT": "text",
}
"""Settings with which a failure is over in seconds, so that there can be many."""

QUICK_POSTGRES = {
    **FORGETFUL,  # a process that is killed loses nothing by it
    "scram_iterations": "1",  # there are thousands of connections to make
}

FLEET = {
    "membership": ("api", "relay", None),
    "scheduling": ("api", "relay", "consumer", None),
    "cpd": ("api", "relay", "consumer", None),
    "reporting": ("api", "consumer", None),
}
"""The replicas to begin with; None has all parts in one process."""


class Platform:
    """Use as `async with`: entering starts everything, leaving ends every process."""

    def __init__(self, home: Path, random: Random) -> None:
        self.home = home
        self.issuer = LocalIssuer(home / "issuer")
        self.urls: dict[str, str] = {}
        """Straight to each service's database, past the links."""
        self._ports = Ports(home / "ports.json", {})
        self._numbers = count(1)
        self._stack = AsyncExitStack()
        self._supervisor = Supervisor(home / "log")
        self.fleet = Fleet(random, self._supervisor.watchdog)
        self._postgres = Postgres(
            self._supervisor,
            home / "postgres",
            port=self._ports.choose("postgres"),
            services=SERVICES,
            settings=QUICK_POSTGRES,
        )
        doors = {name: self._ports.choose(f"kafka-for-{name}") for name in SERVICES}
        self.links = Links(
            forking,
            {
                (name, server): (self._ports.choose(f"{name}-to-{server}"), target)
                for name in SERVICES
                for server, target in (("kafka", doors[name]), ("postgres", self._postgres.port))
            },
        )
        self._kafka = self._broker_with(doors)
        self.broker = EmbeddedServer(self._supervisor, self._kafka, home / "kafka")
        self.database = EmbeddedServer(self._supervisor, self._postgres, home / "postgres")

    def _broker_with(self, doors: dict[str, int]) -> Kafka:
        """A broker with a listener for each service, which it advertises as the service's link."""
        port, controller = self._ports.choose("kafka"), self._ports.choose("kafka-controller")
        listeners = {name.upper(): door for name, door in doors.items()}
        advertised = {name.upper(): self.links.ports[name, "kafka"] for name in doors}
        return Kafka(
            self._supervisor,
            self.home / "kafka",
            port=port,
            controller_port=controller,
            settings={
                "listeners": _listed({"PLAINTEXT": port, "CONTROLLER": controller, **listeners}),
                "advertised.listeners": _listed({"PLAINTEXT": port, **advertised}),
                "listener.security.protocol.map": ",".join(
                    [
                        BROKER["listener.security.protocol.map"],
                        *(f"{n}:PLAINTEXT" for n in listeners),
                    ]
                ),
                "num.network.threads": "1",
                "group.min.session.timeout.ms": "1000",
            },
        )

    @property
    def kafka(self) -> str:
        """Straight to Kafka, past the links."""
        return self._kafka.bootstrap

    @property
    def admin_url(self) -> str:
        """The superuser's, straight to PostgreSQL."""
        return self._postgres.admin_dsn

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._supervisor)
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        await _together(self.broker.start(), self.database.start())
        self.urls = {name: self._postgres.database_url(name) for name in SERVICES}
        settings = Settings(home=self.home, kafka=self.kafka, partitions=PARTITIONS)
        await cluster.create_topics(settings)
        await _together(*(self._prepare(name) for name in SERVICES))
        self._stack.callback(self.links.close)
        await asyncio.to_thread(self.links.start)
        self._stack.push_async_callback(self.fleet.close)
        for service, parts in FLEET.items():
            for part in parts:
                self.add(service, part)
        await self._keep()
        await self.until_ready()

    async def _prepare(self, service: str) -> None:
        await migrate(self.urls[service], f"services.{service}")
        await attach_witness(self.urls[service], service)

    async def _keep(self) -> None:
        keeping = asyncio.create_task(self.fleet.keep())

        async def end() -> None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

        self._stack.push_async_callback(end)

    def add(self, service: str, part: str | None) -> Replica:
        """Start one more replica of a part."""
        name = f"{service}-{part or 'all'}-{next(self._numbers)}"
        port = self._ports.choose(name)
        database = self.urls[service].replace(
            f":{self._postgres.port}/", f":{self.links.ports[service, 'postgres']}/"
        )
        replica = Replica(
            name=name,
            service=service,
            part=part,
            port=port,
            environment={
                **{key: value for key, value in os.environ.items() if "ASPIRE" not in key},
                **QUICK,
                "ASPIRE_HOME": str(self.home),
                "ASPIRE_KAFKA": f"127.0.0.1:{self.links.ports[service, 'kafka']}",
                f"ASPIRE_{service.upper()}_DATABASE_URL": database,
                "ASPIRE_HTTP_PORT": str(port),
            },
            log=self.home / "log" / f"{name}.log",
        )
        self.fleet.start(replica)
        return replica

    def apis(self, service: str) -> list[str]:
        """Where the service's API is, whether it lives just now or not."""
        return [r.address for r in self.fleet.replicas if r.service == service and r.has("api")]

    async def until_ready(self) -> None:
        """Until every replica says that it is ready. Raises TimeoutError."""
        async with httpx.AsyncClient(trust_env=False, timeout=3) as client:

            async def waiting() -> list[str]:
                found = []
                for replica in list(self.fleet.replicas):
                    try:
                        answer = await client.get(f"{replica.address}/health/ready")
                        if not answer.is_success:
                            found.append(f"{replica.name}: {answer.text}")
                    except httpx.HTTPError as error:
                        found.append(f"{replica.name}: {error!r}")
                return found

            await until_empty(waiting, SECONDS_TO_READY, "not ready")

    async def add_partition(self, topic: str) -> int:
        """One more partition of a live topic; answers how many it has now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka, request_timeout_ms=5000)
        await admin.start()
        try:
            [described] = await admin.describe_topics([topic])
            partitions = len(described["partitions"]) + 1
            await admin.create_partitions({topic: NewPartitions(total_count=partitions)})
        finally:
            await admin.close()
        return partitions


def _listed(listeners: dict[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())


async def until_empty(
    look: Callable[[], Awaitable[list[Any]]], seconds: float, what: str, pause: float = 0.3
) -> None:
    """Look until nothing is found. Raises TimeoutError, which names what was left."""
    left: list[Any] = []
    try:
        async with asyncio.timeout(seconds):
            while left := await look():
                await asyncio.sleep(pause)
    except TimeoutError:
        raise TimeoutError(f"{what} after {seconds:.0f} s: {left[:5]}") from None


async def _together(*works: Awaitable[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)  # type: ignore[arg-type]
