"""Actors: processes that take one step at a time, and can be held or killed between any two.

A step ends where another process, the database or the broker could see a difference: before each
SQL statement, before each request to the broker, and at the kernel's fault points.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Literal

import asyncpg

NO_END = 1_000_000
"""Steps enough for anything that ends by itself."""

_acting: ContextVar["Actor | None"] = ContextVar("acting", default=None)


class Actor:
    """A coroutine that goes on for as many steps as it is given."""

    def __init__(self, name: str, life: Coroutine[Any, Any, Any]) -> None:
        self.name = name
        self.at = "start"
        self.connection: Connection | None = None
        self.loses_answer = False
        """Of the next commit."""
        self.wants: Lock | None = None
        self._steps = 0
        self._dead = False
        self._go = asyncio.Event()
        self.rests = asyncio.Event()
        self.task = asyncio.create_task(self._live(life))

    @property
    def ended(self) -> bool:
        return self.task.done()

    @property
    def in_transaction(self) -> bool:
        """Whether it stands still in a transaction that the database could end."""
        return (
            self.rests.is_set()
            and self.connection is not None
            and not self.connection.is_closed()
            and self.connection.is_in_transaction()
        )

    @property
    def waits(self) -> bool:
        """Whether it stands still for a lock of its process, which the other task holds."""
        return self.wants is not None and self.wants.locked()

    def go(self, steps: int) -> None:
        """Lets it take `steps` more steps."""
        self._steps += steps
        self.rests.clear()
        self._go.set()

    async def step(self, what: str) -> None:
        """The actor has come to a place where it can be held."""
        self.at = what
        while not self._steps and not self._dead:
            self._go.clear()
            self.rests.set()
            await self._go.wait()
        if self._dead:
            raise asyncio.CancelledError
        self._steps -= 1

    def rest(self) -> None:
        """It has done its work, and does not go on for the steps that are left."""
        self._steps = 0

    async def die(self) -> None:
        """Ends it where it is; its transaction is rolled back, as the database does."""
        self._dead = True
        self.task.cancel()
        self._go.set()
        with suppress(asyncio.CancelledError):
            await self.task

    async def _live(self, life: Coroutine[Any, Any, Any]) -> None:
        _acting.set(self)
        try:
            await self.step("start")
        except BaseException:
            life.close()
            raise
        try:
            await life
        finally:
            self.at = "end"
            self.rests.set()


async def step(what: str) -> None:
    """Whoever acts may be held here."""
    actor = _acting.get()
    if actor is not None:
        await actor.step(what)


def rest() -> None:
    """Whoever acts has done its work."""
    actor = _acting.get()
    if actor is not None:
        actor.rest()


class Lock(asyncio.Lock):
    """A lock between a process's tasks that says who waits for it."""

    async def acquire(self) -> Literal[True]:
        actor = _acting.get()
        if actor is None:
            return await super().acquire()
        actor.wants = self
        try:
            return await super().acquire()
        finally:
            actor.wants = None


class Connection(asyncpg.Connection):
    """A connection whose statements are steps."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        actor = _acting.get()
        if not query.startswith("ROLLBACK"):  # which the database does by itself for the dead
            await self._step(actor, query)
        status: str = await super().execute(query, *args, **options)
        if query == "COMMIT;" and actor is not None and actor.loses_answer:
            actor.loses_answer = False
            self.terminate()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed while committing")
        return status

    async def executemany(self, command: str, args: Any, **options: Any) -> None:
        await self._step(_acting.get(), command)
        await super().executemany(command, args, **options)

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
        await self._step(_acting.get(), query)
        rows: list[Any] = await super().fetch(query, *args, **options)
        return rows

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        await self._step(_acting.get(), query)
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        await self._step(_acting.get(), query)
        return await super().fetchval(query, *args, **options)

    async def _step(self, actor: Actor | None, query: str) -> None:
        if actor is not None:
            actor.connection = self
            await actor.step(" ".join(query.split())[:40])


async def settle(actors: Sequence[Actor], watching: asyncpg.Connection) -> None:
    """Returns once every actor rests, or waits for a lock that another holds."""
    while moving := [each for each in actors if not each.rests.is_set() and not each.waits]:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.005):
                for each in moving:
                    await each.rests.wait()
                continue
        pids = [
            each.connection.get_server_pid()
            for each in moving
            if each.connection is not None and not each.connection.is_closed()
        ]
        waiting = await watching.fetchval(
            """
            SELECT count(*)
              FROM unnest($1::integer[]) AS pid
             WHERE pg_blocking_pids(pid) <> '{}'
            """,
            pids,
        )
        if waiting == sum(not each.rests.is_set() for each in moving):
            return


async def no_reset(_: asyncpg.Connection) -> None:
    """Nothing that the kernel sets outlives its transaction."""
