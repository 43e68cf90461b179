"""What the routes of a service share, and the dependencies that hand it to them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, cast

import asyncpg
from fastapi import Depends, Request

from shared.changes import Changes
from shared.clock import Clock
from shared.database import acquire
from shared.settings import Settings
from shared.web.auth import Authenticator


@dataclass(frozen=True, kw_only=True)
class Context:
    """Kept at `app.state.context`. `wake` tells the relay that there is something to send;
    `changes` are told where the consumer works in the same process, and its end in any case."""

    service: str
    settings: Settings
    pool: asyncpg.Pool
    clock: Clock
    authenticator: Authenticator
    wake: Callable[[], None]
    changes: Changes = field(default_factory=Changes)


def context_of(request: Request) -> Context:
    return cast("Context", request.app.state.context)


async def _now(request: Request) -> datetime:
    return context_of(request).clock.now()


async def _today(request: Request) -> date:
    return context_of(request).clock.today()


async def _read(request: Request) -> AsyncIterator[asyncpg.Connection]:
    context = context_of(request)
    async with acquire(context.pool, context.settings.pool_timeout_seconds) as connection:
        yield connection


Now = Annotated[datetime, Depends(_now)]
"""The instant, aware and in UTC, by the service's clock."""

Today = Annotated[date, Depends(_today)]
"""The date in London, by the service's clock."""

Read = Annotated[asyncpg.Connection, Depends(_read, scope="function")]
"""A connection for a GET, without a transaction around it; it is given back before the answer is
sent, so a slow client holds none. A stream must take its own connection each time it looks."""
