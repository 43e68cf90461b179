"""A stream that says when there may be other figures, so that nobody has to ask again and again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from services.reporting.store import scopes
from shared.changes import wait
from shared.database import acquire
from shared.web import Actor, Context, require
from shared.web.context import context_of

LOOK_SECONDS: Final = 1.0
"""After which it looks although nobody told: the consumer may be another process."""
BREATH_SECONDS: Final = 0.02
"""Between two changes, however many there are."""
LIVING: Final = 15
"""Looks without a change after which it says that it is still there."""

router = APIRouter(tags=["reports"])


@router.get(
    "/changes",
    summary="Server-sent events: one now, and one whenever figures may have changed",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def changes(
    request: Request,
    _: Annotated[Actor, Depends(require("office", "adviser", "school", "trust", "operations"))],
) -> StreamingResponse:
    """The event carries nothing: ask for the report with the ETag that you have."""
    return StreamingResponse(
        _told(context_of(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(context: Context) -> AsyncIterator[str]:
    known, quiet = None, 0
    while not context.changes.over:
        change = context.changes.next
        state = await _state(context)
        quiet = 0 if state != known else quiet + 1
        if state != known:
            known = state
            yield "event: change\ndata:\n\n"
            await asyncio.sleep(BREATH_SECONDS)
        elif quiet % LIVING == 0:
            yield ":\n\n"
        await wait(change, LOOK_SECONDS)


async def _state(context: Context) -> str:
    async with acquire(context.pool, context.settings.pool_timeout_seconds) as connection:
        return await scopes.state(connection)
