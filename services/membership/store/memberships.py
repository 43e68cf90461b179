"""Memberships. Whoever changes one has locked its school first."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from services.membership.domain.membership import InGroup, Membership, Period, SchoolAlreadyMember
from shared.events.membership import StartingPoint
from shared.events.vocabulary import Framework, Judgement, MembershipStatus, Pathway
from shared.problems import NotFound
from shared.web import PageRequest


async def membership(connection: asyncpg.Connection, membership_id: UUID) -> Membership:
    """Raises NotFound."""
    row = await connection.fetchrow(
        "SELECT * FROM membership WHERE membership_id = $1", membership_id
    )
    if row is None:
        raise NotFound(f"There is no membership {membership_id}.")
    return _membership(row)


async def locked_membership(connection: asyncpg.Connection, membership_id: UUID) -> Membership:
    """The membership as it stands once its school is locked. Raises NotFound."""
    await connection.execute(
        """
        SELECT FROM school
         WHERE school_id = (SELECT school_id FROM membership WHERE membership_id = $1)
           FOR UPDATE
        """,
        membership_id,
    )
    return await membership(connection, membership_id)


async def memberships(
    connection: asyncpg.Connection,
    page: PageRequest,
    *,
    visible: Sequence[UUID] | None,
    network_id: UUID | None,
    school_id: UUID | None,
    status: MembershipStatus | None,
) -> list[Membership]:
    """A page by id; `visible` are the schools in sight, None for all."""
    rows = await connection.fetch(
        """
        SELECT *
          FROM membership
         WHERE ($1::uuid IS NULL OR membership_id > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
           AND ($3::uuid[] IS NULL OR school_id = ANY ($3))
           AND ($4::uuid IS NULL OR network_id = $4)
           AND ($5::uuid IS NULL OR school_id = $5)
           AND ($6::text IS NULL OR status = $6)
         ORDER BY membership_id
         LIMIT $7
        """,
        page.after,
        page.updated_since,
        visible,
        network_id,
        school_id,
        status,
        page.fetch,
    )
    return [_membership(row) for row in rows]


async def periods(
    connection: asyncpg.Connection, school_id: UUID, besides: UUID | None = None
) -> list[Period]:
    """The school's memberships, without void ones and without the one named by `besides`."""
    rows = await connection.fetch(
        """
        SELECT joined_on, ended_on
          FROM membership
         WHERE school_id = $1
           AND NOT void
           AND membership_id IS DISTINCT FROM $2
         ORDER BY joined_on
        """,
        school_id,
        besides,
    )
    return [Period(joined_on=row["joined_on"], ended_on=row["ended_on"]) for row in rows]


async def open_memberships(
    connection: asyncpg.Connection, school_ids: Sequence[UUID]
) -> dict[UUID, Membership]:
    """The active or paused membership of each school that has one."""
    rows = await connection.fetch(
        "SELECT * FROM membership WHERE school_id = ANY ($1) AND ended_on IS NULL", school_ids
    )
    return {row["school_id"]: _membership(row) for row in rows}


async def in_group(
    connection: asyncpg.Connection, group_id: UUID, school_id: UUID, day: date
) -> InGroup:
    """Raises NotFound where there is no such group."""
    row = await connection.fetchrow(
        """
        SELECT name,
               EXISTS (
                   SELECT FROM group_stay AS stay
                    WHERE stay.group_id = school_group.group_id
                      AND stay.school_id = $2
                      AND stay.joined_on <= $3
                      AND (stay.left_on IS NULL OR $3 < stay.left_on)
               ) AS has_school
          FROM school_group
         WHERE group_id = $1
        """,
        group_id,
        school_id,
        day,
    )
    if row is None:
        raise NotFound(f"There is no group {group_id}.")
    return InGroup(group_id=group_id, name=row["name"], has_school=row["has_school"])


async def add_membership(connection: asyncpg.Connection, membership: Membership) -> None:
    """Raises SchoolAlreadyMember where another membership of the school is open."""
    columns = _columns(membership)
    names = ", ".join(columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    try:
        await connection.execute(
            f"INSERT INTO membership ({names}) VALUES ({places})",  # noqa: S608 - our own names
            *columns.values(),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "membership_once":
            raise
        raise SchoolAlreadyMember(
            "The school has just joined by another request: a school is a member once at a time."
        ) from None


async def save_memberships(
    connection: asyncpg.Connection, memberships: Sequence[Membership]
) -> None:
    for membership in memberships:
        columns = _columns(membership)
        sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, start=1))
        await connection.execute(
            f"UPDATE membership SET {sets}, updated_at = now() WHERE membership_id = $1",  # noqa: S608 - our own names
            *columns.values(),
        )


def _columns(membership: Membership) -> dict[str, Any]:
    return {
        "membership_id": membership.membership_id,
        "school_id": membership.school_id,
        "network_id": membership.network_id,
        "joined_network_id": membership.joined_network_id,
        "pathway": membership.pathway,
        "status": membership.status,
        "joined_on": membership.joined_on,
        "ends_on": membership.ends_on,
        "framework": membership.starting_point.framework,
        "judgement": membership.starting_point.judgement,
        "inspected_on": membership.starting_point.inspected_on,
        "group_id": membership.group_id,
        "first_change_on": membership.first_change_on,
        "last_change_on": membership.last_change_on,
        "moved": membership.moved,
        "ended_on": membership.ended_on,
        "void": membership.void,
    }


def _membership(row: asyncpg.Record) -> Membership:
    return Membership(
        membership_id=row["membership_id"],
        school_id=row["school_id"],
        network_id=row["network_id"],
        joined_network_id=row["joined_network_id"],
        pathway=Pathway(row["pathway"]),
        status=MembershipStatus(row["status"]),
        joined_on=row["joined_on"],
        ends_on=row["ends_on"],
        starting_point=StartingPoint(
            framework=Framework(row["framework"]),
            judgement=None if row["judgement"] is None else Judgement(row["judgement"]),
            inspected_on=row["inspected_on"],
        ),
        group_id=row["group_id"],
        first_change_on=row["first_change_on"],
        last_change_on=row["last_change_on"],
        moved=row["moved"],
        ended_on=row["ended_on"],
        void=row["void"],
    )
