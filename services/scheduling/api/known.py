"""What scheduling knows of networks, schools and people, once membership's events have come."""

import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from services.scheduling.api.scope import (
    Anybody,
    Booker,
    NetworkNotFound,
    PersonNotFound,
    SchoolNotFound,
    scope_of,
)
from services.scheduling.store import known, told
from shared.events.vocabulary import Pathway, Region, Role
from shared.web import CommandRoute, Read, Today

router = APIRouter(route_class=CommandRoute, tags=["what membership says"])


class NetworkOut(BaseModel):
    network_id: UUID
    name: str
    region: Region
    established_on: datetime.date
    closed_on: datetime.date | None
    advisers: list[UUID]


class MembershipOut(BaseModel):
    membership_id: UUID
    network_id: UUID
    pathway: Pathway
    joined_on: datetime.date
    ends_on: datetime.date
    ended_on: datetime.date | None
    active: bool


class SchoolOut(BaseModel):
    school_id: UUID
    urn: int
    name: str
    membership: MembershipOut | None


class PostOut(BaseModel):
    post_id: UUID
    school_id: UUID
    role: Role
    appointed_on: datetime.date
    left_on: datetime.date | None


class PersonOut(BaseModel):
    person_id: UUID
    posts: list[PostOut]


@router.get("/networks/{network_id}", summary="Look up a network and its advisers of today")
async def look_up_network(network_id: UUID, read: Read, actor: Anybody, today: Today) -> NetworkOut:
    scope = await scope_of(read, actor, today)
    row = await told.network(read, network_id, today)
    seen = scope.everything or network_id in scope.networks
    if row is None or not (seen or network_id in await known.networks_ever(read, scope.visits)):
        raise NetworkNotFound(
            f"No network {network_id} is known here yet, or none that you may see."
        )
    network = NetworkOut.model_validate(dict(row))
    if actor.role == "operations":
        return network.model_copy(update={"advisers": []})
    return network


@router.get("/schools/{school_id}", summary="Look up a school and its latest membership")
async def look_up_school(school_id: UUID, read: Read, actor: Anybody, today: Today) -> SchoolOut:
    scope = await scope_of(read, actor, today)
    row = await told.school(read, school_id, today)
    if row is None or not (
        scope.everything
        or school_id in scope.visits
        or scope.networks & await known.networks_ever(read, [school_id])
    ):
        raise SchoolNotFound(f"No school {school_id} is known here yet, or none that you may see.")
    membership = None if row["membership_id"] is None else dict(row)
    return SchoolOut.model_validate({**dict(row), "membership": membership})


@router.get("/people/{person_id}", summary="Look up a person's posts")
async def look_up_person(person_id: UUID, read: Read, actor: Booker, today: Today) -> PersonOut:
    scope = await scope_of(read, actor, today)
    rows = await told.posts(read, person_id, scope, today)
    if not rows:
        raise PersonNotFound(f"No person {person_id} is known here yet, or none that you may see.")
    return PersonOut(
        person_id=rows[0]["person_id"], posts=[PostOut.model_validate(dict(row)) for row in rows]
    )
