"""Places whose person is away: whoever booked them may give them to somebody else, or not."""

import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.scheduling.api.scope import scope_of
from services.scheduling.domain import PlaceStatus
from services.scheduling.store import absences as store
from shared.web import Actor, Page, PageQuery, Read, Today, require

OfTheSchool = Annotated[Actor, Depends(require("office", "school", "trust", "participant"))]

router = APIRouter(prefix="/absent-places", tags=["places"])


class AbsentPlace(BaseModel):
    """A place on a day to come; its person's school has reported that they are away on that day."""

    place_id: UUID
    day_id: UUID
    date: datetime.date
    title: str
    person_id: UUID
    school_id: UUID
    status: PlaceStatus


@router.get("", summary="List places whose person is reported to be away on the day")
async def list_absent(
    read: Read, actor: OfTheSchool, page: PageQuery, today: Today
) -> Page[AbsentPlace]:
    """Nothing is freed by itself: people come back, or send somebody else. All of them each time;
    `updated_since` is of no use here."""
    scope = await scope_of(read, actor, today)
    rows = await store.places_page(read, scope, today, after=page.after, limit=page.fetch)
    return Page.of(
        page,
        rows,
        lambda row: AbsentPlace.model_validate(dict(row)),
        key=lambda row: row["place_id"],
    )
