"""Deliveries made ready: the event as the trust gets it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from services.integration.domain.telling import ExternalIds, Told, envelope
from services.integration.domain.webhooks import Webhook
from services.integration.store import feed, webhooks
from services.integration.store.deliveries import Due

PING_TYPE: Final = "uk.aspire.integration.Ping.v1"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A delivery, ready to be sent: the event's id and type, and its JSON."""

    due: Due
    webhook: Webhook
    event_id: UUID
    type: str
    body: str


async def pack(connection: asyncpg.Connection, due: Sequence[Due], now: datetime) -> list[Parcel]:
    """Those of a webhook that was removed meanwhile are left out."""
    ids = sorted({each.webhook_id for each in due})
    of = {each.webhook_id: each for each in await webhooks.webhooks(connection, ids)}
    there = [each for each in due if each.webhook_id in of]
    places = {(of[each.webhook_id].trust_id, each.position) for each in there if not each.is_ping}
    told = await feed.at(connection, sorted(places))
    of_trusts: dict[UUID, list[Told]] = {}
    for (trust_id, _), event in told.items():
        of_trusts.setdefault(trust_id, []).append(event)
    called = await feed.external_ids_of(connection, of_trusts)
    parcels: list[Parcel] = []
    for each in there:
        webhook = of[each.webhook_id]
        if each.is_ping:
            parcels.append(_ping(each, webhook, now))
        elif (found := told.get((webhook.trust_id, each.position))) is not None:
            parcels.append(_parcel(each, webhook, found, called[webhook.trust_id]))
    return parcels


def _parcel(due: Due, webhook: Webhook, told: Told, called: ExternalIds) -> Parcel:
    body = json.dumps(envelope(told, called), ensure_ascii=False)
    return Parcel(due=due, webhook=webhook, event_id=told.id, type=told.type, body=body)


def _ping(due: Due, webhook: Webhook, now: datetime) -> Parcel:
    event_id = uuid4()
    body = json.dumps(ping(event_id, webhook.webhook_id, now))
    return Parcel(due=due, webhook=webhook, event_id=event_id, type=PING_TYPE, body=body)


def ping(event_id: UUID, webhook_id: UUID, now: datetime) -> dict[str, Any]:
    """The CloudEvent by which a trust sees that deliveries arrive; it is in no feed."""
    return {
        "specversion": "1.0",
        "id": str(event_id),
        "source": "/aspire/integration",
        "type": PING_TYPE,
        "time": now.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"webhook_id": str(webhook_id)},
    }
