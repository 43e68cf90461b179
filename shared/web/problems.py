"""Every error an API can answer, as an RFC 9457 problem (`application/problem+json`)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from shared.problems import PROBLEMS, FieldError, Refused
from shared.telemetry import current_trace_id

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class FaultyField(BaseModel):
    """A body's field by JSON pointer (`#/places`), a parameter by its place (`/query/limit`)."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """Why a request was refused or failed (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"example": {
        "type": f"{PROBLEMS}school-already-member",
        "title": "School is already a member",
        "status": 409,
        "detail": "The school has been a member of the network Solent since 1 September 2026.",
    }})  # fmt: skip

    type: str = Field(description="Names the kind of problem; the same for ever")
    title: str
    status: int
    detail: str = Field(description="What, which rule, and the way out")
    errors: list[FaultyField] | None = Field(None, description="Every faulty field at once")
    request_id: str | None = Field(None, description="Quote it when you ask for help")


class ProblemResponse(Response):
    media_type = MEDIA_TYPE


def problem(
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> ProblemResponse:
    """The answer; `slug` may be a whole type URL."""
    body = Problem(
        type=slug if "/" in slug else PROBLEMS + slug,
        title=title,
        status=status,
        detail=detail,
        errors=[FaultyField(pointer=e.pointer, detail=e.detail) for e in errors] or None,
        request_id=request_id,
    )
    content = body.model_dump_json(exclude_none=True)
    return ProblemResponse(content, status_code=status, headers=dict(headers or {}))


def too_large() -> ProblemResponse:
    return problem(
        413,
        "body-too-large",
        "The body is too large",
        "The request's body is larger than this route takes. Send less at a time.",
    )


def add_handlers(app: FastAPI) -> None:
    """Makes `app` answer every error as a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    for storable in (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
        app.add_exception_handler(storable, _not_storable)
    app.add_exception_handler(asyncpg.DiskFullError, _disk_full)
    for away in _DATABASE_AWAY:
        app.add_exception_handler(away, _database_away)


_DATABASE_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # a statement's timeout, a shutdown, a start
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # still a deadlock after all attempts
    asyncpg.TransactionTimeoutError,
    asyncpg.LockNotAvailableError,
)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(
        error.status,
        error.type(),
        error.title,
        error.detail,
        errors=error.errors,
        headers=error.headers,
    )


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code < 400 or error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    path, headers = request.url.path, error.headers
    match error.status_code:
        case 404:
            detail = f"There is nothing at {path}. /openapi.json lists what there is."
        case 405:
            headers = {"Allow": ", ".join(_allowed(request))}
            detail = f"{path} does not take {request.method}, but {headers['Allow']}."
        case 413:
            return too_large()
        case 400:
            detail = "The body cannot be read: send one JSON document in UTF-8."
        case _:
            detail = str(error.detail)
    title = HTTPStatus(error.status_code).phrase
    slug = title.lower().replace(" ", "-")
    return problem(error.status_code, slug, title, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """All methods of the path: Starlette names those of one of its routes only."""
    asked = request.scope
    return [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**asked, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: Sequence[Mapping[str, Any]] = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        reason = faults[0].get("ctx", {}).get("error", "")
        return problem(
            400,
            "body-not-json",
            "The body is not JSON",
            f"The body cannot be read as JSON at character {faults[0]['loc'][-1]}: {reason}.",
        )
    if isinstance(error.body, bytes):
        return problem(
            415,
            "media-type-not-supported",
            "The body's media type is not supported",
            "Send JSON, and say so in the header “Content-Type: application/json”.",
        )
    return problem(
        422,
        "request-not-valid",
        "The request is not valid",
        "One field is faulty." if len(faults) == 1 else f"{len(faults)} fields are faulty.",
        errors=[FieldError(_pointer(fault["loc"]), _sentence(fault)) for fault in faults],
    )


def _pointer(location: Sequence[str | int]) -> str:
    """RFC 6901: a fragment into the body; for a parameter, its place and name."""
    place, *path = location
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
    if place == "body":
        return "#" + "".join(f"/{quote(step, safe='~')}" for step in steps)
    return "/" + "/".join([str(place), *steps])


def _sentence(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "missing":
        return "A JSON body is needed." if fault["loc"] == ("body",) else "This is needed."
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message if message.endswith((".", "!", "?")) else f"{message}."


def _not_storable(_: Request, __: Exception) -> Response:
    return problem(
        422,
        "character-not-storable",
        "A character cannot be stored",
        "A text holds a character that cannot be stored, such as U+0000. Leave it out.",
    )


def _database_away(_: Request, error: Exception) -> Response:
    log.warning("Refused for the database: %s: %s", type(error).__name__, error)
    return problem(
        503,
        "database-away",
        "The service is busy",
        "The database did not answer in time. Try again shortly, with the same Idempotency-Key.",
        headers={"Retry-After": "2"},
    )


def _disk_full(_: Request, error: Exception) -> Response:
    log.warning("Refused for want of room: %s", error)
    return problem(
        503,
        "disk-full",
        "The service has no room",
        "The database's disk is full, and nothing was changed. Try again with the same "
        "Idempotency-Key once its operators have made room.",
        headers={"Retry-After": "60"},
    )


def _unexpected(request: Request, error: Exception) -> Response:
    """Says nothing of the reason to the outside, all of it to the log."""
    request_id = current_trace_id() or uuid4().hex
    log.error(
        "%s %s failed (request %s)",
        request.method,
        request.url.path,
        request_id,
        exc_info=error,
        extra={"request_id": request_id},
    )
    return problem(
        500,
        "unexpected",
        "Something went wrong here",
        "The request failed for a reason that is ours, and nothing was changed. "
        f"Quote {request_id} when you ask for help.",
        request_id=request_id,
    )
