"""Commands: a change, its stored answer and its events in one transaction, done once.

A router made with `route_class=CommandRoute` gives every POST, PUT, PATCH and DELETE

- a valid token, asked for before the body is read,
- the Idempotency-Key: needed on POST, obeyed wherever it is sent,
- one transaction, `tx: Tx`, which commits only where the answer is below 400,
- a new attempt, up to three in all, where PostgreSQL chose it as a deadlock's victim or cannot
  serialise it: the route function runs again from its start, so it keeps nothing between calls,
- the events that `tx.record` collected, appended as the last statement, and a woken relay.

Order of the transaction's statements: the key is claimed, the route runs, the answer is stored,
the events are appended.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, ClassVar, Final, cast

import asyncpg
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message

from shared.database import acquire
from shared.messaging import Transaction, faults
from shared.telemetry import span
from shared.web.actor import Actor
from shared.web.auth import actor_of
from shared.web.context import context_of
from shared.web.idempotency import (
    HEADER,
    Attempt,
    attempt_of,
    claim,
    erase_answers_about,
    forget_old_answers,
    keep,
    keep_not,
)

__all__ = ["CommandRoute", "Tx", "erase_answers_about", "forget_old_answers"]

ATTEMPTS: Final = 3
CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SCOPE_KEY: Final = "aspire.transaction"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def _transaction(request: Request) -> Transaction:
    transaction = request.scope.get(_SCOPE_KEY)
    if transaction is None:
        raise RuntimeError(
            f"{request.method} {request.url.path} asks for Tx, but is no command: "
            "make its router with route_class=CommandRoute, and read with Read in a GET."
        )
    return cast("Transaction", transaction)


Tx = Annotated[Transaction, Depends(_transaction)]
"""The command's transaction: `tx.connection`, `tx.actor`, `tx.record(*events)`."""


class CommandRoute(APIRoute):
    """The route class of routers with commands; its GET routes are as in any router."""

    keyed: ClassVar[bool] = True
    """Whether POST needs an Idempotency-Key; not where what is sent tells by itself what is new."""
    shown_once: ClassVar[bool] = False
    """Whether an answer holds a secret: it is not kept, and the same key does not get it again."""

    async def actor(self, request: Request) -> Actor:
        """Who asks, before the body is read. Raises Unauthorised."""
        return await actor_of(request)

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = set(options.get("methods") or ())
        if self.keyed and methods & CHANGING:
            extra = dict(options.get("openapi_extra") or {})
            extra["parameters"] = [*extra.get("parameters", []), _header(methods)]
            options["openapi_extra"] = extra
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_command(request: Request) -> Response:
            if request.method not in CHANGING:
                return await handle(request)
            return await _run(self, handle, request)

        return handle_command


def _header(methods: set[str]) -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "required": "POST" in methods,
        "description": "A new random value for each thing to be done; the same when it is sent "
        "again. Its answer is kept for seven days.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


async def _run(route: CommandRoute, handle: Handler, request: Request) -> Response:
    actor = await route.actor(request)
    # Read whole before a connection is taken: a slow client must not hold one.
    body = await request.body()
    attempt = attempt_of(request, body, actor) if route.keyed else None
    context = context_of(request)
    for number in range(1, ATTEMPTS + 1):
        try:
            response = await _once(route, handle, request, body, actor.subject, attempt)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if number == ATTEMPTS:
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * number)  # noqa: S311 - no secret
        else:
            await faults.reach("after_commit_before_wake")
            context.wake()
            return response
    raise AssertionError("the last attempt returns or raises")


async def _once(
    route: CommandRoute,
    handle: Handler,
    request: Request,
    body: bytes,
    actor: str,
    attempt: Attempt | None,
) -> Response:
    context = context_of(request)
    try:
        async with (
            acquire(context.pool, context.settings.pool_timeout_seconds) as connection,
            connection.transaction(),
        ):
            if attempt is not None:
                answered = await claim(connection, attempt, context.clock.now())
                if answered is not None:
                    return answered
            transaction = Transaction(connection, actor)
            with span(f"command {request.scope['route'].name}"):
                response = await handle(_again(request, body, transaction))
            if response.status_code >= 400:
                raise _RolledBack(response)
            if attempt is not None and route.shown_once:
                await keep_not(connection, attempt)
            elif attempt is not None:
                await keep(connection, attempt, response)
            await transaction.append()
            return response
    except _RolledBack as refused:
        return refused.response


class _RolledBack(Exception):  # noqa: N818 - carries an answer out of the transaction
    def __init__(self, response: Response) -> None:
        self.response = response


def _again(request: Request, body: bytes, transaction: Transaction) -> Request:
    """The request as new, so that an attempt finds nothing that the one before it has used up."""
    received: Callable[[], Awaitable[Message]] = _Receive(request, body)
    return Request({**request.scope, _SCOPE_KEY: transaction}, received)


class _Receive:
    """Hands over the body that has been read already, then what the client does after it."""

    def __init__(self, request: Request, body: bytes) -> None:
        self._request = request
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._request.receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
