"""A trust's feed: what has been told to it, in its order, and what it calls whom that is about."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.integration.domain.telling import PERSON_FIELDS, ExternalIds, Told, mentioned

BEGINNING = 0


async def after(
    connection: asyncpg.Connection,
    trust_id: UUID,
    position: int,
    limit: int,
    types: Sequence[str] | None = None,
) -> list[Told]:
    """Those behind the position, at most `limit`, in their order; `types` leaves others out."""
    rows = await connection.fetch(
        """
        SELECT f.position, t.id, t.type, t.source, t.subject, t.sequence, t.time, t.stream, t.data,
               t.traceparent
          FROM feed AS f
          JOIN told AS t ON t.position = f.told
         WHERE f.trust_id = $1
           AND f.position > $2
           AND ($4::text[] IS NULL OR t.type = ANY ($4))
         ORDER BY f.position
         LIMIT $3
        """,
        trust_id,
        position,
        limit,
        types,
    )
    return [Told(**{**dict(row), "data": json.loads(row["data"])}) for row in rows]


async def at(
    connection: asyncpg.Connection, places: Sequence[tuple[UUID, int]]
) -> dict[tuple[UUID, int], Told]:
    """What stands at (trust, position) of several feeds."""
    rows = await connection.fetch(
        """
        SELECT f.trust_id, f.position, t.id, t.type, t.source, t.subject, t.sequence, t.time,
               t.stream, t.data, t.traceparent
          FROM unnest($1::uuid[], $2::bigint[]) AS p (trust_id, position)
          JOIN feed AS f USING (trust_id, position)
          JOIN told AS t ON t.position = f.told
        """,
        [trust_id for trust_id, _ in places],
        [position for _, position in places],
    )
    found: dict[tuple[UUID, int], Told] = {}
    for row in rows:
        known = dict(row) | {"data": json.loads(row["data"])}
        trust_id = known.pop("trust_id")
        found[trust_id, row["position"]] = Told(**known)
    return found


async def place_of(
    connection: asyncpg.Connection, trust_id: UUID, event_id: UUID
) -> tuple[int, str] | None:
    """The position and the stream of what was told under this id; None: nothing was."""
    row = await connection.fetchrow(
        """
        SELECT f.position, t.stream
          FROM told AS t
          JOIN feed AS f ON f.told = t.position
         WHERE t.id = $2
           AND f.trust_id = $1
         ORDER BY f.position
         LIMIT 1
        """,
        trust_id,
        event_id,
    )
    return None if row is None else (row["position"], row["stream"])


async def position_before(connection: asyncpg.Connection, trust_id: UUID, moment: datetime) -> int:
    """Behind it is all that was recorded at that moment or later, and perhaps more: what became a
    trust's later stands later."""
    first: int | None = await connection.fetchval(
        """
        SELECT min(f.position)
          FROM feed AS f
          JOIN told AS t ON t.position = f.told
         WHERE f.trust_id = $1
           AND t.time >= $2
        """,
        trust_id,
        moment,
    )
    return await end(connection, trust_id) if first is None else first - 1


async def end(connection: asyncpg.Connection, trust_id: UUID) -> int:
    """The last position; 0 where there is nothing yet."""
    position: int | None = await connection.fetchval(
        "SELECT max(position) FROM feed WHERE trust_id = $1", trust_id
    )
    return position or BEGINNING


async def beginning(connection: asyncpg.Connection, trust_id: UUID) -> int:
    """The position behind which it begins: a sandbox's goes on counting where it begins anew."""
    position: int | None = await connection.fetchval(
        "SELECT begins FROM sandbox WHERE trust_id = $1", trust_id
    )
    return position or BEGINNING


async def ends(connection: asyncpg.Connection, trust_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The last positions of those of the feeds that have any."""
    rows = await connection.fetch(
        """
        SELECT t.trust_id, f.position
          FROM unnest($1::uuid[]) AS t (trust_id)
         CROSS JOIN LATERAL (SELECT position
                               FROM feed
                              WHERE feed.trust_id = t.trust_id
                              ORDER BY position DESC
                              LIMIT 1) AS f
        """,
        trust_ids,
    )
    return {row["trust_id"]: row["position"] for row in rows}


async def digest(connection: asyncpg.Connection, trust_id: UUID, position: int) -> int | None:
    """What the slices up to the position come to; None where the feed does not reach it."""
    found: int | None = await connection.fetchval(
        "SELECT digest FROM feed WHERE trust_id = $1 AND position = $2", trust_id, position
    )
    return 0 if position == BEGINNING else found


async def external_ids(
    connection: asyncpg.Connection, trust_id: UUID, told: Sequence[Told]
) -> ExternalIds:
    """Of all people and schools that occur in them. A record that a trust has linked to a person
    means that person by every id."""
    return (await external_ids_of(connection, {trust_id: told}))[trust_id]


async def external_ids_of(
    connection: asyncpg.Connection, told: Mapping[UUID, Sequence[Told]]
) -> dict[UUID, ExternalIds]:
    """The same for several trusts at once."""
    people = await connection.fetch(
        """
        SELECT m.trust_id, m.id::text,
               array_agg(DISTINCT l.external_id ORDER BY l.external_id) AS called
          FROM unnest($1::uuid[], $2::uuid[]) AS m (trust_id, id)
         CROSS JOIN LATERAL ids_of_person(m.id) AS i (person_id)
          JOIN link AS l ON l.person_id = i.person_id AND l.trust_id = m.trust_id
         GROUP BY m.trust_id, m.id
        """,
        *_mentioned(told, *PERSON_FIELDS),
    )
    schools = await connection.fetch(
        """
        SELECT m.trust_id, m.id::text, array_agg(s.external_id ORDER BY s.external_id) AS called
          FROM unnest($1::uuid[], $2::uuid[]) AS m (trust_id, id)
          JOIN reported_school AS s ON s.trust_id = m.trust_id AND s.school_id = m.id
         GROUP BY m.trust_id, m.id
        """,
        *_mentioned(told, "school_id"),
    )
    return {
        trust_id: ExternalIds(
            people={row["id"]: row["called"] for row in people if row["trust_id"] == trust_id},
            schools={row["id"]: row["called"] for row in schools if row["trust_id"] == trust_id},
        )
        for trust_id in told
    }


def _mentioned(told: Mapping[UUID, Sequence[Told]], *fields: str) -> tuple[list[UUID], list[str]]:
    """(Trusts, ids) that occur in these fields, each pair once."""
    pairs = {
        (trust_id, each)
        for trust_id, of in told.items()
        for each in mentioned([one.data for one in of], *fields)
    }
    return [trust_id for trust_id, _ in pairs], [each for _, each in pairs]
