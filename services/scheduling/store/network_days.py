"""Network Days, their places and registers."""

import datetime
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.scheduling.domain import (
    FollowedUp,
    NetworkDay,
    NetworkDayStatus,
    Place,
    PlaceStatus,
)
from services.scheduling.store.known import Scope
from shared.events.scheduling import AttendanceCorrected
from shared.events.vocabulary import Attendance, CancellationReason, Role, Strand


async def add(connection: asyncpg.Connection, day: NetworkDay) -> None:
    await connection.execute(
        """
        INSERT INTO network_day
               (day_id, title, network_ids, date, venue, places, strand, hours, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        day.day_id,
        day.title,
        list(day.network_ids),
        day.date,
        day.venue,
        day.places,
        day.strand,
        day.hours,
        day.status,
    )


async def lock(connection: asyncpg.Connection, day_id: UUID) -> NetworkDay | None:
    """The day with all its places, kept from other commands until the transaction ends.

    The places are read by a second statement, which sees what the holder of the lock before us
    has committed; the first one's snapshot is older than its wait. Foreign keys to the day need
    no part of this lock, hence NO KEY.
    """
    row = await connection.fetchrow(
        "SELECT * FROM network_day WHERE day_id = $1 FOR NO KEY UPDATE", day_id
    )
    return None if row is None else await _with_places(connection, row)


async def find(connection: asyncpg.Connection, day_id: UUID) -> NetworkDay | None:
    """The day with all its places, for reading."""
    row = await connection.fetchrow("SELECT * FROM network_day WHERE day_id = $1", day_id)
    return None if row is None else await _with_places(connection, row)


async def followed_up(
    connection: asyncpg.Connection, day_id: UUID | None, school_id: UUID, date: datetime.date
) -> FollowedUp | None:
    """The Network Day that a Development Day at the school on the date names.

    None unless it is for a network of the school, on its own date or on the one given: a school
    that has moved follows up what it had before. Others' days are nobody's to ask about.
    """
    row = await connection.fetchrow(
        """
        SELECT day_id, date, status
          FROM network_day
         WHERE day_id = $1
           AND (active_network($2, date) = ANY (network_ids)
                OR active_network($2, $3) = ANY (network_ids))
        """,
        day_id,
        school_id,
        date,
    )
    if row is None:
        return None
    cancelled = row["status"] == NetworkDayStatus.CANCELLED
    return FollowedUp(day_id=row["day_id"], date=row["date"], cancelled=cancelled)


async def save(connection: asyncpg.Connection, before: NetworkDay, after: NetworkDay) -> None:
    """Writes what differs of a locked day.

    The day's row is marked as updated for its places, too: a list shows how many are booked.
    """
    if before != after:
        await connection.execute(
            """
            UPDATE network_day
               SET date = $2, venue = $3, places = $4, status = $5, reason = $6, updated_at = now()
             WHERE day_id = $1
            """,
            after.day_id,
            after.date,
            after.venue,
            after.places,
            after.status,
            after.reason,
        )
    known = set(before.applications)
    await _save_places(connection, after.day_id, [p for p in after.applications if p not in known])


async def _save_places(
    connection: asyncpg.Connection, day_id: UUID, places: Sequence[Place]
) -> None:
    if not places:
        return
    # The person of a place stays as it was booked: merged people are joined when it is read.
    await connection.execute(
        """
        INSERT INTO place
               (day_id, place_id, person_id, school_id, role, status, number, attendance)
        SELECT $1, p.*
          FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
                      $8::text[]) AS p
        ON CONFLICT (place_id) DO UPDATE
           SET role = excluded.role,
               status = excluded.status,
               attendance = excluded.attendance,
               updated_at = now()
        """,
        day_id,
        [place.place_id for place in places],
        [place.booked_as for place in places],
        [place.school_id for place in places],
        [place.role for place in places],
        [place.status for place in places],
        [place.number for place in places],
        [place.attendance for place in places],
    )


async def roles_on_the_day(connection: asyncpg.Connection, day: NetworkDay) -> dict[UUID, Role]:
    """The role of each booked place's person on the day, by place; without a post there is none."""
    rows = await connection.fetch(
        """
        SELECT p.place_id, role_at(p.person_id, p.school_id, $2) AS role
          FROM place AS p
         WHERE p.day_id = $1 AND p.status = 'booked'
        """,
        day.day_id,
        day.date,
    )
    return {row["place_id"]: Role(row["role"]) for row in rows if row["role"] is not None}


async def add_correction(
    connection: asyncpg.Connection,
    corrected: AttendanceCorrected,
    actor: str,
    now: datetime.datetime,
) -> None:
    await connection.execute(
        """
        INSERT INTO attendance_correction
               (day_id, place_id, was, attendance, corrected_by, corrected_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        corrected.day_id,
        corrected.place_id,
        corrected.was,
        corrected.attendance,
        actor,
        now,
    )


async def page(
    connection: asyncpg.Connection,
    scope: Scope,
    visited: frozenset[UUID],
    *,
    network_id: UUID | None,
    status: NetworkDayStatus | None,
    first: datetime.date | None,
    last: datetime.date | None,
    updated_since: datetime.datetime | None,
    after: UUID | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Days in the order of their ids, with how many places are booked and waited for.

    `visited` are the networks in which the scope's schools ever were: an index finds their days,
    and membership on each day's own date decides.
    """
    near = None if scope.everything else await _near(connection, scope, visited)
    # Ids first, and a statement of its own: one for both would walk through all days.
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""
        SELECT d.*,
               (SELECT count(*) FROM place AS p
                 WHERE p.day_id = d.day_id AND p.status = 'booked') AS booked,
               (SELECT count(*) FROM place AS p
                 WHERE p.day_id = d.day_id AND p.status = 'waiting') AS waiting
          FROM network_day AS d
         WHERE ($1::boolean
                OR d.network_ids && $2::uuid[]
                OR d.network_ids && $3::uuid[]
                   AND EXISTS (SELECT FROM unnest($4::uuid[]) AS s (school_id)
                                WHERE active_network(s.school_id, d.date) = ANY (d.network_ids))
                OR d.day_id IN (SELECT p.day_id FROM place AS p
                                 WHERE p.school_id = ANY ($5::uuid[])
                                    OR p.person_id = ANY ($6::uuid[])))
           AND ($7::uuid IS NULL OR d.network_ids @> ARRAY[$7::uuid])
           AND ($8::text IS NULL OR d.status = $8)
           AND ($9::date IS NULL OR d.date >= $9)
           AND ($10::date IS NULL OR d.date <= $10)
           AND ($11::timestamptz IS NULL OR d.updated_at >= $11)
           AND ($12::uuid IS NULL OR d.day_id > $12)
           {"" if near is None else "AND d.day_id = ANY ($14::uuid[])"}
         ORDER BY d.day_id
         LIMIT $13
        """,  # noqa: S608 - our own words
        scope.everything,
        list(scope.networks),
        list(visited),
        list(scope.schools | scope.visits),
        list(scope.schools),
        list(scope.person_ids),
        network_id,
        status,
        first,
        last,
        updated_since,
        after,
        limit,
        *([] if near is None else [near]),
    )
    return rows


async def _near(
    connection: asyncpg.Connection, scope: Scope, visited: frozenset[UUID]
) -> list[UUID]:
    """The days that the scope may reach, by indexes; membership is not looked at yet."""
    rows = await connection.fetch(
        """
        SELECT day_id FROM network_day WHERE network_ids && $1::uuid[]
         UNION
        SELECT day_id FROM place WHERE school_id = ANY ($2::uuid[])
         UNION
        SELECT day_id FROM place WHERE person_id = ANY ($3::uuid[])
        """,
        list(scope.networks | visited),
        list(scope.schools),
        list(scope.person_ids),
    )
    return [row["day_id"] for row in rows]


async def places_page(
    connection: asyncpg.Connection,
    day_id: UUID,
    scope: Scope,
    *,
    all_places: bool,
    updated_since: datetime.datetime | None,
    after: UUID | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Places in the order of their ids: all of the day, or those of the scope's own people.

    `corrections` is the trail of the register as JSON text, the oldest first; absences are told of
    the scope's own people.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT p.place_id, p.day_id, person_that_stays(p.person_id) AS person_id, p.school_id,
               p.role, p.status, p.number, p.attendance,
               (SELECT coalesce(json_agg(json_build_object('was', c.was,
                                                           'attendance', c.attendance,
                                                           'corrected_at', c.corrected_at)
                                         ORDER BY c.correction_id), '[]')
                  FROM attendance_correction AS c
                 WHERE c.place_id = p.place_id) AS corrections,
               CASE WHEN $8 OR p.school_id = ANY ($3) OR p.person_id = ANY ($4)
                    THEN is_away(p.person_id, p.school_id, d.date)
               END AS absence_reported
          FROM place AS p
          JOIN network_day AS d USING (day_id)
         WHERE p.day_id = $1
           AND ($2::boolean OR p.school_id = ANY ($3::uuid[]) OR p.person_id = ANY ($4::uuid[]))
           AND ($5::timestamptz IS NULL OR p.updated_at >= $5)
           AND ($6::uuid IS NULL OR p.place_id > $6)
         ORDER BY p.place_id
         LIMIT $7
        """,
        day_id,
        all_places,
        list(scope.schools),
        list(scope.person_ids),
        updated_since,
        after,
        limit,
        scope.everything,
    )
    return rows


async def _with_places(connection: asyncpg.Connection, row: asyncpg.Record) -> NetworkDay:
    places = await connection.fetch(
        """
        SELECT place_id, person_that_stays(person_id) AS person_id, person_id AS booked_as,
               school_id, role, status, number, attendance
          FROM place
         WHERE day_id = $1
         ORDER BY number
        """,
        row["day_id"],
    )
    return NetworkDay(
        day_id=row["day_id"],
        title=row["title"],
        network_ids=tuple(row["network_ids"]),
        date=row["date"],
        venue=row["venue"],
        places=row["places"],
        strand=Strand(row["strand"]),
        hours=row["hours"],
        status=NetworkDayStatus(row["status"]),
        reason=None if row["reason"] is None else CancellationReason(row["reason"]),
        applications=tuple(_place(place) for place in places),
    )


def _place(row: asyncpg.Record) -> Place:
    return Place(
        place_id=row["place_id"],
        person_id=row["person_id"],
        booked_as=row["booked_as"],
        school_id=row["school_id"],
        role=Role(row["role"]),
        status=PlaceStatus(row["status"]),
        number=row["number"],
        attendance=None if row["attendance"] is None else Attendance(row["attendance"]),
    )
