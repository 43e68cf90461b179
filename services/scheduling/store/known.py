"""What is known of networks, schools and people on a date, joined from membership's rows."""

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from services.scheduling.domain import (
    AdviserOn,
    Applicant,
    KnownNetwork,
    SchoolOn,
    StaffMember,
)
from shared.events.vocabulary import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an actor may see. Outside it, things do not exist.

    `networks`: these and all in them. `schools`: their people's places and their Development Days.
    `visits`: schools whose networks' days may be seen, and no more. `person_ids`: oneself.
    """

    everything: bool = False
    networks: frozenset[UUID] = frozenset()
    schools: frozenset[UUID] = frozenset()
    visits: frozenset[UUID] = frozenset()
    person_ids: frozenset[UUID] = frozenset()


async def networks(
    connection: asyncpg.Connection, network_ids: Sequence[UUID]
) -> dict[UUID, KnownNetwork]:
    """Those of the networks that are known here."""
    rows = await connection.fetch(
        """
        SELECT network_id, established_on, closed_on
          FROM network
         WHERE network_id = ANY ($1::uuid[])
        """,
        list(network_ids),
    )
    return {row["network_id"]: KnownNetwork(**dict(row)) for row in rows}


async def school_on(
    connection: asyncpg.Connection, school_id: UUID, date: datetime.date
) -> SchoolOn:
    """The school as it is on the date, known here or not."""
    network_id = await connection.fetchval("SELECT active_network($1, $2)", school_id, date)
    return SchoolOn(school_id=school_id, network_id=network_id)


async def networks_on(
    connection: asyncpg.Connection, school_ids: Collection[UUID], date: datetime.date
) -> frozenset[UUID]:
    """The networks in which any of the schools is an active member on the date."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT active_network(s.school_id, $2) AS network_id
          FROM unnest($1::uuid[]) AS s (school_id)
        """,
        list(school_ids),
        date,
    )
    return frozenset(row["network_id"] for row in rows if row["network_id"] is not None)


async def networks_ever(
    connection: asyncpg.Connection, school_ids: Collection[UUID]
) -> frozenset[UUID]:
    """The networks in which any of the schools was, is, or will be."""
    rows = await connection.fetch(
        """
        SELECT network_id
          FROM school_membership
         WHERE school_id = ANY ($1::uuid[]) AND NOT void
         UNION
        SELECT v.network_id
          FROM membership_move AS v
          JOIN school_membership AS m USING (membership_id)
         WHERE m.school_id = ANY ($1::uuid[]) AND NOT m.void
        """,
        list(school_ids),
    )
    return frozenset(row["network_id"] for row in rows)


async def staff(
    connection: asyncpg.Connection,
    person_ids: Collection[UUID],
    school_id: UUID,
    date: datetime.date,
) -> dict[UUID, StaffMember]:
    """Each of the people, by the id given, as they stand at the school on the date."""
    rows = await connection.fetch(
        """
        SELECT p.given,
               person_that_stays(p.given) AS person_id,
               role_at(p.given, $2, $3) AS role,
               EXISTS (SELECT FROM erased_person AS e
                        WHERE e.person_id IN (p.given, person_that_stays(p.given))) AS erased
          FROM unnest($1::uuid[]) AS p (given)
        """,
        list(person_ids),
        school_id,
        date,
    )
    return {
        row["given"]: StaffMember(
            person_id=row["person_id"],
            role=None if row["role"] is None else Role(row["role"]),
            erased=row["erased"],
        )
        for row in rows
    }


async def applicant(
    connection: asyncpg.Connection, person_id: UUID, school_id: UUID, date: datetime.date
) -> Applicant:
    """A person who wants a place for a school, as both are on the date."""
    members = await staff(connection, [person_id], school_id, date)
    return Applicant(member=members[person_id], school=await school_on(connection, school_id, date))


async def adviser_on(
    connection: asyncpg.Connection,
    person_id: UUID,
    date: datetime.date,
    besides: UUID | None = None,
) -> AdviserOn:
    """A person as an adviser on the date; `besides` is the Development Day that is asked for."""
    row = await connection.fetchrow(
        """
        SELECT person_that_stays($1) AS person_id,
               ARRAY(SELECT networks_advised($1, $2)) AS network_ids,
               EXISTS (SELECT FROM development_day AS d
                        WHERE d.adviser_id IN (SELECT ids_of_person($1))
                          AND d.date = $2
                          AND d.status <> 'cancelled'
                          AND d.day_id IS DISTINCT FROM $3) AS elsewhere,
               EXISTS (SELECT FROM erased_person AS e
                        WHERE e.person_id IN (SELECT ids_of_person($1))) AS erased
        """,
        person_id,
        date,
        besides,
    )
    assert row is not None
    return AdviserOn(
        person_id=row["person_id"],
        network_ids=frozenset(row["network_ids"]),
        elsewhere=row["elsewhere"],
        erased=row["erased"],
    )


async def ids_of_person(connection: asyncpg.Connection, person_id: UUID) -> frozenset[UUID]:
    """All ids that mean the person, where records have been merged."""
    rows = await connection.fetch("SELECT ids_of_person($1) AS person_id", person_id)
    return frozenset(row["person_id"] for row in rows)


async def schools_of_groups(
    connection: asyncpg.Connection, group_ids: Collection[UUID], date: datetime.date
) -> frozenset[UUID]:
    """The schools that are in any of the groups on the date."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT school_id
          FROM group_school
         WHERE group_id = ANY ($1::uuid[])
           AND joined_on <= $2
           AND (left_on IS NULL OR $2 < left_on)
        """,
        list(group_ids),
        date,
    )
    return frozenset(row["school_id"] for row in rows)


async def schools_of_person(
    connection: asyncpg.Connection, person_ids: Collection[UUID]
) -> frozenset[UUID]:
    """The schools at which the person has, had, or will have a post."""
    rows = await connection.fetch(
        "SELECT DISTINCT school_id FROM post WHERE person_id = ANY ($1::uuid[])",
        list(person_ids),
    )
    return frozenset(row["school_id"] for row in rows)
