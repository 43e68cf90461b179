"""What effects write for the feeder: slices of events, and whose may belong to more trusts now."""

import json
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from services.integration.domain.telling import Audience, Slice
from shared.database import columns


async def tell(connection: asyncpg.Connection, slices: Sequence[Slice]) -> None:
    """Under the keys of the slices' events, in the order in which they are to be told."""
    if not slices:
        return
    await _take_part(connection, slices)
    rows = [
        (each.id, each.event_id, each.type, each.source, each.subject, each.sequence, each.time,
         each.stream, each.audience, each.audience_id, each.formerly, each.traceparent,
         json.dumps(each.data))
        for each in slices
    ]  # fmt: skip
    await connection.execute(
        """
        WITH slice AS (
            INSERT INTO told (id, event_id, type, source, subject, sequence, time, stream, audience,
                              audience_id, formerly, traceparent, data)
            SELECT *
              FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                          $7::timestamptz[], $8::text[], $9::text[], $10::uuid[], $11::boolean[],
                          $12::text[], $13::jsonb[])
         RETURNING position
        )
        INSERT INTO told_due SELECT position FROM slice
        """,
        *columns(rows, 13),
    )


async def look_again(
    connection: asyncpg.Connection, audience: Audience, ids: Iterable[UUID]
) -> None:
    """What was told of these may belong to more trusts than before."""
    await connection.execute(
        "INSERT INTO look_again (audience, audience_id) SELECT $1, * FROM unnest($2::uuid[])",
        audience,
        sorted(set(ids)),
    )


async def _take_part(connection: asyncpg.Connection, slices: Sequence[Slice]) -> None:
    """A school that is new to a day is told what has happened to the day before."""
    new = {(each.day_id, each.audience_id): each.time for each in slices if each.day_id is not None}
    if not new:
        return
    rows = await connection.fetch(
        """
        INSERT INTO day_school (day_id, school_id, since)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
        ON CONFLICT DO NOTHING
        RETURNING day_id
        """,
        *columns(((*key, time) for key, time in new.items()), 3),
    )
    if rows:
        await look_again(connection, Audience.DAY, [row["day_id"] for row in rows])
