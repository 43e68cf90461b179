"""The journal read as an audit trail: who changed what, and when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg


@dataclass(frozen=True, kw_only=True)
class Change:
    """An event as the journal has it, without what it says."""

    id: UUID
    recorded_at: datetime
    actor: str
    """The subject of the token; of an effect's event the consumer that caused it."""
    type: str
    topic: str
    key: str
    sequence: int
    traceparent: str | None

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits, also the id of the request; None outside any trace."""
        return self.traceparent.split("-")[1] if self.traceparent else None

    @property
    def sampled(self) -> bool:
        """Whether its trace was to be kept."""
        return self.traceparent is not None and int(self.traceparent[-2:], 16) & 1 == 1


async def change(connection: asyncpg.Connection, event_id: UUID) -> Change | None:
    """The event that has this id; None where this journal has none, or has it no more."""
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", event_id)
    return Change(**row) if row is not None else None


_SELECT = """
SELECT id, recorded_at, actor, type, topic, key, sequence, headers ->> 'traceparent' AS traceparent
  FROM event"""
