"""Who changed what, and when: the journal and the operators' acts of one service, read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

ACTS: Final = ("stopped", "resumed", "replayed", "discarded", "rebuilt")
"""What is no event: a part that the platform stopped by itself, and what operators did."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """An event as the journal has it, without what it says; or one of ACTS."""

    recorded_at: datetime
    actor: str
    """The subject of the token, service:… of what an effect caused, or operator:… ."""
    type: str
    topic: str | None = None
    key: str | None = None
    sequence: int | None = None
    id: UUID | None = None
    traceparent: str | None = None
    part: str | None = None
    """The part of the service that was stopped or resumed."""
    because: str | None = None
    """Why an act was done, or what came of it."""

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits, also the id of the request; None outside any trace."""
        return self.traceparent.split("-")[1] if self.traceparent else None

    @property
    def sampled(self) -> bool:
        """Whether its trace was to be kept."""
        return self.traceparent is not None and int(self.traceparent[-2:], 16) & 1 == 1


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which changes; what is None or empty excludes none."""

    actor: str | None = None
    key: str | None = None
    types: Sequence[str] = ()
    """Full types of events, and ACTS."""
    since: datetime | None = None
    until: datetime | None = None
    """Both are included."""
    limit: int | None = None
    """The newest so many."""


async def change(connection: asyncpg.Connection, event_id: UUID) -> Change | None:
    """The event that has this id; None where this journal has none, or has it no more."""
    row = await connection.fetchrow(f"{_EVENTS} WHERE id = $1", event_id)
    return Change(**row) if row is not None else None


async def changes(connection: asyncpg.Connection, service: str, wanted: Wanted) -> list[Change]:
    """The newest that are wanted, the newest first."""
    asked = (wanted.actor, wanted.key, list(wanted.types), wanted.since, wanted.until, wanted.limit)
    # By position, which is the order of the journal and of its index, so that few need no sorting.
    events = await connection.fetch(f"{_EVENTS} {_WHERE} ORDER BY position DESC LIMIT $6", *asked)
    acts = await connection.fetch(
        f"{_ACTS} {_WHERE} ORDER BY recorded_at DESC LIMIT $6", *asked, f"service:{service}"
    )
    found = [Change(**row) for row in (*events, *acts)]
    return sorted(found, key=lambda each: each.recorded_at, reverse=True)[: wanted.limit]


_EVENTS: Final = """
SELECT id, recorded_at, actor, type, topic, key, sequence, headers ->> 'traceparent' AS traceparent
  FROM event"""

_WHERE: Final = """
 WHERE ($1::text IS NULL OR actor = $1)
   AND ($2::text IS NULL OR key = $2)
   AND (cardinality($3::text[]) = 0 OR type = ANY ($3))
   AND ($4::timestamptz IS NULL OR recorded_at >= $4)
   AND ($5::timestamptz IS NULL OR recorded_at <= $5)"""

_ACTS: Final = """
SELECT * FROM (
SELECT stopped_at AS recorded_at, $7::text AS actor, 'stopped' AS type, part, reason AS because,
       NULL AS topic, NULL AS key, NULL::bigint AS sequence, NULL::uuid AS id
  FROM stop
 UNION ALL
SELECT resumed_at, resumed_by, 'resumed', part, resumed_because, NULL, NULL, NULL, NULL
  FROM stop
 WHERE resumed_at IS NOT NULL
 UNION ALL
SELECT replayed_at, replayed_by, 'replayed', NULL,
       cardinality(applied) || ' took effect'
       || coalesce('; sequence ' || failed || ' failed again', ''),
       topic, key, applied[cardinality(applied)], NULL
  FROM replay
 UNION ALL
SELECT discarded_at, discarded_by, 'discarded', NULL, reason, topic, key, sequence, event_id
  FROM discarded
 UNION ALL
SELECT rebuilt_at, rebuilt_by, 'rebuilt', NULL, because, NULL, NULL, NULL, NULL
  FROM rebuilt) AS act"""
