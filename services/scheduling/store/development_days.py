"""Development Days and their participants."""

import datetime
from uuid import UUID

import asyncpg

from services.scheduling.domain import (
    DevelopmentDay,
    DevelopmentDayStatus,
    adviser_elsewhere,
)
from services.scheduling.store.known import Scope
from shared.events.scheduling import Participant
from shared.events.vocabulary import CancellationReason, Role, Strand


async def add(connection: asyncpg.Connection, day: DevelopmentDay) -> None:
    """Raises AdviserElsewhere where another command was faster for adviser and date."""
    try:
        await connection.execute(
            """
            INSERT INTO development_day
                   (day_id, school_id, network_id, adviser_id, date, strand, follows_up, status)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            day.day_id,
            day.school_id,
            day.network_id,
            day.adviser_id,
            day.date,
            day.strand,
            day.follows_up,
            day.status,
        )
    except asyncpg.UniqueViolationError as violation:
        raise _refusal(violation, day) from violation


async def lock(connection: asyncpg.Connection, day_id: UUID) -> DevelopmentDay | None:
    """The day, kept from other commands until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM development_day WHERE day_id = $1 FOR NO KEY UPDATE", day_id
    )
    if row is None:
        return None
    participants = await participants_of(connection, [day_id])
    return _day(row, participants.get(day_id, ()))


async def find(connection: asyncpg.Connection, day_id: UUID) -> DevelopmentDay | None:
    """The day, for reading."""
    row = await connection.fetchrow("SELECT * FROM development_day WHERE day_id = $1", day_id)
    if row is None:
        return None
    participants = await participants_of(connection, [day_id])
    return _day(row, participants.get(day_id, ()))


async def save(
    connection: asyncpg.Connection, before: DevelopmentDay, after: DevelopmentDay
) -> None:
    """Writes a locked day. Raises AdviserElsewhere as `add` does."""
    if before == after:
        return
    try:
        await connection.execute(
            """
            UPDATE development_day
               SET network_id = $2, adviser_id = $3, date = $4, strand = $5, status = $6,
                   hours = $7, reason = $8, updated_at = now()
             WHERE day_id = $1
            """,
            after.day_id,
            after.network_id,
            after.adviser_id,
            after.date,
            after.strand,
            after.status,
            after.hours,
            after.reason,
        )
    except asyncpg.UniqueViolationError as violation:
        raise _refusal(violation, after) from violation
    if before.participants != after.participants:
        await _replace_participants(connection, after)


async def page(
    connection: asyncpg.Connection,
    scope: Scope,
    *,
    school_id: UUID | None,
    network_id: UUID | None,
    adviser_ids: frozenset[UUID] | None,
    status: DevelopmentDayStatus | None,
    first: datetime.date | None,
    last: datetime.date | None,
    updated_since: datetime.datetime | None,
    after: UUID | None,
    limit: int,
) -> list[DevelopmentDay]:
    """Days in the order of their ids."""
    reached = None if scope.everything else await _reached(connection, scope)
    # Ids first, and a statement of its own: one for both would walk through all days.
    rows = await connection.fetch(
        f"""
        SELECT d.*
          FROM development_day AS d
         WHERE ($1::uuid IS NULL OR d.school_id = $1)
           AND ($2::uuid IS NULL OR d.network_id = $2)
           AND ($3::uuid[] IS NULL OR d.adviser_id = ANY ($3))
           AND ($4::text IS NULL OR d.status = $4)
           AND ($5::date IS NULL OR d.date >= $5)
           AND ($6::date IS NULL OR d.date <= $6)
           AND ($7::timestamptz IS NULL OR d.updated_at >= $7)
           AND ($8::uuid IS NULL OR d.day_id > $8)
           {"" if reached is None else "AND d.day_id = ANY ($10::uuid[])"}
         ORDER BY d.day_id
         LIMIT $9
        """,  # noqa: S608 - our own words
        school_id,
        network_id,
        None if adviser_ids is None else list(adviser_ids),
        status,
        first,
        last,
        updated_since,
        after,
        limit,
        *([] if reached is None else [reached]),
    )
    participants = await participants_of(connection, [row["day_id"] for row in rows])
    return [_day(row, participants.get(row["day_id"], ())) for row in rows]


async def _reached(connection: asyncpg.Connection, scope: Scope) -> list[UUID]:
    """The days that the scope reaches, each branch by an index of its own."""
    rows = await connection.fetch(
        """
        SELECT day_id FROM development_day WHERE network_id = ANY ($1::uuid[])
         UNION
        SELECT day_id FROM development_day WHERE school_id = ANY ($2::uuid[])
         UNION
        SELECT day_id FROM development_day_participant WHERE person_id = ANY ($3::uuid[])
        """,
        list(scope.networks),
        list(scope.schools),
        list(scope.person_ids),
    )
    return [row["day_id"] for row in rows]


async def participants_of(
    connection: asyncpg.Connection, day_ids: list[UUID]
) -> dict[UUID, tuple[Participant, ...]]:
    """The participants by day, in the order in which they were named."""
    rows = await connection.fetch(
        """
        SELECT day_id, person_that_stays(person_id) AS person_id, role
          FROM development_day_participant
         WHERE day_id = ANY ($1::uuid[])
         ORDER BY day_id, number
        """,
        day_ids,
    )
    by_day: dict[UUID, dict[UUID, Participant]] = {}
    for row in rows:
        person_id = row["person_id"]
        # Two who were merged since are one participant.
        by_day.setdefault(row["day_id"], {}).setdefault(
            person_id, Participant(person_id=person_id, role=Role(row["role"]))
        )
    return {day_id: tuple(people.values()) for day_id, people in by_day.items()}


async def _replace_participants(connection: asyncpg.Connection, day: DevelopmentDay) -> None:
    await connection.execute(
        "DELETE FROM development_day_participant WHERE day_id = $1", day.day_id
    )
    await connection.execute(
        """
        INSERT INTO development_day_participant (day_id, person_id, role, number)
        SELECT $1, p.person_id, p.role, p.number
          FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS p (person_id, role, number)
        """,
        day.day_id,
        [each.person_id for each in day.participants],
        [each.role for each in day.participants],
    )


def _refusal(violation: asyncpg.UniqueViolationError, day: DevelopmentDay) -> Exception:
    if violation.constraint_name == "development_day_one_place_a_date":
        return adviser_elsewhere(day.adviser_id, day.date)
    return violation


def _day(row: asyncpg.Record, participants: tuple[Participant, ...]) -> DevelopmentDay:
    return DevelopmentDay(
        day_id=row["day_id"],
        school_id=row["school_id"],
        network_id=row["network_id"],
        adviser_id=row["adviser_id"],
        date=row["date"],
        strand=Strand(row["strand"]),
        follows_up=row["follows_up"],
        status=DevelopmentDayStatus(row["status"]),
        hours=row["hours"],
        participants=participants,
        reason=None if row["reason"] is None else CancellationReason(row["reason"]),
    )
