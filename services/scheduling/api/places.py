"""Places of a Network Day: book, list, release, and correct what the register says."""

import datetime
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter

from services.scheduling.api.network_days import locked_day
from services.scheduling.api.scope import (
    Booker,
    PersonNotFound,
    Planner,
    SchoolNotFound,
    scope_of,
    seen_network_day,
    sees_all_places,
    sees_person,
)
from services.scheduling.domain import NetworkDay, Place, PlaceNotFound, PlaceStatus
from services.scheduling.store import known
from services.scheduling.store import network_days as store
from services.scheduling.store.known import Scope
from shared.events.vocabulary import Attendance, Role
from shared.web import Body, CommandRoute, Now, Page, PageQuery, Read, Today, Tx

router = APIRouter(
    route_class=CommandRoute, prefix="/network-days/{day_id}/places", tags=["places"]
)


class PlaceToBook(Body):
    person_id: UUID
    school_id: UUID


class AttendanceToCorrect(Body):
    attendance: Attendance


class PlaceOut(BaseModel):
    place_id: UUID
    day_id: UUID
    person_id: UUID
    school_id: UUID
    role: Role = Field(description="The person's role at the school on the day")
    status: PlaceStatus
    number: int = Field(description="Counts the day's applications; orders the waiting list")
    attendance: Attendance | None = Field(description="Once the day was held")

    @classmethod
    def of(cls, day_id: UUID, place: Place) -> "PlaceOut":
        return cls(
            place_id=place.place_id,
            day_id=day_id,
            person_id=place.person_id,
            school_id=place.school_id,
            role=place.role,
            status=place.status,
            number=place.number,
            attendance=place.attendance,
        )


class Correction(BaseModel):
    was: Attendance
    attendance: Attendance
    corrected_at: datetime.datetime


class PlaceListed(PlaceOut):
    corrections: list[Correction] = Field(description="The trail of the entry, the oldest first")
    absence_reported: bool | None = Field(
        description="Whether the person is reported to be away on the day; null: not told to you"
    )


CORRECTIONS = TypeAdapter(list[Correction])


@router.post("", status_code=201, summary="Book a place, or join the waiting list of a full day")
async def book(day_id: UUID, body: PlaceToBook, tx: Tx, actor: Booker, today: Today) -> PlaceOut:
    day, scope = await locked_day(tx.connection, actor, day_id, today)
    _check_own(scope, day, body)
    applicant = await known.applicant(tx.connection, body.person_id, body.school_id, day.date)
    changed, place, event = day.book(uuid4(), applicant)
    await store.save(tx.connection, day, changed)
    tx.record(event)
    return PlaceOut.of(day_id, place)


@router.get("", summary="List the places: the register once the day was held")
async def list_places(
    day_id: UUID, read: Read, actor: Booker, page: PageQuery, today: Today
) -> Page[PlaceListed]:
    scope = await scope_of(read, actor, today)
    day = await seen_network_day(read, scope, day_id, await store.find(read, day_id))
    rows = await store.places_page(
        read,
        day_id,
        scope,
        all_places=sees_all_places(scope, day),
        updated_since=page.updated_since,
        after=page.after,
        limit=page.fetch,
    )
    return Page.of(page, rows, _listed, key=lambda row: row["place_id"])


@router.post("/{place_id}/release", summary="Give a place back, or leave the waiting list")
async def release(day_id: UUID, place_id: UUID, tx: Tx, actor: Booker, today: Today) -> PlaceOut:
    day, scope = await locked_day(tx.connection, actor, day_id, today)
    place = day.place(place_id)
    if not (sees_all_places(scope, day) or sees_person(scope, place.school_id, place.person_id)):
        raise PlaceNotFound(f"Day {day_id} has no place {place_id} that you may see.")
    changed, events = day.release(place_id)
    await store.save(tx.connection, day, changed)
    tx.record(*events)
    return PlaceOut.of(day_id, changed.place(place_id))


@router.post(
    "/{place_id}/attendance-correction", summary="Correct one entry of a held day's register"
)
async def correct_attendance(
    day_id: UUID,
    place_id: UUID,
    body: AttendanceToCorrect,
    tx: Tx,
    actor: Planner,
    today: Today,
    now: Now,
) -> PlaceOut:
    day, _ = await locked_day(tx.connection, actor, day_id, today)
    changed, corrected = day.correct_attendance(place_id, body.attendance)
    if corrected is not None:
        await store.save(tx.connection, day, changed)
        await store.add_correction(tx.connection, corrected, tx.actor, now)
        tx.record(corrected)
    return PlaceOut.of(day_id, changed.place(place_id))


def _check_own(scope: Scope, day: NetworkDay, body: PlaceToBook) -> None:
    """A school books for its own people, a participant for oneself."""
    if sees_all_places(scope, day) or sees_person(scope, body.school_id, body.person_id):
        return
    if scope.person_ids:
        raise PersonNotFound(f"There is no person {body.person_id} that you may book for.")
    raise SchoolNotFound(f"There is no school {body.school_id} that you may book for.")


def _listed(row: asyncpg.Record) -> PlaceListed:
    facts = dict(row)
    facts["corrections"] = CORRECTIONS.validate_json(facts["corrections"])
    return PlaceListed.model_validate(facts)
