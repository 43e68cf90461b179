"""Development Days: plan, look up, reschedule, deliver, correct and cancel."""

import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.scheduling.api.fields import From, Hours, To
from services.scheduling.api.network_days import Cancellation
from services.scheduling.api.scope import (
    Booker,
    Planner,
    SchoolNotFound,
    scope_of,
    seen_development_day,
)
from services.scheduling.domain import (
    MOST_PARTICIPANTS,
    DevelopmentDay,
    DevelopmentDayStatus,
    Visit,
)
from services.scheduling.store import development_days as store
from services.scheduling.store import known, network_days
from services.scheduling.store.known import Scope
from shared.events.vocabulary import CancellationReason, Role, Strand
from shared.web import Actor, Body, CommandRoute, Day, Page, PageQuery, Read, Today, Tx

router = APIRouter(route_class=CommandRoute, prefix="/development-days", tags=["development days"])

People = Annotated[list[UUID], Field(min_length=1, max_length=MOST_PARTICIPANTS)]


class DevelopmentDayToPlan(Body):
    school_id: UUID
    adviser_id: UUID
    date: Day
    strand: Strand
    follows_up: UUID | None = Field(None, description="The Network Day that is followed up")


class DevelopmentDayChanges(Body):
    """What is left out stays as it is."""

    date: Day | None = None
    adviser_id: UUID | None = None


class Delivery(Body):
    hours: Hours
    participants: People


class DevelopmentDayCorrection(Body):
    """What is left out was right."""

    date: Day | None = None
    strand: Strand | None = None
    hours: Hours | None = None
    participants: People | None = None


class ParticipantOut(BaseModel):
    person_id: UUID
    role: Role


class DevelopmentDayOut(BaseModel):
    day_id: UUID
    school_id: UUID
    network_id: UUID
    adviser_id: UUID
    date: datetime.date
    strand: Strand
    follows_up: UUID | None
    status: DevelopmentDayStatus
    hours: Decimal | None = Field(description="Once the day was delivered")
    participants: list[ParticipantOut]
    reason: CancellationReason | None

    @classmethod
    def of(cls, day: DevelopmentDay, scope: Scope) -> "DevelopmentDayOut":
        """The day as the scope sees it: a participant sees oneself among the participants."""
        return cls(
            day_id=day.day_id,
            school_id=day.school_id,
            network_id=day.network_id,
            adviser_id=day.adviser_id,
            date=day.date,
            strand=day.strand,
            follows_up=day.follows_up,
            status=day.status,
            hours=day.hours,
            participants=[
                ParticipantOut(person_id=each.person_id, role=each.role)
                for each in day.participants
                if not scope.person_ids or each.person_id in scope.person_ids
            ],
            reason=day.reason,
        )


@router.post("", status_code=201, summary="Plan a Development Day at a member school")
async def plan(
    body: DevelopmentDayToPlan, tx: Tx, actor: Planner, today: Today
) -> DevelopmentDayOut:
    visit = await _visit(tx.connection, body.school_id, body.adviser_id, body.date, body.follows_up)
    if actor.role == "adviser" and visit.school.network_id not in actor.networks:
        raise SchoolNotFound(
            f"There is no school {body.school_id} in your networks on {body.date}. "
            "Advisers plan days at schools of their own networks; the office does at any."
        )
    day, planned = DevelopmentDay.plan(
        day_id=uuid4(),
        visit=visit,
        strand=body.strand,
        follows_up=body.follows_up,
        today=today,
        role=actor.role,
    )
    await store.add(tx.connection, day)
    tx.record(planned)
    return DevelopmentDayOut.of(day, await scope_of(tx.connection, actor, today))


@router.get("", summary="List Development Days")
async def list_days(
    read: Read,
    actor: Booker,
    page: PageQuery,
    today: Today,
    school_id: UUID | None = None,
    network_id: UUID | None = None,
    adviser_id: UUID | None = None,
    status: Annotated[DevelopmentDayStatus | None, Query()] = None,
    first: From = None,
    last: To = None,
) -> Page[DevelopmentDayOut]:
    scope = await scope_of(read, actor, today)
    days = await store.page(
        read,
        scope,
        school_id=school_id,
        network_id=network_id,
        adviser_ids=None if adviser_id is None else await known.ids_of_person(read, adviser_id),
        status=status,
        first=first,
        last=last,
        updated_since=page.updated_since,
        after=page.after,
        limit=page.fetch,
    )
    return Page.of(
        page, days, lambda day: DevelopmentDayOut.of(day, scope), key=lambda day: day.day_id
    )


@router.get("/{day_id}", summary="Look up a Development Day")
async def look_up(day_id: UUID, read: Read, actor: Booker, today: Today) -> DevelopmentDayOut:
    scope = await scope_of(read, actor, today)
    day = seen_development_day(scope, day_id, await store.find(read, day_id))
    return DevelopmentDayOut.of(day, scope)


@router.post("/{day_id}/reschedule", summary="Change the date or the adviser")
async def reschedule(
    day_id: UUID, body: DevelopmentDayChanges, tx: Tx, actor: Planner, today: Today
) -> DevelopmentDayOut:
    day, scope = await _locked(tx.connection, actor, day_id, today)
    visit = await _visit(
        tx.connection,
        day.school_id,
        body.adviser_id or day.adviser_id,
        body.date or day.date,
        day.follows_up,
        besides=day_id,
    )
    changed, rescheduled = day.reschedule(visit, today=today, role=actor.role)
    await store.save(tx.connection, day, changed)
    if rescheduled is not None:
        tx.record(rescheduled)
    return DevelopmentDayOut.of(changed, scope)


@router.post("/{day_id}/deliver", summary="Record that the day took place, and who took part")
async def deliver(
    day_id: UUID, body: Delivery, tx: Tx, actor: Planner, today: Today
) -> DevelopmentDayOut:
    day, scope = await _locked(tx.connection, actor, day_id, today)
    changed, delivered = day.deliver(
        hours=body.hours,
        participants=body.participants,
        school=await known.school_on(tx.connection, day.school_id, day.date),
        staff=await known.staff(tx.connection, body.participants, day.school_id, day.date),
        today=today,
    )
    await store.save(tx.connection, day, changed)
    tx.record(delivered)
    return DevelopmentDayOut.of(changed, scope)


@router.post("/{day_id}/correction", summary="Correct a delivered day")
async def correct(
    day_id: UUID, body: DevelopmentDayCorrection, tx: Tx, actor: Planner, today: Today
) -> DevelopmentDayOut:
    day, scope = await _locked(tx.connection, actor, day_id, today)
    date = body.date or day.date
    named = body.participants or [each.person_id for each in day.participants]
    changed, corrected = day.correct(
        visit=await _visit(
            tx.connection, day.school_id, day.adviser_id, date, day.follows_up, besides=day_id
        ),
        strand=body.strand,
        hours=body.hours,
        participants=body.participants,
        staff=await known.staff(tx.connection, named, day.school_id, date),
        today=today,
        role=actor.role,
    )
    await store.save(tx.connection, day, changed)
    if corrected is not None:
        tx.record(corrected)
    return DevelopmentDayOut.of(changed, scope)


@router.post("/{day_id}/cancel", summary="Cancel a day that will not take place")
async def cancel(
    day_id: UUID, body: Cancellation, tx: Tx, actor: Planner, today: Today
) -> DevelopmentDayOut:
    day, scope = await _locked(tx.connection, actor, day_id, today)
    changed, cancelled = day.cancel(body.reason)
    await store.save(tx.connection, day, changed)
    tx.record(cancelled)
    return DevelopmentDayOut.of(changed, scope)


async def _locked(
    connection: asyncpg.Connection, actor: Actor, day_id: UUID, today: datetime.date
) -> tuple[DevelopmentDay, Scope]:
    scope = await scope_of(connection, actor, today)
    return seen_development_day(scope, day_id, await store.lock(connection, day_id)), scope


async def _visit(
    connection: asyncpg.Connection,
    school_id: UUID,
    adviser_id: UUID,
    date: datetime.date,
    follows_up: UUID | None,
    besides: UUID | None = None,
) -> Visit:
    return Visit(
        date=date,
        school=await known.school_on(connection, school_id, date),
        adviser=await known.adviser_on(connection, adviser_id, date, besides),
        network_day=await network_days.followed_up(connection, follows_up, school_id, date),
    )
