"""Memberships: a school joins, moves, pauses, resumes, completes, leaves; and corrections."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field, model_validator

from services.membership.api.days import ProgrammeDay
from services.membership.api.sight import READERS, sight_of
from services.membership.domain.membership import InGroup, Membership
from services.membership.store import memberships as store
from services.membership.store import networks, schools
from shared.events import Event
from shared.events.membership import StartingPoint
from shared.events.vocabulary import LeavingReason, MembershipStatus, Pathway
from shared.messaging import Transaction
from shared.web import Actor, Body, CommandRoute, Day, Page, PageQuery, Read, Today, Tx, require

router = APIRouter(route_class=CommandRoute, prefix="/memberships", tags=["memberships"])
OFFICE = Depends(require("office"))


class StartingPointToRecord(StartingPoint):
    """As in events, and as strict as every body."""

    model_config = Body.model_config
    inspected_on: Day | None = None


def _as_in_events(given: StartingPoint) -> StartingPoint:
    return StartingPoint.model_validate(given.model_dump())


GivenStartingPoint = Annotated[StartingPointToRecord, AfterValidator(_as_in_events)]


class SchoolToJoin(Body):
    """The school by our id or by its URN."""

    school_id: UUID | None = None
    urn: int | None = Field(None, ge=100_000, le=999_999)
    network_id: UUID
    pathway: Pathway
    joined_on: ProgrammeDay
    starting_point: GivenStartingPoint
    group_id: UUID | None = Field(None, description="Needed on the pathway connect")

    @model_validator(mode="after")
    def _names_one_school(self) -> Self:
        if (self.school_id is None) == (self.urn is None):
            raise ValueError("Name the school by school_id or by urn, and not by both.")
        return self


class Move(Body):
    network_id: UUID
    moved_on: ProgrammeDay = Field(description="The first day in the new network")


class Pause(Body):
    paused_on: ProgrammeDay


class Resumption(Body):
    resumed_on: ProgrammeDay


class Completion(Body):
    completed_on: ProgrammeDay = Field(description="The last day of the membership")


class Leaving(Body):
    left_on: ProgrammeDay = Field(description="The last day of the membership")
    reason: LeavingReason


Correctable = Literal["network_id", "pathway", "joined_on", "starting_point", "group_id", "void"]


class Correction(Body):
    """`wrong` names what was recorded wrongly; each of these fields is given as it should be."""

    wrong: list[Correctable] = Field(min_length=1)
    network_id: UUID | None = None
    pathway: Pathway | None = None
    joined_on: ProgrammeDay | None = None
    starting_point: GivenStartingPoint | None = None
    group_id: UUID | None = None
    void: bool | None = Field(None, description="true: the school should never have joined")

    @model_validator(mode="after")
    def _gives_what_it_names(self) -> Self:
        given = self.model_fields_set - {"wrong"}
        if given != set(self.wrong):
            raise ValueError(
                "Give each field that “wrong” names, as it should be, and no other: "
                f"named {', '.join(sorted(self.wrong))}; "
                f"given {', '.join(sorted(given)) or 'none'}."
            )
        empty = [name for name in given if name != "group_id" and getattr(self, name) is None]
        if empty:
            raise ValueError(f"{', '.join(sorted(empty))} cannot be null.")
        return self


class MembershipOut(BaseModel):
    membership_id: UUID
    school_id: UUID
    network_id: UUID = Field(description="The network that the school is in now")
    pathway: Pathway
    status: MembershipStatus
    joined_on: date
    ends_on: date = Field(description="The last day as agreed on joining")
    ended_on: date | None = Field(description="The last day; null: it goes on")
    starting_point: StartingPoint
    group_id: UUID | None
    void: bool = Field(description="It was recorded by mistake and counts nowhere")

    @classmethod
    def of(cls, membership: Membership) -> "MembershipOut":
        return cls.model_validate(membership, from_attributes=True)


@router.post("", status_code=201, summary="Have a school join", dependencies=[OFFICE])
async def join(body: SchoolToJoin, tx: Tx) -> MembershipOut:
    connection = tx.connection
    school_id = body.school_id
    if school_id is None:
        school_id = await schools.school_id_of(connection, body.urn or 0)
    school = await schools.school(connection, school_id, "FOR UPDATE")
    network = await networks.network(connection, body.network_id, "FOR SHARE")
    membership, joined = Membership.join(
        uuid4(),
        school,
        network,
        pathway=body.pathway,
        joined_on=body.joined_on,
        starting_point=body.starting_point,
        group=await _group(connection, body.group_id, school_id, body.joined_on),
        others=await store.periods(connection, school_id),
    )
    await store.add_membership(connection, membership)
    tx.record(joined)
    return MembershipOut.of(membership)


@router.get("", summary="List memberships")
async def list_memberships(
    read: Read,
    today: Today,
    page: PageQuery,
    actor: Annotated[Actor, Depends(require(*READERS))],
    network_id: UUID | None = None,
    school_id: UUID | None = None,
    status: MembershipStatus | None = None,
) -> Page[MembershipOut]:
    sight = await sight_of(read, actor, today)
    memberships = await store.memberships(
        read,
        page,
        visible=sight.schools,
        network_id=network_id,
        school_id=school_id,
        status=status,
    )
    return Page.of(page, memberships, MembershipOut.of, key=lambda each: each.membership_id)


@router.get("/{membership_id}", summary="Look at a membership")
async def get_membership(
    membership_id: UUID,
    read: Read,
    today: Today,
    actor: Annotated[Actor, Depends(require(*READERS))],
) -> MembershipOut:
    membership = await store.membership(read, membership_id)
    (await sight_of(read, actor, today)).check_membership(membership)
    return MembershipOut.of(membership)


@router.post(
    "/{membership_id}/move", summary="Move a school to another network", dependencies=[OFFICE]
)
async def move(membership_id: UUID, body: Move, tx: Tx) -> MembershipOut:
    membership = await store.locked_membership(tx.connection, membership_id)
    network = await networks.network(tx.connection, body.network_id, "FOR SHARE")
    return await _save(tx, *membership.move(network, body.moved_on))


@router.post("/{membership_id}/pause", summary="Pause a membership", dependencies=[OFFICE])
async def pause(membership_id: UUID, body: Pause, tx: Tx) -> MembershipOut:
    return await _change(tx, membership_id, lambda each: each.pause(body.paused_on))


@router.post("/{membership_id}/resume", summary="Resume a membership", dependencies=[OFFICE])
async def resume(membership_id: UUID, body: Resumption, tx: Tx) -> MembershipOut:
    return await _change(tx, membership_id, lambda each: each.resume(body.resumed_on))


@router.post("/{membership_id}/completion", summary="Complete a membership", dependencies=[OFFICE])
async def complete(membership_id: UUID, body: Completion, tx: Tx) -> MembershipOut:
    return await _change(tx, membership_id, lambda each: each.complete(body.completed_on))


@router.post(
    "/{membership_id}/leave", summary="Have a school leave before its time", dependencies=[OFFICE]
)
async def leave(membership_id: UUID, body: Leaving, tx: Tx) -> MembershipOut:
    return await _change(tx, membership_id, lambda each: each.leave(body.left_on, body.reason))


@router.post(
    "/{membership_id}/correction",
    summary="Correct what was recorded wrongly on joining",
    dependencies=[OFFICE],
)
async def correct(membership_id: UUID, body: Correction, tx: Tx) -> MembershipOut:
    connection = tx.connection
    membership = await store.locked_membership(connection, membership_id)
    network_id = body.network_id or membership.joined_network_id
    group_id = body.group_id if "group_id" in body.wrong else membership.group_id
    joined_on = body.joined_on or membership.joined_on
    network = await networks.network(connection, network_id, "FOR SHARE")
    corrected, correction = membership.correct(
        sorted(set(body.wrong)),
        network=network,
        pathway=body.pathway or membership.pathway,
        joined_on=joined_on,
        starting_point=body.starting_point or membership.starting_point,
        group=await _group(connection, group_id, membership.school_id, joined_on),
        void=bool(body.void),
        others=await store.periods(connection, membership.school_id, besides=membership_id),
    )
    return await _save(tx, corrected, correction)


async def _change(
    tx: Transaction,
    membership_id: UUID,
    change: Callable[[Membership], tuple[Membership, Event]],
) -> MembershipOut:
    membership = await store.locked_membership(tx.connection, membership_id)
    return await _save(tx, *change(membership))


async def _save(tx: Transaction, membership: Membership, event: Event) -> MembershipOut:
    await store.save_memberships(tx.connection, [membership])
    tx.record(event)
    return MembershipOut.of(membership)


async def _group(
    connection: asyncpg.Connection, group_id: UUID | None, school_id: UUID, day: date
) -> InGroup | None:
    return None if group_id is None else await store.in_group(connection, group_id, school_id, day)
