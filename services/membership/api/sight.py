"""What the one who asks can see. Outside of it a thing does not exist."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg

from services.membership.domain.membership import Membership
from services.membership.domain.person import Person, Post
from services.membership.store import sight as store
from shared.problems import NotFound
from shared.web import Actor

READERS = ("office", "adviser", "school", "trust", "operations")
"""Who may read what is not about people."""
READERS_OF_PEOPLE = ("office", "adviser", "school", "trust", "participant")
"""Operations sees no personal data."""
STAFF_OFFICES = ("office", "school", "trust")
"""Who keeps the staff of schools: the programme office, and a school or trust its own."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The schools, networks and groups in sight; None: all of them.

    `staffed` are the schools whose staff is in sight: an adviser reads of a school that has left
    the network, but not of its people.
    """

    schools: list[UUID] | None
    staffed: list[UUID] | None
    networks: list[UUID] | None
    groups: list[UUID] | None

    def check_school(self, school_id: UUID) -> None:
        _check(self.schools, school_id, "school")

    def check_membership(self, membership: Membership) -> None:
        if self.schools is not None and membership.school_id not in self.schools:
            raise NotFound(f"There is no membership {membership.membership_id}.")

    def check_network(self, network_id: UUID) -> None:
        _check(self.networks, network_id, "network")

    def check_group(self, group_id: UUID) -> None:
        _check(self.groups, group_id, "group")


async def sight_of(connection: asyncpg.Connection, actor: Actor, today: date) -> Sight:
    """An adviser sees the own networks and their schools; a school itself; a trust its schools;
    and each the networks and groups of those schools by name."""
    if actor.role in ("office", "operations"):
        return Sight(None, None, None, None)
    schools = await store.visible_schools(
        connection,
        network_ids=list(actor.networks) if actor.role == "adviser" else [],
        group_ids=list(actor.groups) if actor.role == "trust" else [],
        school_ids=list(actor.schools) if actor.role == "school" else [],
        today=today,
    )
    networks = list(actor.networks) if actor.role == "adviser" else None
    return Sight(
        schools=schools,
        staffed=schools
        if networks is None
        else await store.schools_now_in(connection, networks, today),
        networks=networks or await store.networks_of(connection, schools),
        groups=[*actor.groups, *await store.groups_of(connection, schools)]
        if actor.role == "trust"
        else await store.groups_of(connection, schools),
    )


async def people_besides(connection: asyncpg.Connection, actor: Actor) -> list[UUID]:
    """The people in sight whatever their posts: oneself, and the advisers of an adviser's
    networks."""
    besides: list[UUID] = []
    if actor.person is not None:
        besides += await store.records_of(connection, actor.person)
    if actor.role == "adviser":
        besides += await store.advisers_of(connection, list(actor.networks))
    return besides


async def check_person(
    connection: asyncpg.Connection, actor: Actor, sight: Sight, person: Person, today: date
) -> None:
    """Raises NotFound: of a school's staff one sees who has a post there now."""
    if sight.staffed is None or person.person_id in await people_besides(connection, actor):
        return
    visible = set(sight.staffed)
    if not any(post.school_id in visible and _goes_on(post, today) for post in person.posts):
        raise NotFound(f"There is no person {person.person_id}.")


def _goes_on(post: Post, today: date) -> bool:
    return post.left_on is None or post.left_on >= today


def _check(visible: list[UUID] | None, thing_id: UUID, name: str) -> None:
    if visible is not None and thing_id not in visible:
        raise NotFound(f"There is no {name} {thing_id}.")
