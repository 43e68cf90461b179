"""Schools: what the register says of them, and what happens to them."""

from datetime import date
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.membership.api.days import AnyDay
from services.membership.api.sight import READERS, sight_of
from services.membership.domain.school import School
from services.membership.store import memberships
from services.membership.store import schools as store
from shared.events import Event
from shared.events.membership import SchoolDetails, StartingPoint
from shared.events.vocabulary import Judgement, LeavingReason, Region
from shared.web import Actor, Body, CommandRoute, Page, PageQuery, Read, Today, Tx, require

router = APIRouter(route_class=CommandRoute, prefix="/schools", tags=["schools"])
OFFICE = Depends(require("office"))


class UrnChange(Body):
    new_urn: int = Field(examples=[148213])
    changed_on: AnyDay = Field(description="The first day under the new URN")


class SchoolToClose(Body):
    closed_on: AnyDay = Field(description="The school's last day")


class InspectionToRecord(StartingPoint, Body):
    judgement: Judgement
    inspected_on: AnyDay

    @property
    def inspection(self) -> StartingPoint:
        return StartingPoint(**self.model_dump())


class UrnOut(BaseModel):
    urn: int
    valid_from: date | None = Field(description="null: since before we knew the school")


class SchoolOut(SchoolDetails):
    school_id: UUID
    closed_on: date | None
    urns: list[UrnOut] = Field(description="All that the school has had, the current one last")

    @classmethod
    def of(cls, school: School) -> "SchoolOut":
        return cls(
            **school.details.model_dump(),
            school_id=school.school_id,
            closed_on=school.closed_on,
            urns=[UrnOut(urn=each.urn, valid_from=each.valid_from) for each in school.urns],
        )


class SchoolWithInspections(SchoolOut):
    inspections: list[StartingPoint]


@router.get("", summary="Find schools")
async def list_schools(
    read: Read,
    today: Today,
    page: PageQuery,
    actor: Annotated[Actor, Depends(require(*READERS))],
    urn: Annotated[int | None, Query(ge=100_000, le=999_999)] = None,
    name: Annotated[str | None, Query(max_length=200, description="A part of the name")] = None,
    region: Region | None = None,
    la_code: Annotated[str | None, Query(max_length=10)] = None,
) -> Page[SchoolOut]:
    sight = await sight_of(read, actor, today)
    schools = await store.schools(
        read, page, visible=sight.schools, urn=urn, name=name, region=region, la_code=la_code
    )
    return Page.of(page, schools, SchoolOut.of, key=lambda school: school.school_id)


@router.get("/{school_id}", summary="Look at a school and its inspections")
async def get_school(
    school_id: UUID,
    read: Read,
    today: Today,
    actor: Annotated[Actor, Depends(require(*READERS))],
) -> SchoolWithInspections:
    (await sight_of(read, actor, today)).check_school(school_id)
    school = SchoolOut.of(await store.school(read, school_id))
    inspections = await store.inspections(read, school_id)
    return SchoolWithInspections(**school.model_dump(), inspections=inspections)


@router.post(
    "/{school_id}/urn-changes",
    summary="Record the new URN of a school that became an academy",
    dependencies=[OFFICE],
)
async def change_urn(school_id: UUID, body: UrnChange, tx: Tx) -> SchoolOut:
    school = await store.school(tx.connection, school_id, "FOR UPDATE")
    school, changed = school.change_urn(body.new_urn, body.changed_on)
    await store.change_urn(tx.connection, school)
    tx.record(changed)
    return SchoolOut.of(school)


@router.post(
    "/{school_id}/closure",
    summary="Close a school, which ends its membership",
    dependencies=[OFFICE],
)
async def close_school(school_id: UUID, body: SchoolToClose, tx: Tx) -> SchoolOut:
    school = await store.school(tx.connection, school_id, "FOR UPDATE")
    school, closed = school.close(body.closed_on)
    tx.record(*await _end_membership(tx.connection, school_id, body.closed_on), closed)
    await store.close_school(tx.connection, school)
    return SchoolOut.of(school)


async def _end_membership(
    connection: asyncpg.Connection, school_id: UUID, closed_on: date
) -> list[Event]:
    membership = (await memberships.open_memberships(connection, [school_id])).get(school_id)
    if membership is None:
        return []
    membership, left = membership.leave(closed_on, LeavingReason.SCHOOL_CLOSED)
    await memberships.save_memberships(connection, [membership])
    return [left]


@router.post(
    "/{school_id}/inspections",
    status_code=201,
    summary="Record an inspection of a school",
    dependencies=[OFFICE],
)
async def record_inspection(school_id: UUID, body: InspectionToRecord, tx: Tx) -> StartingPoint:
    school = await store.school(tx.connection, school_id, "FOR SHARE")
    inspection = body.inspection
    recorded = school.record_inspection(inspection)
    await store.add_inspection(tx.connection, school_id, inspection)
    tx.record(recorded)
    return inspection
