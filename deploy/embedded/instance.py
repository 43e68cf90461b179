"""The whole platform on one machine: servers and services in one home, under one supervisor."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from deploy.embedded import home as homes
from deploy.embedded.guarded import ADMIN, Login, settings_of
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import Postgres
from deploy.embedded.replicas import Replicas, wanted
from deploy.embedded.servers import Server
from deploy.embedded.state import ChildState, InstanceState
from deploy.embedded.supervisor import SERVERS_STAGE, Child, Stopped, Supervisor
from deploy.embedded.trouble import ChildDied, Trouble
from deploy.embedded.zipkin import Zipkin, elsewhere
from shared.messaging import access
from shared.sealing import make_keys
from shared.settings import Settings, checked_database_url

SERVICES: Final = ("membership", "scheduling", "cpd", "reporting", "integration")
Command = Callable[[str, str | None], Sequence[str]]
"""The command that runs a service: of its name and its part (None: all parts)."""


def run_command(service: str, part: str | None) -> Sequence[str]:
    """`aspire run`, by the Python that we run on."""
    chosen = [] if part is None else ["--part", part]
    return [sys.executable, "-m", "deploy.cli", "run", service, *chosen]


class Instance:
    """Use as `async with`: entering takes the home, leaving ends every process.

    Entering raises HomeInUse. Leaving is quiet about `Stopped`, which every waiting method raises
    once somebody has asked to stop, so that the code between needs no care.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        services: Sequence[str] = SERVICES,
        command: Command = run_command,
        ready_path: str | None = "/health/ready",
        tracing: bool = False,
        settings: Mapping[str, str] = os.environ,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`settings` are the environment; `say` is told what a person at a terminal should know.

        With `ready_path` None, a service is ready as soon as it runs. With `tracing`, Zipkin keeps
        the services' spans, unless `settings` have OpenTelemetry's variables for another place.
        """
        self.home = (home or homes.default_home(settings)).resolve()
        self.services = tuple(services)
        self._command = command
        self._ready_path = ready_path
        self._tracing = tracing
        self._settings = settings
        self._say = say
        self._ports = homes.Ports(self.home / "run" / "ports.json", settings)
        self._servers: list[Server] = []
        self._replicas: Replicas | None = None
        self._following: list[asyncio.Task[None]] = []
        self._kafka = settings.get("ASPIRE_KAFKA") or None
        self._passwords: Mapping[str, str] = {}
        self._urls = {
            service: checked_database_url(variable, url)
            for service in self.services
            if (url := settings.get(variable := f"ASPIRE_{service.upper()}_DATABASE_URL"))
        }
        self._lock: IO[str] | None = None
        self._supervisor: Supervisor | None = None
        self._state: InstanceState | None = None
        self._monitor: asyncio.Task[None] | None = None
        self._zipkin: Zipkin | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for folder in (self.home, *(self.home / name for name in ("kafka", "log", "run"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = homes.lock(self.home)
        make_keys(self.home / "sealing.keys")
        old = InstanceState.last(self.home)
        if old is not None:
            await asyncio.to_thread(old.end_leftovers)
        self._supervisor = Supervisor(self.home / "log", on_change=self._write_state)
        self._replicas = Replicas(
            self._supervisor, self._ports, self._spawn, self._ready_path, self._say
        )
        self._state = InstanceState.of_this_process(self.home, self._supervisor.watchdog.pid)
        self._state.write()
        self._monitor = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        await self.stop()
        return isinstance(problem, Stopped)

    @property
    def kafka(self) -> str:
        """Bootstrap servers, of ours or of those given by `ASPIRE_KAFKA`."""
        if self._kafka is None:
            raise RuntimeError("Kafka has not been started; await start_servers() first.")
        return self._kafka

    @property
    def kafka_settings(self) -> Settings:
        """How to come into it: into our own as its administrator."""
        return settings_of(self.home, self.kafka, self._admin)

    @property
    def kafka_passwords(self) -> dict[str, str]:
        """Those of the services at our own Kafka; none at one that was given."""
        return {name: each for name, each in self._passwords.items() if name != ADMIN}

    def database_url(self, service: str) -> str:
        """The service's own database, ours or that given by `ASPIRE_<SERVICE>_DATABASE_URL`."""
        return self._urls[service]

    def addresses(self) -> dict[str, str]:
        """host:port or http://host:port of every child that runs, by its name.

        Zipkin's is there before it answers, and no more once it has failed.
        """
        children = [server.child for server in self._servers]
        servers = {child.name: child.address for child in children if child.address}
        if self._zipkin is not None:
            servers["zipkin"] = self._zipkin.address
        return servers | (self._replicas.addresses if self._replicas is not None else {})

    async def start_servers(self) -> None:
        """Start what was not given: Kafka, and PostgreSQL with a database for every service.

        Raises ChildDied, NotReady, PortTaken, JarsRefused, AccountMissing; then `stop` ends all.
        """
        if self._tracing:
            self._zipkin = self._tracer()
        starts = [asyncio.create_task(self._start_kafka())]
        starts.append(asyncio.create_task(self._start_postgres()))
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        if self._zipkin is not None:  # from now on, so that it takes nothing from those needed
            self._keeping = asyncio.create_task(self._keep_traces(self._zipkin))

    async def start_service(self, service: str, replica: int = 1, part: str | None = None) -> str:
        """Start one process of a service, wait until it is ready, and return its address.

        If it dies before it is ready this raises ChildDied; if later, it is started again.
        """
        return await self._services().start(service, replica, part)

    def stop_on_signals(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.ask_to_stop)

    def ask_to_stop(self) -> None:
        """Have every waiting method raise Stopped, and `wait` return."""
        self._running().stopping.set()

    async def pause(self, seconds: float) -> None:
        """Wait a moment. Raises Stopped if we are asked to stop before it is over."""
        await self._running().tick(seconds)

    async def wait(self) -> None:
        """Until we are asked to stop; meanwhile as many replicas run as `replicas.want` says.

        Raises ChildDied when a server ends by itself, with its last lines.
        """
        if self._monitor is None:
            return
        if not self._following:
            self._following = [
                asyncio.create_task(
                    self._services().follow(service, partial(wanted, self.home, service))
                )
                for service in self.services
            ]
        await asyncio.shield(self._monitor)

    async def stop(self) -> None:
        """End everything within 10 seconds, services before servers; the data stay."""
        if self._supervisor is None:
            return
        supervisor = self._supervisor
        supervisor.stopping.set()
        for each in self._following:
            each.cancel()
        tasks = [self._monitor, self._keeping, *self._following]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await self._services().close()
        for server in self._servers:
            await server.close()
        await supervisor.close()
        self._supervisor = None
        if self._state is not None:
            self._state.remove()
        if self._lock is not None:
            self._lock.close()

    async def _start_kafka(self) -> None:
        if self._kafka is not None:
            return
        kafka = Kafka(
            self._running(),
            self.home / "kafka",
            port=self._ports.choose("kafka"),
            controller_port=self._ports.choose("kafka-controller"),
            cache=homes.cache(self._settings),
            services=self.services,
        )
        self._say("Starting Kafka; the first time its jars (45 MB) are fetched.")
        await self._keep(kafka.start)
        self._kafka, self._passwords = kafka.bootstrap, kafka.passwords
        self._write_state()

    async def _start_postgres(self) -> None:
        missing = [service for service in self.services if service not in self._urls]
        if not missing:
            return
        postgres = Postgres(
            self._running(),
            self.home / "postgres",
            port=self._ports.choose("postgres"),
            services=missing,
        )
        self._say("Starting PostgreSQL.")
        await self._keep(postgres.start)
        self._urls |= {service: postgres.database_url(service) for service in missing}
        self._write_state()

    async def _keep(self, start: Callable[[], Awaitable[Child]]) -> None:
        """Start a server, and from then on again where it is killed."""
        server = Server(start, self._running(), self._say)
        await server.start()
        self._servers.append(server)

    def _tracer(self) -> Zipkin | None:
        if variable := elsewhere(self._settings):
            self._say(f"Traces go where {variable} says; Zipkin is not started.")
            return None
        port, cache = self._ports.choose("zipkin"), homes.cache(self._settings)
        return Zipkin(self._running(), self.home / "run", port=port, cache=cache)

    async def _keep_traces(self, zipkin: Zipkin) -> None:
        """Run Zipkin beside the others; whatever becomes of it ends none of them."""
        if not zipkin.fetched:
            self._say("Fetching Zipkin (86 MB, once) meanwhile; traces are kept from then on.")
        try:
            child = await zipkin.start()
            while child.alive:
                await self._running().tick(1)
            raise ChildDied(child.obituary())
        except Stopped:
            return
        except (Trouble, OSError) as problem:
            self._zipkin = None
            reason = str(problem).splitlines()[-1]
            self._say(f"Traces are not kept, all else goes on: Zipkin does not run ({reason}).")
            await zipkin.stop()

    def _spawn(self, name: str, service: str, part: str | None, port: int) -> Child:
        others = {f"ASPIRE_{other.upper()}_DATABASE_URL" for other in self.services}
        addresses = (f"{each}=http://127.0.0.1:{self._ports.ahead(each)}" for each in self.services)
        environment = {
            "ASPIRE_FIGURES_SECONDS": "2",  # a person looks on
            "ASPIRE_OPERATIONS_SERVICES": ",".join(addresses),
            "ASPIRE_WEBHOOKS_INSIDE": "true",  # as everything here is
        }
        environment |= self._zipkin.exporting if self._zipkin is not None else {}
        environment |= {key: value for key, value in self._settings.items() if key not in others}
        environment |= {
            "ASPIRE_HOME": str(self.home),
            "ASPIRE_KAFKA": self.kafka,
            f"ASPIRE_{service.upper()}_DATABASE_URL": self.database_url(service),
            "ASPIRE_HTTP_PORT": str(port),
        }
        if password := self._passwords.get(service):
            prefix = self._settings.get("ASPIRE_TOPIC_PREFIX", "")
            environment = Login(access.user(service, prefix), password).in_environment(environment)
        child = self._running().spawn(name, self._command(service, part), env=environment)
        child.address = f"http://127.0.0.1:{port}"
        return child

    async def _watch(self) -> None:
        """Until asked to stop: start the dead again; raise when a server has ended by itself."""
        supervisor = self._running()
        try:
            while True:
                supervisor.watchdog.keep()
                for server in self._servers:
                    server.look()
                self._services().start_the_dead_again()
                for following in self._following:
                    if following.done():
                        following.result()  # raises the fault that ended it
                await supervisor.tick(0.1)
        except Stopped:
            return

    @property
    def _admin(self) -> Login | None:
        return Login(ADMIN, self._passwords[ADMIN]) if self._passwords else None

    def _services(self) -> Replicas:
        if self._replicas is None:
            raise RuntimeError("The instance does not run; enter it with `async with` first.")
        return self._replicas

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("The instance does not run; enter it with `async with` first.")
        return self._supervisor

    def _write_state(self) -> None:
        if self._state is None or self._supervisor is None:
            return
        children = tuple(
            ChildState(
                name=child.name,
                kind="server" if child.ward.stage == SERVERS_STAGE else "service",
                pid=child.ward.identity.pid,
                created=child.ward.identity.created,
                address=child.address,
                log=child.log,
                ready=child.ready,
                stop_signal=child.ward.stop_signal,
                stage=child.ward.stage,
            )
            for child in self._supervisor.children
        )
        urls = {service: self._urls[service] for service in self.services if service in self._urls}
        self._state = self._state.model_copy(
            update={
                "kafka": self._kafka,
                "kafka_admin": self._admin,
                "database_urls": urls,
                "children": children,
            }
        )
        self._state.write()
