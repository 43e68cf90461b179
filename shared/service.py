"""A service: what its `app.py` puts together, and the process that runs its parts."""

import asyncio
import importlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import uvicorn
from fastapi import APIRouter, FastAPI

from shared import memory, telemetry
from shared.changes import Changes
from shared.clock import Clock, SystemClock
from shared.database import create_pool, migrations_of, why
from shared.ending import end
from shared.messaging import Effects, checkpoints, cluster, stops
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.failures import AWAY
from shared.messaging.gauges import Gauges
from shared.messaging.hourly import alarm, verify_hourly
from shared.messaging.relay import Relay
from shared.settings import Settings, SettingWrong
from shared.web import Authenticator, Context, Health, create_app, forget_old_answers
from shared.web.elsewhere import elsewhere_router
from shared.web.health import Check
from shared.web.operations import operations_router

log = logging.getLogger(__name__)

SERVICES = ("membership", "scheduling", "cpd", "reporting", "integration")
PARTS = stops.PARTS
VERSION = "1"
Answers = Callable[[asyncpg.Connection], AsyncIterator[tuple[str, str]]]
Work = Callable[[asyncpg.Pool, Settings, Clock, Changes], Coroutine[Any, Any, None]]
"""What a service does beside its consumer, in each replica of that part, until it is cancelled.

It has a connection of the pool to itself, waits where the database is away (`AWAY`), and looks by
itself now and then. `changes` wake it: take `changes.next` before looking, and `wait` for it after.
The consumer tells after every batch; a work that has done something which others wait for, works or
requests, tells, too.
"""
HOUSEKEEPING_EVERY = timedelta(hours=1)
VERIFYING_TRIED_EVERY = timedelta(minutes=5)
GRACEFUL_SECONDS = 5
BACKLOG = 2048
WORKERS_CONNECTIONS = 4
"""Of the relay's two lanes, the consumer and its alarm, beside those that the requests share; each
work of the service has one more."""
KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers and clients keep an idle connection, so that they close it and no
request meets one that is just being closed."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One of the five services. A service that publishes nothing has no relay.

    `answers` gives the names and the JSON of what it says, which a rebuild has to say, too.
    """

    name: str
    title: str
    package: str
    router: APIRouter
    effects: Effects
    publishes: bool = True
    answers: Answers | None = None
    works: Sequence[Work] = ()

    @property
    def routers(self) -> tuple[APIRouter, ...]:
        """What its API consists of."""
        return self.router, operations_router(self.effects), elsewhere_router()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are to run."""
        has = {"api": True, "relay": self.publishes, "consumer": bool(self.effects.topics)}
        return tuple(part for part in PARTS if has[part])


def load(name: str) -> Service:
    """The service of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in SERVICES:
        raise ValueError(f"There is no service {name}; there are: {', '.join(SERVICES)}.")
    service: Service = importlib.import_module(f"services.{name}.app").service
    return service


class Running:
    """The parts of a service in this process, with the app that answers for them."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        pool: asyncpg.Pool,
        parts: Sequence[str] | None = None,
        clock: Clock | None = None,
        workers: asyncpg.Pool | None = None,
    ) -> None:
        """`workers` are connections for relay and consumer alone: no rush of requests may hold up
        what has been committed already."""
        workers = workers or pool
        self.service = service
        self.parts = service.parts if parts is None else tuple(parts)
        self._pool = pool
        self._workers = workers
        self._clock = clock or SystemClock()
        self.relay = Relay(service.name, workers, settings) if "relay" in self.parts else None
        self.changes = Changes()
        wake: Callable[[], None] = self.relay.wake if self.relay else (lambda: None)
        self.consumer = (
            Consumer(service.name, service.effects, workers, settings, wake, took=self.changes.tell)
            if "consumer" in self.parts
            else None
        )
        self._settings = settings
        self._gauges = Gauges(
            service.name,
            [topic.name for topic in service.effects.topics],
            {"requests": pool} if workers is pool else {"requests": pool, "workers": workers},
            self.relay,
            self.consumer,
            publishes=service.publishes,
            parts=self.parts,
            settings=settings,
        )
        self.app = self._app(wake)

    def _app(self, wake: Callable[[], None]) -> FastAPI:
        settings = self._settings
        return create_app(
            Context(
                service=self.service.name,
                settings=settings,
                pool=self._pool,
                clock=self._clock,
                authenticator=Authenticator.of(
                    settings.issuer, settings.audience, settings.jwks_url
                ),
                wake=wake,
                changes=self.changes,
            ),
            title=self.service.title,
            routers=self.service.routers if "api" in self.parts else (),
            version=VERSION,
            checks=self._checks(),
        )

    def _checks(self) -> dict[str, Check]:
        checks: dict[str, Check] = {
            "api": self._api_health,
            "relay": self._relay_health,
            "consumer": self._consumer_health,
        }
        return {part: checks[part] for part in self.parts}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Relay, consumer and housekeeping work inside. One that dies of a fault ends it all."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._keep_house()),
                group.create_task(self._gauges.run(self._workers)),
                group.create_task(self._verify_hourly()),
            ]
            if self.relay:
                tasks.append(group.create_task(self.relay.run()))
            if self.consumer:
                tasks.append(group.create_task(self.consumer.run()))
                for work in self.service.works:
                    working = work(self._workers, self._settings, self._clock, self.changes)
                    tasks.append(group.create_task(working))
            try:
                yield
            finally:
                await end(*tasks)
                await self._gauges.leave(self._workers)

    async def _keep_house(self) -> None:
        while True:
            with suppress(*AWAY):
                async with acquire(self._pool) as connection:
                    await forget_old_answers(connection, self._clock.now())
            await asyncio.sleep(HOUSEKEEPING_EVERY.total_seconds())

    async def _verify_hourly(self) -> None:
        """Where a relay or a consumer works; not at once, for services often start together."""
        service = self.service
        while self.relay or self.consumer:
            await asyncio.sleep(VERIFYING_TRIED_EVERY.total_seconds())
            try:
                await verify_hourly(
                    service.name, service.effects.topics, self._pool, self._settings
                )
            except Exception as error:  # it says something of others, and must not end us
                log.warning("Not verified: %s: %s", type(error).__name__, error)

    async def _api_health(self) -> Health:
        if trouble := await self._database_trouble():
            return Health(ok=False, detail=trouble)
        if held := await self._commands_held():
            return Health(ok=True, degraded=True, detail=f"takes no commands: {held}")
        away = await cluster.answers(self._settings)
        if away and self.service.publishes:
            return Health(
                ok=True, degraded=True, detail=f"{away}; events wait in the outbox until it does"
            )
        return Health(ok=True, degraded=away is not None, detail=away or "")

    async def _commands_held(self) -> str | None:
        """Why no command is taken, although what is there can be read."""
        if not self.service.publishes:
            return None
        async with acquire(self._pool) as connection:
            stop, compared = await checkpoints.held(connection, checkpoints.API, trusting=True)
        if stop is None and not compared:
            return "the journal has not been compared with the topics yet, which the relay does"
        return stop

    async def _relay_health(self) -> Health:
        assert self.relay is not None
        trouble = await self._database_trouble() or await self.relay.ready()
        alarm = None if trouble else await self._verify_alarm()
        return Health(ok=trouble is None, degraded=bool(alarm), detail=trouble or alarm or "")

    async def _consumer_health(self) -> Health:
        assert self.consumer is not None
        trouble = await self._database_trouble() or await self.consumer.ready()
        found = None if trouble or self.relay else await self._verify_alarm()
        alarms = "; ".join([*self.consumer.alarms, *([found] if found else [])])
        return Health(ok=trouble is None, degraded=bool(alarms), detail=trouble or alarms)

    async def _verify_alarm(self) -> str | None:
        async with acquire(self._pool) as connection:
            return await alarm(connection)

    async def _database_trouble(self) -> str | None:
        try:
            async with asyncio.timeout(3), acquire(self._pool) as connection:
                ran = await connection.fetch("SELECT name FROM migration")
        except asyncpg.UndefinedTableError:
            ran = []
        except AWAY as error:
            return f"the database {why(error)}"
        missing = {each.name for each in migrations_of(self.service.package)} - {
            row["name"] for row in ran
        }
        if missing:
            return f"the database lacks {', '.join(sorted(missing))}: run `aspire migrate`"
        return None


async def run(service: Service, settings: Settings, parts: Sequence[str] | None = None) -> None:
    """Runs a service's parts until SIGTERM or SIGINT; what is in work is finished first.

    Neither Kafka nor the database need to be there yet: readiness tells what is waited for.

    Raises:
        SettingWrong: its port is taken, or its address is not one of this machine.
    """
    listening = _listen(settings)
    telemetry.configure(service.name, settings)
    pool, workers = [
        await create_pool(
            settings.database_url(service.name),
            f"aspire {service.name}",
            min_size=0,
            max_size=max_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            transaction_timeout_seconds=settings.transaction_timeout_seconds,
        )
        for max_size in (settings.pool_max_size, WORKERS_CONNECTIONS + len(service.works))
    ]
    running = Running(service, settings, pool, parts, workers=workers)
    memory.tune()
    server = _Server(
        uvicorn.Config(
            running.app,
            log_config=None,
            access_log=False,
            http="h11",  # it limits a request's head, which httptools would gather without end
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        ),
        running.changes,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.leave)
    try:
        async with running.working():
            log.info("%s runs %s", service.name, ", ".join(running.parts))
            await server.serve([listening])
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(pool.close(), workers.close()), 2)
        telemetry.flush()


def _listen(settings: Settings) -> socket.socket:
    address = (settings.http_host, settings.http_port)
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingWrong(
            f"Nothing can listen on {address[0]}, port {address[1]}: {error.strerror}. "
            "Set ASPIRE_HTTP_HOST and ASPIRE_HTTP_PORT."
        ) from error


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to `run`: the other parts end after the last request."""

    def __init__(self, config: uvicorn.Config, changes: Changes) -> None:
        super().__init__(config)
        self._changes = changes

    def leave(self) -> None:
        """Takes no more requests, and ends those that wait for changes."""
        self.should_exit = True
        self._changes.end()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
