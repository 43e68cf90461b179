"""What of trusts' own topics was not taken, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from shared.database import columns

KEPT: Final = 1000
"""Of each trust; the oldest go."""


@dataclass(frozen=True)
class RefusedRecord:
    """A record that was not taken; `refusal` is a problem (RFC 9457)."""

    offset: int
    refused_at: datetime
    source: str | None
    event_id: str | None
    refusal: Mapping[str, Any]


async def keep(
    connection: asyncpg.Connection, trust_id: UUID, records: Sequence[RefusedRecord]
) -> None:
    """An offset that is there already is of a topic that was lost."""
    rows = [
        (each.offset, each.refused_at, each.source, each.event_id, json.dumps(each.refusal))
        for each in records
    ]
    await connection.execute(
        """
        INSERT INTO refused (trust_id, "offset", refused_at, source, event_id, refusal)
        SELECT $1, *
          FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::jsonb[])
        ON CONFLICT (trust_id, "offset") DO UPDATE
           SET refused_at = excluded.refused_at, source = excluded.source,
               event_id = excluded.event_id, refusal = excluded.refusal
        """,
        trust_id,
        *columns(rows, 5),
    )
    await connection.execute(
        """
        DELETE FROM refused
         WHERE trust_id = $1
           AND (refused_at, "offset") <= (SELECT refused_at, "offset"
                                            FROM refused
                                           WHERE trust_id = $1
                                           ORDER BY refused_at DESC, "offset" DESC
                                          OFFSET $2
                                           LIMIT 1)
        """,
        trust_id,
        KEPT,
    )


async def newest(connection: asyncpg.Connection, trust_id: UUID, limit: int) -> list[RefusedRecord]:
    """The newest first."""
    rows = await connection.fetch(
        """
        SELECT "offset", refused_at, source, event_id, refusal
          FROM refused
         WHERE trust_id = $1
         ORDER BY refused_at DESC, "offset" DESC
         LIMIT $2
        """,
        trust_id,
        limit,
    )
    return [RefusedRecord(**dict(row) | {"refusal": json.loads(row["refusal"])}) for row in rows]
