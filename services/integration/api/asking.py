"""Routes that are there twice: below `/mis`, for the trust that signs in, and below
`/trusts/{trust_id}`, for the office."""

from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from services.integration.api.signing_in import Trust, trust_of
from shared.web import Actor, CommandRoute, require

OFFICE = Depends(require("office"))
_SCOPE_KEY: Final = "aspire.trust_asked_for"


class TrustCommand(CommandRoute):
    """A command of a trust's systems."""

    async def actor(self, request: Request) -> Actor:
        return await trust_of(request)


class TrustSecretCommand(TrustCommand):
    """One whose answer holds a new secret."""

    shown_once = True


async def _signed_in(request: Request, trust: Trust) -> None:
    request.scope[_SCOPE_KEY] = trust


async def _named(request: Request, trust_id: UUID) -> None:
    request.scope[_SCOPE_KEY] = trust_id


async def _asked_for(request: Request) -> UUID:
    return cast("UUID", request.scope[_SCOPE_KEY])


Of = Annotated[UUID, Depends(_asked_for)]
"""The trust that is meant: the one that signs in, or that the office names."""


def for_trusts(path: str, tag: str, route_class: type[CommandRoute] = TrustCommand) -> APIRouter:
    """Routes below `/mis`, for the trust's own credentials."""
    return APIRouter(
        prefix=f"/mis{path}",
        tags=[tag],
        dependencies=[Depends(_signed_in)],
        route_class=route_class,
    )


def for_office(path: str, tag: str) -> APIRouter:
    """The same below `/trusts/{trust_id}`."""
    return APIRouter(
        prefix=f"/trusts/{{trust_id}}{path}",
        tags=[tag],
        dependencies=[OFFICE, Depends(_named)],
        route_class=CommandRoute,
    )
