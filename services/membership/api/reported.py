"""What became of the posts that trusts' systems report."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.membership.domain.reported import Outcome
from services.membership.store import reported as store
from shared.events.vocabulary import Role
from shared.web import Actor, Page, PageQuery, Read, require

router = APIRouter(prefix="/reported-posts", tags=["people"])
Reading = Annotated[Actor, Depends(require("office", "trust"))]


class ReportedPostOut(BaseModel):
    """`record` is the trust's id and its own id; `detail` says why it was refused."""

    record: str
    trust_id: UUID
    school_id: UUID | None
    role: Role | None
    from_on: date | None
    to_on: date | None
    person_id: UUID | None
    post_id: UUID | None
    outcome: Outcome
    detail: str | None


@router.get("", summary="List what became of the posts that trusts' systems report")
async def list_reported(read: Read, page: PageQuery, actor: Reading) -> Page[ReportedPostOut]:
    trusts = None if actor.role == "office" else actor.groups
    rows = await store.page_of_reported(read, page, trusts)
    return Page.of(
        page, rows, lambda row: ReportedPostOut(**dict(row)), key=lambda row: row["record"]
    )
