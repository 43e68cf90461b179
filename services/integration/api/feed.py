"""A trust's feed over HTTP: batches of CloudEvents from any place on, and a wait for the next."""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.integration.api.reading import BATCHED, MOST_EVENTS
from services.integration.api.signing_in import Trust, check_again
from services.integration.domain.telling import TYPES, Told, envelope
from services.integration.store import feed as store
from shared.changes import wait as until
from shared.database import acquire
from shared.problems import Invalid
from shared.telemetry import untraced
from shared.web import Context
from shared.web.context import context_of

LONGEST_WAIT_SECONDS: Final = 30
LOOK_SECONDS: Final = 1.0
"""After which a waiting request looks although nobody told: the feeder may be another process."""
BREATH_SECONDS: Final = 0.1
"""Between two looks, however often it is told."""
CURSOR_HEADER: Final = "Feed-Cursor"
_CURSOR: Final = re.compile(r"([0-9]{1,18})-([0-9a-f]{16})")

router = APIRouter(prefix="/mis", tags=["mis"])


class CursorUnknown(Invalid):
    title = "The cursor is not one of this feed"

    def __init__(self) -> None:
        super().__init__(
            "It was not given out with this trust's feed, or the feed was restored from an older "
            "backup, or a sandbox was reset. Begin anew, without “after”: events are known by "
            "their ids, so pass over those that you have.",
            errors=[("/query/after", "as it was given out, or left out")],
        )


class TypeNotTold(Invalid):
    title = "No such event is told"


@dataclass(frozen=True)
class Cursor:
    """What has been read: all up to a position, and what their ids come to."""

    position: int
    digest: int

    @classmethod
    def read(cls, text: str) -> "Cursor":
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise CursorUnknown
        digest = int.from_bytes(bytes.fromhex(found[2]), signed=True)
        return cls(int(found[1]), digest)

    def __str__(self) -> str:
        return f"{self.position}-{self.digest.to_bytes(8, signed=True).hex()}"


BEGINNING: Final = Cursor(store.BEGINNING, 0)

After = Annotated[
    str | None,
    Query(max_length=100, description="The cursor of the answer before; none: the beginning"),
]
Limit = Annotated[int, Query(ge=1, le=MOST_EVENTS, description="Events in an answer")]
Types = Annotated[list[str] | None, Query(description="Only events of these types, any number")]
Wait = Annotated[
    float,
    Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait where there is no event yet"),
]
_EVENT: Final = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "additionalProperties": True,
    "properties": {
        **{name: {"type": "string"} for name in ("specversion", "id", "source", "subject")},
        "type": {"type": "string", "enum": sorted(TYPES)},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "string"},
        "partitionkey": {"type": "string"},
        "data": {"type": "object", "additionalProperties": True},
    },
}
_ANSWER: Final = {
    "description": "A batch of CloudEvents 1.0, in the feed's order; empty where there is no more",
    "content": {BATCHED: {"schema": {"type": "array", "items": _EVENT}}},
    "headers": {
        "Link": {"schema": {"type": "string"}, "description": "rel=next: what comes behind"},
        CURSOR_HEADER: {"schema": {"type": "string"}, "description": "The same for `after`"},
    },
}


@router.get(
    "/feed",
    summary="What has happened to the own schools and people, from any place on",
    response_class=Response,
    responses={200: _ANSWER},
)
async def read_feed(
    request: Request,
    trust_id: Trust,
    after: After = None,
    limit: Limit = 100,
    types: Types = None,
    wait: Wait = 0,
) -> Response:
    if unknown := sorted(set(types or ()) - TYPES):
        raise TypeNotTold(
            f"{', '.join(unknown)} is not told here, but {', '.join(sorted(TYPES))}.",
            errors=[("/query/types", "types that are told")],
        )
    asked = _Asked(trust_id, limit, types)
    behind = BEGINNING if after is None else Cursor.read(after)
    batch, ahead, waited = await _wait(context_of(request), asked, behind, wait)
    if waited:  # meanwhile the secret may have been revoked
        await check_again(request)
    following = [("after", str(ahead)), ("limit", limit), ("wait", f"{wait:g}")]
    query = urlencode([*following, *(("types", each) for each in types or ())])
    return Response(
        batch,
        media_type=BATCHED,
        headers={
            "Link": f'<{request.url.path}?{query}>; rel="next"',
            CURSOR_HEADER: str(ahead),
            "Cache-Control": "no-store",
        },
    )


@dataclass(frozen=True)
class _Asked:
    trust_id: UUID
    limit: int
    types: Sequence[str] | None


async def _wait(
    context: Context, asked: _Asked, behind: Cursor, at_most_seconds: float
) -> tuple[bytes, Cursor, bool]:
    """The batch, where it ends, and whether it was waited for. While it waits it has no connection
    to the database."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + at_most_seconds
    ahead, waited = behind, False
    while True:
        change = context.changes.next
        async with acquire(context.pool, context.settings.pool_timeout_seconds) as connection:
            if not waited or await _grew(connection, asked, ahead):
                told, ahead = await _read(connection, asked, ahead)
                if told:
                    return await _written(connection, asked.trust_id, told), ahead, waited
        left = give_up - loop.time()
        if left <= 0 or context.changes.over:
            return b"[]", ahead, waited
        waited = True
        await asyncio.sleep(min(BREATH_SECONDS, left))
        await until(change, min(LOOK_SECONDS, left))


async def _grew(connection: asyncpg.Connection, asked: _Asked, since: Cursor) -> bool:
    with untraced():
        return await store.end(connection, asked.trust_id) != since.position


async def _read(
    connection: asyncpg.Connection, asked: _Asked, behind: Cursor
) -> tuple[list[Told], Cursor]:
    """What comes behind a cursor, and the cursor behind that. Raises CursorUnknown."""
    if await store.digest(connection, asked.trust_id, behind.position) != behind.digest:
        raise CursorUnknown
    end = await store.end(connection, asked.trust_id)
    told = await store.after(
        connection, asked.trust_id, behind.position, asked.limit, asked.types
    )  # what others are there up to `end` need not be looked at again
    last = told[-1].position if told else behind.position
    position = last if len(told) == asked.limit else max(last, end)
    digest = await store.digest(connection, asked.trust_id, position)
    if digest is None:  # the feed begins anew in this moment
        raise CursorUnknown
    return told, Cursor(position, digest)


async def _written(connection: asyncpg.Connection, trust_id: UUID, told: Sequence[Told]) -> bytes:
    called = await store.external_ids(connection, trust_id, told)
    return json.dumps([envelope(each, called) for each in told], ensure_ascii=False).encode()
