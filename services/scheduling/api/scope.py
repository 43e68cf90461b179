"""Who sees what: a token's claims as the scope that the store's queries take."""

import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends

from services.scheduling.domain import DevelopmentDay, NetworkDay
from services.scheduling.store import known
from services.scheduling.store.known import Scope
from shared.problems import NotFound
from shared.web import Actor, require

Office = Annotated[Actor, Depends(require("office"))]
Planner = Annotated[Actor, Depends(require("office", "adviser"))]
Booker = Annotated[Actor, Depends(require("office", "adviser", "school", "trust", "participant"))]
Anybody = Annotated[
    Actor, Depends(require("office", "adviser", "school", "trust", "participant", "operations"))
]
"""Operations see what holds nothing about people."""


class NetworkDayNotFound(NotFound):
    title = "No such Network Day"


class DevelopmentDayNotFound(NotFound):
    title = "No such Development Day"


class SchoolNotFound(NotFound):
    title = "No such school"


class PersonNotFound(NotFound):
    title = "No such person"


class NetworkNotFound(NotFound):
    title = "No such network"


async def scope_of(connection: asyncpg.Connection, actor: Actor, today: datetime.date) -> Scope:
    """What the actor may see as things stand today."""
    match actor.role:
        case "office" | "operations":
            return Scope(everything=True)
        case "adviser":
            return Scope(networks=actor.networks)
        case "school":
            return Scope(schools=actor.schools, visits=actor.schools)
        case "trust":
            schools = await known.schools_of_groups(connection, actor.groups, today)
            return Scope(schools=schools, visits=schools)
        case "participant" if actor.person is not None:
            person_ids = await known.ids_of_person(connection, actor.person)
            visits = await known.schools_of_person(connection, person_ids)
            return Scope(person_ids=person_ids, visits=visits)
    return Scope()


async def seen_network_day(
    connection: asyncpg.Connection, scope: Scope, day_id: UUID, day: NetworkDay | None
) -> NetworkDay:
    """The day, if the scope reaches it; else there is none."""
    if day is not None and (
        sees_all_places(scope, day)
        or any(sees_person(scope, p.school_id, p.person_id) for p in day.applications)
        or await known.networks_on(connection, scope.visits, day.date) & set(day.network_ids)
    ):
        return day
    raise NetworkDayNotFound(f"There is no Network Day {day_id}, or none that you may see.")


def seen_development_day(scope: Scope, day_id: UUID, day: DevelopmentDay | None) -> DevelopmentDay:
    """The day, if the scope reaches it; else there is none."""
    if day is not None and (
        scope.everything
        or day.network_id in scope.networks
        or day.school_id in scope.schools
        or any(each.person_id in scope.person_ids for each in day.participants)
    ):
        return day
    raise DevelopmentDayNotFound(f"There is no Development Day {day_id}, or none that you may see.")


def sees_all_places(scope: Scope, day: NetworkDay) -> bool:
    """Whether the scope has the whole register, not its own people's entries only."""
    return scope.everything or not scope.networks.isdisjoint(day.network_ids)


def sees_person(scope: Scope, school_id: UUID, person_id: UUID) -> bool:
    """Whether a place is of the scope's own people."""
    return school_id in scope.schools or person_id in scope.person_ids
