"""Who a trust's staff is: what nobody knows for sure is decided by a person."""

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, TypeAdapter

from services.integration.domain import matching
from services.integration.domain.connection import TrustUnknown
from services.integration.domain.reports import RoleCode
from services.integration.playing import record
from services.integration.store import links, people, reports, trusts
from shared.events import mis
from shared.events.vocabulary import Role
from shared.problems import Invalid
from shared.web import Actor, Body, CommandRoute, Page, PageQuery, Read, Today, Tx, require

Decider = Annotated[Actor, Depends(require("office", "trust"))]

router = APIRouter(route_class=CommandRoute, tags=["matches"])


class CandidateOut(BaseModel):
    person_id: UUID
    name: str
    email: str | None


CANDIDATES = TypeAdapter(list[CandidateOut])


class MatchOut(BaseModel):
    """A member of staff as the trust has reported them, and who it is; while `person_id` is null,
    somebody has to decide among the candidates."""

    match_id: UUID
    trust_id: UUID
    external_id: str
    name: str | None
    email: str | None
    school_id: UUID
    role_code: str
    role_title: str | None
    role: Role
    person_id: UUID | None
    candidates: list[CandidateOut]

    @classmethod
    def of(cls, row: asyncpg.Record) -> "MatchOut":
        known = {name: row[name] for name in cls.model_fields if name in row}
        known["candidates"] = CANDIDATES.validate_json(row["candidates"])
        return cls(**known | {"match_id": row["id"]})


class Decision(Body):
    """One of the candidates, or somebody whom nobody knew."""

    person_id: UUID | None = None
    new_person: bool = False


class DecidedOut(BaseModel):
    match_id: UUID
    person_id: UUID | None


class Roles(Body):
    """What a trust's role codes mean; a code that is not here means `other`."""

    roles: dict[RoleCode, Role] = Field(max_length=1000)


@router.get("/matches", summary="List who a trust's staff is")
async def list_matches(
    read: Read, page: PageQuery, actor: Decider, today: Today, waiting: bool = True
) -> Page[MatchOut]:
    """`waiting`: only those that nobody has decided on."""
    rows = await links.page_of_links(read, page, _trusts(actor), today, waiting=waiting)
    return Page.of(page, rows, MatchOut.of)


@router.post("/matches/{match_id}", summary="Decide who a member of staff is")
async def decide(
    match_id: UUID, body: Decision, tx: Tx, actor: Decider, today: Today
) -> DecidedOut:
    if (body.person_id is None) != body.new_person:
        raise Invalid(
            "Choose one: a candidate by `person_id`, or `new_person`.",
            errors=[("#/person_id", "a candidate, unless new_person is true")],
        )
    trust_id = await links.trust_of_link(tx.connection, match_id, _trusts(actor))
    await reports.lock_trust(tx.connection, trust_id)
    link = await links.link(tx.connection, match_id)
    person_id = None
    if body.person_id is not None:
        person_id = await people.choose(
            tx.connection, body.person_id, trust_id, today, of_anybody=actor.role == "office"
        )
        if person_id is None:
            raise matching.CandidateUnknown(
                f"There is no person {body.person_id} to choose: erased, or somebody whom only the "
                "office may choose. Take another one, or a new person."
            )
    link, fact = link.choose(mis.record_of(trust_id, link.external_id), person_id)
    await links.save(tx.connection, link)
    await record(tx, trust_id, [fact])
    return DecidedOut(match_id=match_id, person_id=link.person_id)


@router.get("/trusts/{trust_id}/roles", summary="Look at what a trust's role codes mean")
async def look_at_roles(trust_id: UUID, read: Read, actor: Decider) -> Roles:
    await _check(read, trust_id, actor)
    return Roles(roles=await reports.roles_of(read, trust_id))


@router.put("/trusts/{trust_id}/roles", summary="Say what a trust's role codes mean")
async def change_roles(trust_id: UUID, body: Roles, tx: Tx, actor: Decider) -> Roles:
    """For what is reported from now on."""
    await _check(tx.connection, trust_id, actor)
    await reports.lock_trust(tx.connection, trust_id)
    await reports.save_roles(tx.connection, trust_id, body.roles)
    return body


async def _check(connection: asyncpg.Connection, trust_id: UUID, actor: Actor) -> None:
    """Raises TrustUnknown, also for a trust of somebody else."""
    if actor.role == "trust" and trust_id not in actor.groups:
        raise TrustUnknown(trust_id)
    await trusts.connection_of(connection, trust_id)


def _trusts(actor: Actor) -> frozenset[UUID] | None:
    return None if actor.role == "office" else actor.groups
