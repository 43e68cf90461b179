"""What is on its way to trusts' webhooks."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.integration.domain.webhooks import Answer
from shared.database import columns


@dataclass(frozen=True, kw_only=True)
class Due:
    """A delivery whose turn it is; it failed `tries` times in a row. A ping is in no feed, so its
    position is some number below 0."""

    webhook_id: UUID
    position: int
    tries: int

    @property
    def is_ping(self) -> bool:
        return self.position < 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A delivery that was tried; `due_at`: when it is tried again, None if it was taken or the
    webhook rests."""

    due: Due
    event_id: UUID
    type: str
    sent_at: datetime
    answer: Answer
    due_at: datetime | None = None


async def fill(connection: asyncpg.Connection, window: int, now: datetime) -> int:
    """Puts what has come to the trusts' feeds among the deliveries, as far as a webhook has fewer
    than `window` of them; answers how many events it went through."""
    went: int = await connection.fetchval(
        """
        WITH hungry AS (
            SELECT w.webhook_id, w.trust_id, w.types, w.position,
                   $1 - (SELECT count(*) FROM delivery AS d WHERE d.webhook_id = w.webhook_id)
                   AS room
              FROM webhook AS w
             WHERE w.state = 'active'
               AND EXISTS (SELECT FROM feed AS f
                            WHERE f.trust_id = w.trust_id AND f.position > w.position)
             ORDER BY w.webhook_id
               FOR NO KEY UPDATE OF w SKIP LOCKED
        ), coming AS (
            SELECT h.webhook_id, h.types, f.position, f.stream, f.type
              FROM hungry AS h
             CROSS JOIN LATERAL (
                    SELECT f.position, t.stream, t.type
                      FROM feed AS f
                      JOIN told AS t ON t.position = f.told
                     WHERE f.trust_id = h.trust_id
                       AND f.position > h.position
                     ORDER BY f.position
                     LIMIT greatest(h.room, 0)) AS f
        ), put AS (
            INSERT INTO delivery (webhook_id, position, stream, due_at)
            SELECT webhook_id, position, stream, $2
              FROM coming
             WHERE types IS NULL OR type = ANY (types)
            ON CONFLICT DO NOTHING
        ), moved AS (
            UPDATE webhook AS w
               SET position = c.position
              FROM (SELECT webhook_id, max(position) AS position
                      FROM coming GROUP BY webhook_id) AS c
             WHERE w.webhook_id = c.webhook_id
        )
        SELECT count(*) FROM coming
        """,
        window,
        now,
    )
    return went


async def claim(
    connection: asyncpg.Connection, now: datetime, until: datetime, at_once: int, limit: int
) -> list[Due]:
    """Up to `limit` deliveries whose turn it is, for this process alone until that time. Of a
    stream the first only; of a webhook so many that `at_once` are on their way, and one where the
    last one failed."""
    rows = await connection.fetch(
        """
        WITH one AS (
            SELECT webhook_id,
                   CASE WHEN max(tries) > 0 THEN 1 ELSE $3 END
                   - count(*) FILTER (WHERE claimed_until > $1) AS room
              FROM delivery
              JOIN webhook USING (webhook_id)
             WHERE state = 'active'
             GROUP BY webhook_id
        ), head AS (
            SELECT h.webhook_id, h.position
              FROM one
             CROSS JOIN LATERAL (
                    SELECT d.webhook_id, d.position
                      FROM delivery AS d
                     WHERE d.webhook_id = one.webhook_id
                       AND d.due_at <= $1
                       AND (d.claimed_until IS NULL OR d.claimed_until <= $1)
                       AND NOT EXISTS (SELECT FROM delivery AS before
                                        WHERE before.webhook_id = d.webhook_id
                                          AND before.stream = d.stream
                                          AND before.position < d.position)
                     ORDER BY d.position
                     LIMIT greatest(one.room, 0)) AS h
             LIMIT $4
        ), turn AS (
            SELECT webhook_id, position
              FROM delivery
              JOIN head USING (webhook_id, position)
             WHERE claimed_until IS NULL OR claimed_until <= $1
               FOR UPDATE OF delivery SKIP LOCKED
        )
        UPDATE delivery AS d
           SET claimed_until = $2
          FROM turn
         WHERE d.webhook_id = turn.webhook_id
           AND d.position = turn.position
        RETURNING d.webhook_id, d.position, d.tries
        """,
        now,
        until,
        at_once,
        limit,
    )
    return [Due(**dict(row)) for row in rows]


async def put(
    connection: asyncpg.Connection, webhook_id: UUID, position: int, stream: str, now: datetime
) -> None:
    """Sends this one, also where it was sent before."""
    await connection.execute(
        """
        INSERT INTO delivery (webhook_id, position, stream, due_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (webhook_id, position) DO UPDATE SET tries = 0, due_at = excluded.due_at
        """,
        webhook_id,
        position,
        stream,
        now,
    )


async def put_ping(connection: asyncpg.Connection, webhook_id: UUID, now: datetime) -> None:
    position = -secrets.randbits(62) - 1
    await put(connection, webhook_id, position, f"ping {position}", now)


async def record(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> None:
    """Writes the log, deletes what was taken, and sets the next try of what was not."""
    if not outcomes:
        return
    await connection.execute(
        """
        INSERT INTO attempt (webhook_id, event_id, type, position, tries, sent_at, took_ms, status,
                             answer, trouble, taken)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::integer[],
                      $6::timestamptz[], $7::integer[], $8::integer[], $9::text[], $10::text[],
                      $11::boolean[]) AS o (webhook_id)
         WHERE EXISTS (SELECT
                         FROM webhook AS w
                        WHERE w.webhook_id = o.webhook_id
                          FOR KEY SHARE)
        """,
        *columns(map(_logged, outcomes), 11),
    )
    taken = [each.due for each in outcomes if each.answer.taken]
    await connection.execute(
        """
        DELETE FROM delivery AS d
         USING unnest($1::uuid[], $2::bigint[]) AS t (webhook_id, position)
         WHERE d.webhook_id = t.webhook_id
           AND d.position = t.position
        """,
        [each.webhook_id for each in taken],
        [each.position for each in taken],
    )
    failed = [each for each in outcomes if not each.answer.taken]
    await connection.execute(
        """
        UPDATE delivery AS d
           SET tries = t.tries,
               due_at = coalesce(t.due_at, d.due_at),
               claimed_until = NULL
          FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::timestamptz[])
               AS t (webhook_id, position, tries, due_at)
         WHERE d.webhook_id = t.webhook_id
           AND d.position = t.position
        """,
        [each.due.webhook_id for each in failed],
        [each.due.position for each in failed],
        [each.due.tries + 1 if each.due_at else 0 for each in failed],
        [each.due_at for each in failed],
    )


def _logged(outcome: Outcome) -> tuple[object, ...]:
    due, answer = outcome.due, outcome.answer
    return (
        due.webhook_id,
        outcome.event_id,
        outcome.type,
        due.position,
        due.tries + 1,
        outcome.sent_at,
        round(answer.took.total_seconds() * 1000),
        answer.status,
        answer.body,
        answer.trouble,
        answer.taken,
    )
