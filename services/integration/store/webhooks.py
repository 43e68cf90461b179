"""Trusts' webhooks, and the log of what was sent to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from services.integration.domain.webhooks import Secret, Webhook, WebhookUnknown
from shared.database import columns
from shared.events.vocabulary import WebhookRests
from shared.web import PageRequest

LOG_KEPT: Final = timedelta(days=30)


async def add(connection: asyncpg.Connection, webhook: Webhook, position: int) -> None:
    """Sends what comes after `position` of the trust's feed."""
    await connection.execute(
        """
        INSERT INTO webhook (webhook_id, trust_id, url, types, made_at, state, position)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        webhook.webhook_id,
        webhook.trust_id,
        webhook.url,
        webhook.types,
        webhook.made_at,
        webhook.state,
        position,
    )
    await save(connection, webhook)


async def save(connection: asyncpg.Connection, webhook: Webhook) -> None:
    """Its state and its secrets."""
    await connection.execute(
        "UPDATE webhook SET state = $2, rests = $3 WHERE webhook_id = $1",
        webhook.webhook_id,
        webhook.state,
        webhook.rests,
    )
    await connection.execute(
        """
        INSERT INTO webhook_secret (webhook_id, secret_id, sealed, made_at, expires_at)
        SELECT $1, * FROM unnest($2::uuid[], $3::bytea[], $4::timestamptz[], $5::timestamptz[])
        ON CONFLICT (secret_id) DO UPDATE SET expires_at = excluded.expires_at
        """,
        webhook.webhook_id,
        *columns((tuple(vars(each).values()) for each in webhook.secrets), 4),
    )


async def remove(connection: asyncpg.Connection, webhook_id: UUID) -> None:
    """With its log."""
    await connection.execute("DELETE FROM webhook WHERE webhook_id = $1", webhook_id)


async def webhooks_of(
    connection: asyncpg.Connection, trust_id: UUID, *, locked: bool = False
) -> list[Webhook]:
    """In the order in which they were made. `locked`: nobody else changes them until the
    transaction ends."""
    found = await _fetch(connection, "trust_id = $1", trust_id, locked=locked)
    return sorted(found, key=lambda each: (each.made_at, each.webhook_id))


async def webhook_of(
    connection: asyncpg.Connection, trust_id: UUID, webhook_id: UUID, *, locked: bool = False
) -> Webhook:
    """Raises WebhookUnknown, also for one of another trust."""
    condition = "trust_id = $1 AND webhook_id = $2"
    found = await _fetch(connection, condition, trust_id, webhook_id, locked=locked)
    if not found:
        raise WebhookUnknown(webhook_id)
    return found[0]


async def locked_webhooks(connection: asyncpg.Connection, ids: Sequence[UUID]) -> list[Webhook]:
    """Those of them that are there still."""
    return await _fetch(connection, "webhook_id = ANY ($1)", ids, locked=True)


async def webhooks(connection: asyncpg.Connection, ids: Sequence[UUID]) -> list[Webhook]:
    """The same, to be looked at alone."""
    return await _fetch(connection, "webhook_id = ANY ($1)", ids, locked=False)


async def rewind(connection: asyncpg.Connection, webhook_id: UUID, position: int) -> None:
    """Sends again what comes after `position`."""
    await connection.execute(
        "DELETE FROM delivery WHERE webhook_id = $1 AND position > $2", webhook_id, position
    )
    await connection.execute(
        "UPDATE webhook SET position = least(position, $2) WHERE webhook_id = $1",
        webhook_id,
        position,
    )


async def make_due(connection: asyncpg.Connection, webhook_id: UUID, now: datetime) -> None:
    """What waits for another try waits no more."""
    await connection.execute(
        "UPDATE delivery SET tries = 0, due_at = $2 WHERE webhook_id = $1", webhook_id, now
    )


async def page_of_attempts(
    connection: asyncpg.Connection, page: PageRequest, webhook_id: UUID, *, failed: bool
) -> list[asyncpg.Record]:
    """The newest first."""
    before = page.key(int)
    return await connection.fetch(
        """
        SELECT attempt_id AS id, event_id, type, tries, sent_at, took_ms, status, answer, trouble,
               taken
          FROM attempt
         WHERE webhook_id = $1
           AND ($2::bigint IS NULL OR attempt_id < $2)
           AND ($3::timestamptz IS NULL OR sent_at >= $3)
           AND NOT ($4 AND taken)
         ORDER BY attempt_id DESC
         LIMIT $5
        """,
        webhook_id,
        before[0] if before else None,
        page.updated_since,
        failed,
        page.fetch,
    )


async def waiting(connection: asyncpg.Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many of the feed's events, of all types, each webhook has not been sent or taken yet."""
    rows = await connection.fetch(
        """
        SELECT w.webhook_id,
               (SELECT coalesce(max(f.position), 0) FROM feed AS f WHERE f.trust_id = w.trust_id)
               - w.position
               + (SELECT count(*) FROM delivery AS d WHERE d.webhook_id = w.webhook_id) AS waiting
          FROM webhook AS w
         WHERE w.webhook_id = ANY ($1)
        """,
        ids,
    )
    return {row["webhook_id"]: row["waiting"] for row in rows}


async def forget_old_attempts(connection: asyncpg.Connection, now: datetime) -> None:
    await connection.execute("DELETE FROM attempt WHERE sent_at < $1", now - LOG_KEPT)


async def _fetch(
    connection: asyncpg.Connection, condition: str, *given: object, locked: bool
) -> list[Webhook]:
    """In the order of their ids, which is that of their locks."""
    rows = await connection.fetch(
        f"""
        SELECT webhook_id, trust_id, url, types, made_at, state, rests
          FROM webhook
         WHERE {condition}
         ORDER BY webhook_id
         {"FOR NO KEY UPDATE" if locked else ""}
        """,  # noqa: S608 - nothing that is given stands in it
        *given,
    )
    return await _with_secrets(connection, rows)


async def _with_secrets(
    connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]
) -> list[Webhook]:
    secrets: dict[UUID, list[Secret]] = {row["webhook_id"]: [] for row in rows}
    for row in await connection.fetch(
        """
        SELECT webhook_id, secret_id, sealed, made_at, expires_at
          FROM webhook_secret
         WHERE webhook_id = ANY ($1)
         ORDER BY made_at, secret_id
        """,
        list(secrets),
    ):
        known = dict(row)
        secrets[known.pop("webhook_id")].append(Secret(**known))
    return [_read(row, secrets[row["webhook_id"]]) for row in rows]


def _read(row: asyncpg.Record, secrets: Sequence[Secret]) -> Webhook:
    known = dict(row)
    known["types"] = None if row["types"] is None else tuple(row["types"])
    known["rests"] = None if row["rests"] is None else WebhookRests(row["rests"])
    return Webhook(**known, secrets=tuple(secrets))
