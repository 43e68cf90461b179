"""Network Days: schedule, look up, reschedule, cancel, hold and reopen."""

import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.scheduling.api.fields import From, Hours, Places, To
from services.scheduling.api.scope import (
    Anybody,
    NetworkNotFound,
    Office,
    Planner,
    scope_of,
    seen_network_day,
)
from services.scheduling.domain import MOST_PLACES, NetworkDay, NetworkDayStatus
from services.scheduling.store import known
from services.scheduling.store import network_days as store
from services.scheduling.store.known import Scope
from shared.events.vocabulary import Attendance, CancellationReason, Strand
from shared.web import Actor, Body, CommandRoute, Day, Line, Page, PageQuery, Read, Today, Tx

router = APIRouter(route_class=CommandRoute, prefix="/network-days", tags=["network days"])


class NetworkDayToSchedule(Body):
    title: Line
    network_ids: list[UUID] = Field(min_length=1, max_length=50)
    date: Day
    venue: Line
    places: Places
    strand: Strand
    hours: Hours


class NetworkDayChanges(Body):
    """What is left out stays as it is."""

    date: Day | None = None
    venue: Line | None = None
    places: Places | None = None


class Cancellation(Body):
    reason: CancellationReason


class Entry(Body):
    place_id: UUID
    attendance: Attendance


class Register(Body):
    register_: list[Entry] = Field(alias="register", max_length=MOST_PLACES)


class NetworkDayOut(BaseModel):
    day_id: UUID
    title: str
    network_ids: list[UUID]
    date: datetime.date
    venue: str
    places: int
    strand: Strand
    hours: Decimal
    status: NetworkDayStatus
    reason: CancellationReason | None
    booked: int = Field(description="Places that are taken")
    waiting: int = Field(description="People on the waiting list")

    @classmethod
    def of(cls, day: NetworkDay) -> "NetworkDayOut":
        return cls(
            day_id=day.day_id,
            title=day.title,
            network_ids=list(day.network_ids),
            date=day.date,
            venue=day.venue,
            places=day.places,
            strand=day.strand,
            hours=day.hours,
            status=day.status,
            reason=day.reason,
            booked=len(day.booked),
            waiting=len(day.waiting),
        )


@router.post("", status_code=201, summary="Schedule a Network Day")
async def schedule(
    body: NetworkDayToSchedule, tx: Tx, actor: Planner, today: Today
) -> NetworkDayOut:
    for network_id in body.network_ids:
        if actor.role == "adviser" and network_id not in actor.networks:
            raise NetworkNotFound(
                f"There is no network {network_id} among yours. Advisers schedule days for "
                "their own networks; the office does for any."
            )
    day, scheduled = NetworkDay.schedule(
        day_id=uuid4(),
        title=body.title,
        network_ids=body.network_ids,
        date=body.date,
        venue=body.venue,
        places=body.places,
        strand=body.strand,
        hours=body.hours,
        known=await known.networks(tx.connection, body.network_ids),
        today=today,
        role=actor.role,
    )
    await store.add(tx.connection, day)
    tx.record(scheduled)
    return NetworkDayOut.of(day)


@router.get("", summary="List Network Days")
async def list_days(
    read: Read,
    actor: Anybody,
    page: PageQuery,
    today: Today,
    network_id: UUID | None = None,
    status: Annotated[NetworkDayStatus | None, Query()] = None,
    first: From = None,
    last: To = None,
) -> Page[NetworkDayOut]:
    scope = await scope_of(read, actor, today)
    rows = await store.page(
        read,
        scope,
        await known.networks_ever(read, scope.visits),
        network_id=network_id,
        status=status,
        first=first,
        last=last,
        updated_since=page.updated_since,
        after=page.after,
        limit=page.fetch,
    )
    return Page.of(page, rows, _listed, key=lambda row: row["day_id"])


@router.get("/{day_id}", summary="Look up a Network Day")
async def look_up(day_id: UUID, read: Read, actor: Anybody, today: Today) -> NetworkDayOut:
    scope = await scope_of(read, actor, today)
    day = await seen_network_day(read, scope, day_id, await store.find(read, day_id))
    return NetworkDayOut.of(day)


@router.post("/{day_id}/reschedule", summary="Change date, venue or number of places")
async def reschedule(
    day_id: UUID, body: NetworkDayChanges, tx: Tx, actor: Planner, today: Today
) -> NetworkDayOut:
    day, _ = await locked_day(tx.connection, actor, day_id, today)
    changed, events = day.reschedule(
        date=body.date,
        venue=body.venue,
        places=body.places,
        known=await known.networks(tx.connection, day.network_ids),
        today=today,
        role=actor.role,
    )
    await store.save(tx.connection, day, changed)
    tx.record(*events)
    return NetworkDayOut.of(changed)


@router.post("/{day_id}/cancel", summary="Cancel a day that will not take place")
async def cancel(
    day_id: UUID, body: Cancellation, tx: Tx, actor: Planner, today: Today
) -> NetworkDayOut:
    day, _ = await locked_day(tx.connection, actor, day_id, today)
    changed, cancelled = day.cancel(body.reason)
    await store.save(tx.connection, day, changed)
    tx.record(cancelled)
    return NetworkDayOut.of(changed)


@router.post("/{day_id}/hold", summary="Record that the day took place, with its register")
async def hold(day_id: UUID, body: Register, tx: Tx, actor: Planner, today: Today) -> NetworkDayOut:
    day, _ = await locked_day(tx.connection, actor, day_id, today)
    changed, held = day.hold(
        [(entry.place_id, entry.attendance) for entry in body.register_],
        await store.roles_on_the_day(tx.connection, day),
        today,
    )
    await store.save(tx.connection, day, changed)
    tx.record(held)
    return NetworkDayOut.of(changed)


@router.post("/{day_id}/reopen", summary="Undo that a day was recorded as held by mistake")
async def reopen(day_id: UUID, tx: Tx, actor: Office, today: Today) -> NetworkDayOut:
    day, _ = await locked_day(tx.connection, actor, day_id, today)
    changed, reopened = day.reopen()
    await store.save(tx.connection, day, changed)
    tx.record(reopened)
    return NetworkDayOut.of(changed)


async def locked_day(
    connection: asyncpg.Connection, actor: Actor, day_id: UUID, today: datetime.date
) -> tuple[NetworkDay, Scope]:
    """The day that a command is about, locked, and the actor's scope.

    Raises:
        NetworkDayNotFound: there is none in the scope.
    """
    scope = await scope_of(connection, actor, today)
    day = await store.lock(connection, day_id)
    return await seen_network_day(connection, scope, day_id, day), scope


def _listed(row: Any) -> NetworkDayOut:
    return NetworkDayOut.model_validate(dict(row))
