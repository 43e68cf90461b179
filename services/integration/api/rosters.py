"""A trust's OneRoster file, in two stages: what it would change, and then the change."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from services.integration.api import roster_reading
from services.integration.api.asking import Of, for_office, for_trusts
from services.integration.api.intake import Answer, decide, take
from services.integration.api.reading import Sent
from services.integration.api.sealing import Sealing
from services.integration.domain.oneroster import Known, Reported, Roster, reported
from services.integration.domain.reports import LeavingReport, SchoolReport
from services.integration.store import rosters as store
from services.integration.store import trusts
from shared.messaging import Transaction
from shared.problems import Refused
from shared.sealing import Sealer
from shared.web import Today, Tx

What = Literal["school", "new", "changed", "leaving", "unchanged", "refused"]
FILE: Final[dict[str, Any]] = {
    "max_body_size": roster_reading.MOST_BYTES,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
}
"""Of routes whose body is a file."""

own = for_trusts("/roster", "roster")
office = for_office("/roster", "roster")


class RosterChanged(Refused):
    title = "The file would change something else than was shown"


class RowOut(BaseModel):
    """A row and what it comes to; `line` null: what is missing from the file says it."""

    file: str
    line: int | None
    what: What
    external_id: str | None
    why: str | None = Field(None, description="Why it is refused")


class RosterOut(BaseModel):
    """What a file changes; `digest` is of exactly that, and applying takes it back."""

    applied: bool
    digest: str
    counts: dict[What, int]
    passed_over: int = Field(description="Rows of roles that are not of staff: they are not kept")
    rows: list[RowOut] = Field(description="All but the unchanged ones")


@dataclass(frozen=True)
class _Read:
    """A file that was read, with what its rows report, and what was known before."""

    roster: Roster
    known: Known
    rows: Sequence[Reported]

    @property
    def sent(self) -> list[Sent]:
        return [Sent(None, None, row.report) for row in self.rows]

    def shown(self, answers: Sequence[Answer], *, applied: bool) -> RosterOut:
        rows = [
            _shown(row, answer, self.known) for row, answer in zip(self.rows, answers, strict=True)
        ]
        plain = [row.model_dump(exclude={"why"}) for row in rows]
        counts = Counter[What](row.what for row in rows)
        return RosterOut(
            applied=applied,
            digest=hashlib.sha256(json.dumps(plain).encode()).hexdigest(),
            counts={what: counts[what] for what in get_args(What)},
            passed_over=self.roster.passed_over,
            rows=[row for row in rows if row.what != "unchanged"],
        )


@own.post(
    "/preview",
    summary="See what a OneRoster file would change",
    **FILE,
)
@office.post(
    "/preview",
    summary="See what a OneRoster file would change",
    **FILE,
)
async def preview(request: Request, trust: Of, tx: Tx, today: Today, sealer: Sealing) -> RosterOut:
    """A zip of CSV files, OneRoster 1.2, in bulk or as delta. Nothing is changed, and nothing of
    the file is kept."""
    file = await _read_file(tx.connection, trust, await request.body(), today)
    return await _foreseen(tx, trust, file, today, sealer)


@own.post(
    "",
    summary="Apply a OneRoster file",
    **FILE,
)
@office.post(
    "",
    summary="Apply a OneRoster file",
    **FILE,
)
async def apply(
    request: Request,
    trust: Of,
    tx: Tx,
    today: Today,
    sealer: Sealing,
    digest: Annotated[str, Query(description="Of the preview that somebody has agreed to")],
) -> RosterOut:
    """All of it but the refused rows, or nothing, where it would not change what was shown."""
    file = await _read_file(tx.connection, trust, await request.body(), today)
    answers = await take(tx, trust, file.sent, today, sealer)
    done = file.shown(answers, applied=True)
    if done.digest != digest:
        raise RosterChanged(
            "Since the preview something has changed, or it was of another file. Nothing was "
            "applied; look at a new preview."
        )
    roles = [
        (row.report.external_id, row.user_id)
        for row in file.rows
        if row.user_id is not None and not isinstance(row.report, Refused)
    ]
    await store.save(tx.connection, trust, roles)
    return done


async def _read_file(
    connection: asyncpg.Connection, trust_id: UUID, body: bytes, today: date
) -> _Read:
    """Raises RosterRefused, TrustUnknown."""
    await trusts.connection_of(connection, trust_id)
    roster = roster_reading.read(body)
    known = await store.known(connection, trust_id, today)
    return _Read(roster, known, list(reported(roster, known, today)))


async def _foreseen(
    tx: Transaction, trust_id: UUID, file: _Read, today: date, sealer: Callable[[], Sealer]
) -> RosterOut:
    """What would become of it, by doing it and taking it back."""
    trying = tx.connection.transaction()
    await trying.start()
    try:
        scratch = Transaction(tx.connection, tx.actor)
        answers = await decide(scratch, trust_id, file.sent, today, sealer)
    finally:
        await trying.rollback()
    return file.shown(answers, applied=False)


def _shown(row: Reported, answer: Answer, known: Known) -> RowOut:
    report = row.report
    what: What = "unchanged"
    external_id = None if isinstance(report, Refused) else report.external_id
    why = None
    if answer.refusal is not None:
        what, why = "refused", f"{answer.refusal.title}. {answer.refusal.detail}"
    elif answer.changed:
        match report:
            case SchoolReport():
                what = "school"
            case LeavingReport():
                what = "leaving"
            case _:
                what = "changed" if external_id in known.posts else "new"
    return RowOut(file=row.file, line=row.line, what=what, external_id=external_id, why=why)


router = APIRouter()
router.include_router(own)
router.include_router(office)
