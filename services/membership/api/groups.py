"""Groups: trusts, federations, informal ones; and the schools in them."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.membership.api.days import AnyDay
from services.membership.api.sight import READERS, Sight, sight_of
from services.membership.domain.group import Group, Stay
from services.membership.store import groups as store
from services.membership.store import schools
from shared.events.vocabulary import GroupKind
from shared.web import Actor, Body, CommandRoute, Page, PageQuery, Read, Today, Tx, require

router = APIRouter(route_class=CommandRoute, prefix="/groups", tags=["groups"])
OFFICE = Depends(require("office"))


class GroupToRegister(Body):
    name: str
    kind: GroupKind
    register_code: str | None = Field(
        None, min_length=1, max_length=20, description="What the register of schools calls it by"
    )


class GroupToRename(Body):
    name: str


class SchoolToTakeIn(Body):
    school_id: UUID
    joined_on: AnyDay


class SchoolToLetGo(Body):
    left_on: AnyDay = Field(description="The first day outside the group")


class StayOut(BaseModel):
    school_id: UUID
    joined_on: date
    left_on: date | None


class GroupOut(BaseModel):
    group_id: UUID
    name: str
    kind: GroupKind
    register_code: str | None
    schools: list[StayOut]

    @classmethod
    def of(cls, group: Group, stays: Sequence[Stay], visible: Sequence[UUID] | None) -> "GroupOut":
        return cls(
            group_id=group.group_id,
            name=group.name,
            kind=group.kind,
            register_code=group.register_code,
            schools=[
                StayOut(school_id=stay.school_id, joined_on=stay.joined_on, left_on=stay.left_on)
                for stay in stays
                if visible is None or stay.school_id in visible
            ],
        )


@router.post("", status_code=201, summary="Register a group", dependencies=[OFFICE])
async def register_group(body: GroupToRegister, tx: Tx) -> GroupOut:
    group, registered = Group.register(uuid4(), body.name, body.kind, body.register_code)
    await store.add_group(tx.connection, group)
    tx.record(registered)
    return GroupOut.of(group, [], None)


@router.get("", summary="List the groups")
async def list_groups(
    read: Read,
    today: Today,
    page: PageQuery,
    actor: Annotated[Actor, Depends(require(*READERS))],
) -> Page[GroupOut]:
    sight = await sight_of(read, actor, today)
    groups = await store.groups(read, page, visible=sight.groups)
    stays = await store.stays(read, [group.group_id for group in groups])
    return Page.of(
        page,
        groups,
        lambda group: GroupOut.of(group, stays[group.group_id], sight.schools),
        key=lambda group: group.group_id,
    )


@router.get("/{group_id}", summary="Look at a group and its schools")
async def get_group(
    group_id: UUID,
    read: Read,
    today: Today,
    actor: Annotated[Actor, Depends(require(*READERS))],
) -> GroupOut:
    sight = await sight_of(read, actor, today)
    sight.check_group(group_id)
    return await _out(read, await store.group(read, group_id), sight)


@router.patch("/{group_id}", summary="Rename a group", dependencies=[OFFICE])
async def rename_group(group_id: UUID, body: GroupToRename, tx: Tx) -> GroupOut:
    group = await store.locked_group(tx.connection, group_id)
    group, renamed = group.rename(body.name)
    if renamed:
        await store.save_group(tx.connection, group)
        tx.record(renamed)
    return await _out(tx.connection, group)


@router.post(
    "/{group_id}/schools", summary="Record that a school joined a group", dependencies=[OFFICE]
)
async def take_in_school(group_id: UUID, body: SchoolToTakeIn, tx: Tx) -> GroupOut:
    school = await schools.school(tx.connection, body.school_id, "FOR UPDATE")
    group = await store.locked_group(tx.connection, group_id)
    known = (await store.stays(tx.connection, [group_id], school.school_id))[group_id]
    stay, joined = group.take_in(school, body.joined_on, known)
    await store.save_stay(tx.connection, stay)
    tx.record(joined)
    return await _out(tx.connection, group)


@router.post(
    "/{group_id}/schools/{school_id}/leave",
    summary="Record that a school left a group",
    dependencies=[OFFICE],
)
async def let_school_go(group_id: UUID, school_id: UUID, body: SchoolToLetGo, tx: Tx) -> GroupOut:
    school = await schools.school(tx.connection, school_id, "FOR UPDATE")
    group = await store.locked_group(tx.connection, group_id)
    known = (await store.stays(tx.connection, [group_id], school_id))[group_id]
    stay, left = group.let_go(school, body.left_on, known)
    await store.save_stay(tx.connection, stay)
    tx.record(left)
    return await _out(tx.connection, group)


async def _out(
    connection: asyncpg.Connection, group: Group, sight: Sight | None = None
) -> GroupOut:
    stays = (await store.stays(connection, [group.group_id]))[group.group_id]
    return GroupOut.of(group, stays, None if sight is None else sight.schools)
