"""HTTP routes of cpd: a person's record and credits, and own records."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, PlainSerializer

from services.cpd import domain, store
from shared.clock import ProgrammeYear
from shared.events.vocabulary import CpdSource, Strand
from shared.problems import Invalid
from shared.web import (
    Actor,
    Body,
    CommandRoute,
    Day,
    Line,
    Page,
    PageQuery,
    Read,
    Today,
    Tx,
    require,
)

router = APIRouter(route_class=CommandRoute, tags=["cpd"])

Reader = Annotated[Actor, Depends(require("office", "school", "trust", "participant"))]
Writer = Annotated[Actor, Depends(require("office", "school", "participant"))]

Hours = Annotated[Decimal, PlainSerializer(lambda hours: f"{hours:.2f}", return_type=str)]
"""Hours as people write them, with two places: quarter hours are exact in them."""


class OwnRecordToEnter(Body):
    """Learning that was no day of the programme."""

    hours: Decimal = Field(description="More than 0 and at most 24, in quarter hours")
    strand: Strand
    earned_on: Day
    title: Line | None = Field(
        None, description="What it was; seen by those who may read the record, in no event"
    )


class CreditOut(BaseModel):
    credit_id: UUID
    person_id: UUID
    hours: Hours
    strand: Strand
    source: CpdSource
    source_id: UUID
    school_id: UUID | None
    earned_on: date
    title: str | None
    revoked: bool

    @classmethod
    def of(cls, record: domain.OwnRecord) -> "CreditOut":
        return cls(**vars(record.credit), title=record.title, revoked=record.is_revoked)

    @classmethod
    def of_row(cls, row: asyncpg.Record) -> "CreditOut":
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class RecordOut(BaseModel):
    """The hours that stand for a person; `year` is null where all years are meant."""

    person_id: UUID
    year: str | None
    hours: Hours
    by_strand: dict[Strand, Hours]
    by_year: dict[str, Hours]
    by_source: dict[CpdSource, Hours]


@router.post("/people/{person_id}/own-records", status_code=201, summary="Enter own learning")
async def enter_own_record(
    person_id: UUID, body: OwnRecordToEnter, tx: Tx, actor: Writer, today: Today
) -> CreditOut:
    await _in_scope(tx.connection, actor, person_id, today)
    person = await store.hold_person(tx.connection, person_id, body.earned_on)
    if person is None:
        raise domain.PersonUnknown(person_id)
    record, credited = domain.OwnRecord.enter(
        own_record_id=uuid4(),
        person_id=person["person_id"],
        school_id=person["school_id"],
        hours=body.hours,
        strand=body.strand,
        earned_on=body.earned_on,
        title=body.title or None,
        today=today,
    )
    await store.add_own_record(tx.connection, record)
    tx.record(credited)
    return CreditOut.of(record)


@router.post(
    "/people/{person_id}/own-records/{credit_id}/revocation", summary="Revoke an own record"
)
async def revoke_own_record(
    person_id: UUID, credit_id: UUID, tx: Tx, actor: Writer, today: Today
) -> CreditOut:
    await _in_scope(tx.connection, actor, person_id, today)
    record = await store.own_record(tx.connection, person_id, credit_id)
    if record is None:
        raise domain.OwnRecordUnknown(
            f"The person {person_id} has no own record {credit_id}. The credit of a day is "
            "corrected where the day is: in its register."
        )
    record, revoked = record.revoke()
    await store.revoke_own_record(tx.connection, record)
    tx.record(revoked)
    return CreditOut.of(record)


@router.get("/people/{person_id}/record", summary="What a person has earned, added up")
async def record_of(
    person_id: UUID,
    read: Read,
    actor: Reader,
    today: Today,
    year: Annotated[
        str | None, Query(description="A programme year such as 2026-27; all if left out")
    ] = None,
) -> RecordOut:
    wanted = None if year is None else _year(year)
    await _in_scope(read, actor, person_id, today)
    sums = await store.sums(read, person_id, None if wanted is None else wanted.first_year)
    return RecordOut(
        person_id=await store.stays(read, person_id),
        year=None if wanted is None else str(wanted),
        **vars(domain.Record.of(sums)),
    )


@router.get("/people/{person_id}/credits", summary="What a person has earned, one by one")
async def credits_of(
    person_id: UUID, read: Read, actor: Reader, today: Today, page: PageQuery
) -> Page[CreditOut]:
    await _in_scope(read, actor, person_id, today)
    return Page.of(page, await store.earned(read, person_id, page), CreditOut.of_row)


async def _in_scope(
    connection: asyncpg.Connection, actor: Actor, person_id: UUID, today: date
) -> None:
    """Raises PersonUnknown for people outside the actor's scope as for those who do not exist."""
    match actor.role:
        case "office":
            known = await store.is_known(connection, person_id, today=today)
        case "school":
            known = await store.is_known(
                connection, person_id, to_schools=actor.schools, today=today
            )
        case "trust":
            known = await store.is_known(connection, person_id, to_groups=actor.groups, today=today)
        case _:
            known = actor.person is not None and await store.is_known(
                connection, person_id, to_person=actor.person, today=today
            )
    if not known:
        raise domain.PersonUnknown(person_id)


def _year(name: str) -> ProgrammeYear:
    try:
        return ProgrammeYear.parse(name)
    except ValueError as error:
        raise Invalid(str(error), errors=[("/query/year", str(error))]) from None
