"""The import of a school register, as one request with the file as its body."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from services.membership.register import Report, Spool, import_register
from services.membership.register.file import RegisterText
from shared.database import acquire, plan_anew
from shared.messaging import Transaction, faults
from shared.problems import Refused
from shared.web import Actor, Context, Today, require
from shared.web.context import context_of
from shared.web.idempotency import HEADER, Attempt, attempt_of, claim, keep
from shared.web.problems import problem

# Not a CommandRoute: the file is not held in memory, and goes in by many transactions.
router = APIRouter(prefix="/register-imports", tags=["schools"])

MOST_BYTES: Final = 256 * 1024 * 1024
NDJSON: Final = "application/x-ndjson"


class RefusedRowOut(BaseModel):
    line: int = Field(description="The line of the file; the header stands on line 1")
    reason: str


class ReportOut(BaseModel):
    """Each row is counted once: `rows` is the sum of the counts after it."""

    rows: int
    registered: int
    changed: int
    closed: int
    unchanged: int
    refused_count: int
    refused: list[RefusedRowOut] = Field(description="The first 1,000 of them")

    @classmethod
    def of(cls, report: Report) -> "ReportOut":
        return cls.model_validate(report, from_attributes=True)


class ProgressOut(BaseModel):
    """A line while the import goes on: how many rows are done, of how many."""

    rows: int
    of: int


@router.post(
    "",
    response_model=ReportOut,
    max_body_size=MOST_BYTES,
    summary="Import a school register in the GIAS layout",
    description=(
        "The body is the file: CSV with a header, in UTF-8 or Windows-1252, plain, gzip or zip. "
        "Columns are found by name. The same file again changes nothing. A file that is cut off "
        "is refused and nothing of it is imported. With `Accept: application/x-ndjson` lines of "
        "progress come before the report, which is the last line."
    ),
    openapi_extra={
        "parameters": [
            {"name": HEADER, "in": "header", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("text/csv", "application/gzip", "application/zip")
            },
        },
    },
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def import_file(
    request: Request, today: Today, actor: Annotated[Actor, Depends(require("office"))]
) -> Response:
    attempt_of(request, b"", actor)  # refuses a missing key before the file is sent
    spool = Spool()
    try:
        digest = await _receive(request, spool)
        attempt = attempt_of(request, digest, actor)
        assert attempt is not None
        importing = _Import(context_of(request), actor, attempt, today)
        answered = await importing.answer_before()
        text = None if answered else await asyncio.to_thread(spool.unpack)
    except BaseException:
        spool.close()
        raise
    if answered or text is None:
        spool.close()
        return answered or Response(status_code=204)
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(importing.lines(spool, text), media_type=NDJSON)
    with spool:
        return await importing.run(text, _silence)


async def _receive(request: Request, spool: Spool) -> bytes:
    """Writes the body to the spool; answers its SHA-256."""
    digest = hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
        spool.write(chunk)
    return digest.digest()


async def _silence(_: Report) -> None:
    """Nobody wants to see the progress."""


class _Import:
    def __init__(self, context: Context, actor: Actor, attempt: Attempt, today: date) -> None:
        self._context = context
        self._actor = actor
        self._attempt = attempt
        self._today = today

    async def answer_before(self) -> Response | None:
        """What was answered under this key, if it was. Raises IdempotencyKeyReused."""
        try:
            async with self._begin() as tx:
                answered = await claim(tx.connection, self._attempt, self._context.clock.now())
                if answered is None:
                    raise _NotYet
                return answered
        except _NotYet:
            return None

    async def run(
        self, text: RegisterText, progress: Callable[[Report], Awaitable[None]]
    ) -> Response:
        """Imports, and keeps the answer. Without this last step it is as good: the same file
        again changes nothing."""
        report = await import_register(text, self._begin, self._today, progress)
        answer = Response(ReportOut.of(report).model_dump_json(), media_type="application/json")
        async with self._begin() as tx:
            answered = await claim(tx.connection, self._attempt, self._context.clock.now())
            if answered is None:
                await keep(tx.connection, self._attempt, answer)
        return answer

    async def lines(self, spool: Spool, text: RegisterText) -> AsyncIterator[bytes]:
        """Progress as it is made, then the report, or the problem, as the last line."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def tell(report: Report) -> None:
            queue.put_nowait(_line(ProgressOut(rows=report.done, of=report.rows)))

        async def run() -> None:
            try:
                answer = await self.run(text, tell)
            except Refused as refusal:
                answer = problem(refusal.status, refusal.type(), refusal.title, refusal.detail)
            finally:
                queue.put_nowait(None)
            queue.put_nowait(bytes(answer.body) + b"\n")

        with spool:
            running = asyncio.create_task(run())
            try:
                while (line := await queue.get()) is not None:
                    yield line
                await running
                yield queue.get_nowait() or b""
            finally:
                # A client that goes away ends the import after the batch under way.
                running.cancel()
                await asyncio.wait([running])

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[Transaction]:
        context = self._context
        async with (
            acquire(context.pool, context.settings.pool_timeout_seconds) as connection,
            connection.transaction(),
        ):
            await plan_anew(connection)  # half of PostgreSQL's time
            transaction = Transaction(connection, self._actor.subject)
            yield transaction
            await transaction.append()
        await faults.reach("after_commit_before_wake")
        context.wake()


class _NotYet(Exception):  # noqa: N818 - rolls a look at the key back
    pass


def _line(model: BaseModel) -> bytes:
    return model.model_dump_json().encode() + b"\n"
