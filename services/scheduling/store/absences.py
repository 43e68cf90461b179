"""Who is away on the day of a booked place, as trusts' systems have reported it."""

import datetime
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.scheduling.store.known import Scope
from shared.database import columns
from shared.events import mis
from shared.events.integration import StaffMatched


async def put_matches(connection: asyncpg.Connection, events: Sequence[StaffMatched]) -> None:
    await connection.execute(
        """
        INSERT INTO matched_record (record, person_id)
        SELECT * FROM unnest($1::text[], $2::uuid[])
        ON CONFLICT (record) DO UPDATE SET person_id = excluded.person_id
        """,
        *columns(((e.record, e.person_id) for e in events), 2),
    )


async def put_absences(
    connection: asyncpg.Connection, events: Sequence[mis.AbsenceReported]
) -> None:
    """An absence that begins on the same day is the same one, told again."""
    await connection.execute(
        """
        INSERT INTO reported_absence (record, from_on, to_on, school_id)
        SELECT * FROM unnest($1::text[], $2::date[], $3::date[], $4::uuid[])
        ON CONFLICT (record, from_on) DO UPDATE
           SET to_on = excluded.to_on,
               school_id = excluded.school_id,
               updated_at = now()
        """,
        *columns(((e.record, e.from_on, e.to_on, e.school_id) for e in events), 4),
    )


async def places_page(
    connection: asyncpg.Connection,
    scope: Scope,
    today: datetime.date,
    *,
    after: UUID | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Places of days from today on whose person is away on the day, in the order of their ids."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT p.place_id, p.day_id, d.date, d.title, p.status, p.school_id,
               person_that_stays(p.person_id) AS person_id
          FROM place AS p
          JOIN network_day AS d USING (day_id)
         WHERE d.status = 'scheduled'
           AND d.date >= $1
           AND p.status <> 'released'
           AND ($2::boolean OR p.school_id = ANY ($3::uuid[]) OR p.person_id = ANY ($4::uuid[]))
           AND ($5::uuid IS NULL OR p.place_id > $5)
           AND is_away(p.person_id, p.school_id, d.date)
         ORDER BY p.place_id
         LIMIT $6
        """,
        today,
        scope.everything,
        list(scope.schools),
        list(scope.person_ids),
        after,
        limit,
    )
    return rows
