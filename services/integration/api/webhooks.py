"""Trusts' webhooks: the trust's own systems look after them, and the office may help."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from services.integration.api.asking import Of, TrustSecretCommand, for_office, for_trusts
from services.integration.api.sealing import Sealing
from services.integration.api.trusts import Nothing, Rotation
from services.integration.domain.telling import TYPES
from services.integration.domain.webhooks import (
    MOST_ENDPOINTS,
    Secret,
    State,
    TooManyWebhooks,
    Webhook,
    check_url,
)
from services.integration.store import deliveries, feed, reports
from services.integration.store import webhooks as store
from shared.events.vocabulary import WebhookRests
from shared.problems import Invalid, NotFound, Refused
from shared.sealing import Sealer
from shared.web import Body, Moment, Now, Page, PageQuery, Read, Tx
from shared.web.context import context_of

WEBHOOK_FIELDS: Final = ("webhook_id", "trust_id", "url", "types", "made_at", "state", "rests")


class EventUnknown(NotFound):
    title = "The event was not told to the trust"


class WebhookIsResting(Refused):
    title = "The webhook rests"


own = for_trusts("/webhooks", "webhooks")
making = for_trusts("/webhooks", "webhooks", TrustSecretCommand)
office = for_office("/webhooks", "webhooks")


class Registration(Body):
    url: str = Field(max_length=2000)
    types: list[str] | None = Field(
        None, min_length=1, max_length=100, description="Only events of these types; null: of all"
    )
    start: Literal["now", "beginning"] = Field(
        "now", description="With what comes from now on, or with all that there is"
    )


class Resending(Body):
    """One of them: an event, all after an event, or all since a time."""

    event_id: UUID | None = None
    after: UUID | None = Field(None, description="All that came after this event")
    since: Moment | None = Field(None, description="All that were recorded then or later")


class WebhookOut(BaseModel):
    """`waiting`: events, of all types, that have not been sent there or not been taken yet."""

    webhook_id: UUID
    trust_id: UUID
    url: str
    types: tuple[str, ...] | None
    made_at: datetime
    state: State
    rests: WebhookRests | None = Field(description="Why it rests")
    waiting: int
    secrets: int = Field(description="Under how many secrets deliveries are signed now")


class WebhookSecretOut(BaseModel):
    """What deliveries are signed with (Standard Webhooks)."""

    webhook_id: UUID
    secret: str = Field(description="Shown now and never again")


class DeliveryOut(BaseModel):
    """A try to send an event: `status` and the beginning of what was answered, or `trouble`, which
    says why there was no answer."""

    event_id: UUID
    type: str
    tries: int = Field(description="The how-manieth try it was")
    sent_at: datetime
    took_ms: int
    status: int | None
    answer: str
    trouble: str | None
    taken: bool


class RemovedOut(BaseModel):
    webhook_id: UUID
    removed: bool = True


@making.post("", status_code=201, summary="Have events sent to an address")
async def register(
    request: Request, trust: Of, body: Registration, tx: Tx, now: Now, sealer: Sealing
) -> WebhookSecretOut:
    check_url(body.url, inside=context_of(request).settings.webhooks_inside)
    _check_types(body.types)
    await reports.lock_trust(tx.connection, trust)
    if len(await store.webhooks_of(tx.connection, trust)) >= MOST_ENDPOINTS:
        raise TooManyWebhooks(f"A trust has {MOST_ENDPOINTS} at most. Remove one, or change it.")
    new, secret = _new_secret(sealer(), now)
    webhook = Webhook(
        webhook_id=uuid4(),
        trust_id=trust,
        url=body.url,
        types=None if body.types is None else tuple(sorted(set(body.types))),
        made_at=now,
        secrets=(new,),
    )
    place = feed.end if body.start == "now" else feed.beginning
    start = await place(tx.connection, trust)
    await store.add(tx.connection, webhook, start)
    tx.record(webhook.register())
    return WebhookSecretOut(webhook_id=webhook.webhook_id, secret=secret)


@making.post("/{webhook_id}/rotation", summary="Sign under a new secret, too")
async def rotate(
    trust: Of, webhook_id: UUID, tx: Tx, now: Now, sealer: Sealing, body: Rotation | None = None
) -> WebhookSecretOut:
    """Deliveries carry a signature under each secret that is in use."""
    new, secret = _new_secret(sealer(), now)
    webhook = await store.webhook_of(tx.connection, trust, webhook_id, locked=True)
    overlap = timedelta(hours=(body or Rotation.model_validate({})).overlap_hours)
    await store.save(tx.connection, webhook.rotate(new, overlap))
    return WebhookSecretOut(webhook_id=webhook_id, secret=secret)


@own.get("", summary="List webhooks")
@office.get("", summary="List a trust's webhooks")
async def list_webhooks(trust: Of, read: Read, now: Now) -> list[WebhookOut]:
    return await _shown(read, await store.webhooks_of(read, trust), now)


@own.get("/{webhook_id}", summary="Look at a webhook")
@office.get("/{webhook_id}", summary="Look at a trust's webhook")
async def look(trust: Of, webhook_id: UUID, read: Read, now: Now) -> WebhookOut:
    [shown] = await _shown(read, [await store.webhook_of(read, trust, webhook_id)], now)
    return shown


@own.get("/{webhook_id}/deliveries", summary="List what was sent, the newest first")
@office.get("/{webhook_id}/deliveries", summary="List what was sent, the newest first")
async def list_deliveries(
    trust: Of, webhook_id: UUID, read: Read, page: PageQuery, failed: bool = False
) -> Page[DeliveryOut]:
    """`failed`: only those that were not taken. They are kept for 30 days."""
    await store.webhook_of(read, trust, webhook_id)
    rows = await store.page_of_attempts(read, page, webhook_id, failed=failed)
    return Page.of(page, rows, lambda row: DeliveryOut.model_validate(dict(row)))


@own.post("/{webhook_id}/ping", status_code=202, summary="Send a ping")
@office.post("/{webhook_id}/ping", status_code=202, summary="Send a ping")
async def ping(
    trust: Of, webhook_id: UUID, tx: Tx, now: Now, _: Nothing | None = None
) -> WebhookOut:
    """What became of it is in the list of deliveries."""
    webhook = await store.webhook_of(tx.connection, trust, webhook_id, locked=True)
    _check_awake(webhook)
    await deliveries.put_ping(tx.connection, webhook_id, now)
    return (await _shown(tx.connection, [webhook], now))[0]


@own.post("/{webhook_id}/waking", summary="Go on sending to one that rests")
@office.post("/{webhook_id}/waking", summary="Go on sending to one that rests")
async def wake(
    trust: Of, webhook_id: UUID, tx: Tx, now: Now, _: Nothing | None = None
) -> WebhookOut:
    """Also one that waits for its next try: it is made now."""
    webhook = await store.webhook_of(tx.connection, trust, webhook_id, locked=True)
    woken, facts = webhook.wake()
    await store.save(tx.connection, woken)
    await store.make_due(tx.connection, webhook_id, now)
    tx.record(*facts)
    return (await _shown(tx.connection, [woken], now))[0]


@own.post("/{webhook_id}/resending", status_code=202, summary="Send again")
@office.post("/{webhook_id}/resending", status_code=202, summary="Send again")
async def resend(trust: Of, webhook_id: UUID, body: Resending, tx: Tx, now: Now) -> WebhookOut:
    """With the same ids and in the same order. After an event or since a time, only types that the
    webhook is for."""
    if sum(given is not None for given in vars(body).values()) != 1:
        raise Invalid(
            "Say one of them: `event_id`, `after` or `since`.",
            errors=[("#", "one of event_id, after and since")],
        )
    webhook = await store.webhook_of(tx.connection, trust, webhook_id, locked=True)
    if body.since is not None:
        position = await feed.position_before(tx.connection, trust, body.since)
    else:
        position, stream = await _found(tx.connection, trust, body.event_id or body.after)
    if body.event_id is None:
        await store.rewind(tx.connection, webhook_id, position)
    else:
        await deliveries.put(tx.connection, webhook_id, position, stream, now)
    return (await _shown(tx.connection, [webhook], now))[0]


@own.delete("/{webhook_id}", summary="Send nothing there any more")
@office.delete("/{webhook_id}", summary="Send nothing there any more")
async def remove(trust: Of, webhook_id: UUID, tx: Tx) -> RemovedOut:
    """Its deliveries go, too."""
    webhook = await store.webhook_of(tx.connection, trust, webhook_id, locked=True)
    await store.remove(tx.connection, webhook_id)
    tx.record(webhook.remove())
    return RemovedOut(webhook_id=webhook_id)


async def _found(
    connection: asyncpg.Connection, trust_id: UUID, event_id: UUID | None
) -> tuple[int, str]:
    """The position and the stream of an event of the trust's feed. Raises EventUnknown."""
    found = None if event_id is None else await feed.place_of(connection, trust_id, event_id)
    if found is None:
        raise EventUnknown(f"Nothing with the id {event_id} has been told to the trust.")
    return found


async def _shown(
    connection: asyncpg.Connection, webhooks: Sequence[Webhook], now: datetime
) -> list[WebhookOut]:
    waiting = await store.waiting(connection, [each.webhook_id for each in webhooks])
    return [
        WebhookOut(
            **{name: getattr(each, name) for name in WEBHOOK_FIELDS},
            waiting=waiting[each.webhook_id],
            secrets=len(each.signing(now)),
        )
        for each in webhooks
    ]


def _new_secret(sealer: Sealer, now: datetime) -> tuple[Secret, str]:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return Secret(secret_id=uuid4(), sealed=sealer.seal(secret), made_at=now), secret


def _check_types(types: Sequence[str] | None) -> None:
    unknown = [(i, each) for i, each in enumerate(types or ()) if each not in TYPES]
    if unknown:
        raise Invalid(
            "Events of these types are not told: " + ", ".join(each for _, each in unknown),
            errors=[(f"#/types/{i}", f"{each} is not a type that is told") for i, each in unknown],
        )


def _check_awake(webhook: Webhook) -> None:
    if webhook.state == "resting":
        raise WebhookIsResting(
            f"Nothing is sent to webhook {webhook.webhook_id}, for it rests ({webhook.rests}). "
            "Wake it: POST …/waking."
        )


router = APIRouter()
for _each in (making, own, office):
    router.include_router(_each)
