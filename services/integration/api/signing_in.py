"""A trust's systems sign in by HTTP Basic (RFC 7617): the trust's id and its secret."""

import base64
import binascii
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBasic

from services.integration.domain.connection import TrustUnknown
from services.integration.store import trusts as store
from shared.database import acquire
from shared.problems import Unauthorised
from shared.web import Actor
from shared.web.context import context_of

CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="aspire", charset="UTF-8"'}
_SCOPE_KEY: Final = "aspire.trust"


class CredentialsRefused(Unauthorised):
    title = "The trust's credentials are not accepted"


async def trust_of(request: Request) -> Actor:
    """The trust whose systems ask, as an actor with its group. Raises CredentialsRefused, which
    does not tell an unknown trust from a wrong, an ended or a revoked secret.

    They are checked once a request: a command has asked before it takes a connection of its own.
    """
    known = request.scope.get(_SCOPE_KEY)
    if known is None:
        request.scope[_SCOPE_KEY] = known = await _checked(request)
    return cast("Actor", known)


async def check_again(request: Request) -> None:
    """For a request that has waited. Raises CredentialsRefused."""
    request.scope[_SCOPE_KEY] = await _checked(request)


async def _checked(request: Request) -> Actor:
    given = _given(request.headers.get("authorization"))
    if given is not None:
        trust_id, secret = given
        context = context_of(request)
        async with acquire(context.pool, context.settings.pool_timeout_seconds) as connection:
            try:
                known = await store.connection_of(connection, trust_id)
            except TrustUnknown:
                known = None
        if known is not None and known.admits(secret, context.clock.now()):
            return Actor(subject=f"trust:{trust_id}", role="trust", groups=frozenset({trust_id}))
    raise CredentialsRefused(
        "Send the trust's id as user and its secret as password (HTTP Basic), as the programme "
        "office has got them from `aspire trust connect`. A secret ends when it is rotated or "
        "revoked; `aspire trust status` tells.",
        headers=CHALLENGE,
    )


class _Basic(HTTPBasic):
    """Says in OpenAPI how to sign in; FastAPI's own reading would answer without a problem."""

    async def __call__(self, _: Request) -> None:  # type: ignore[override]
        return None


_BASIC: Final = _Basic(scheme_name="trust", description="The trust's id and its secret")


async def _signed_in(request: Request, _: Annotated[None, Depends(_BASIC)]) -> UUID:
    [trust_id] = (await trust_of(request)).groups
    return trust_id


def _given(authorization: str | None) -> tuple[UUID, str] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        return UUID(user), secret
    except (binascii.Error, ValueError):
        return None


Trust = Annotated[UUID, Depends(_signed_in)]
"""The id of the trust whose systems ask."""
