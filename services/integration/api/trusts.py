"""Connecting a trust's systems, and ending that; what a connection is like."""

import secrets
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.integration.api.asking import OFFICE
from services.integration.domain import connection as domain
from services.integration.domain.staff import StaffUnknown
from services.integration.playing import record
from services.integration.store import reports, webhooks
from services.integration.store import trusts as store
from shared.events import Event
from shared.events.vocabulary import WebhookRests
from shared.messaging import Transaction
from shared.web import Body, CommandRoute, Now, Read, Today, Tx

PATH = "/trusts/{trust_id}/connection"


class SecretRoute(CommandRoute):
    """A command whose answer holds a new secret."""

    shown_once = True


router = APIRouter(tags=["trusts"], dependencies=[OFFICE])
changing = APIRouter(route_class=CommandRoute)
making = APIRouter(route_class=SecretRoute)


class Nothing(Body):
    """An empty object."""


class Rotation(Body):
    overlap_hours: int = Field(
        24,
        ge=0,
        le=domain.LONGEST_OVERLAP // timedelta(hours=1),
        description="For how long the secrets before the new one are accepted still",
    )


class CredentialOut(BaseModel):
    credential_id: UUID
    made_at: datetime
    expires_at: datetime | None
    valid: bool


class SchoolOut(BaseModel):
    school_id: UUID
    urn: int | None


class ConnectionOut(BaseModel):
    """A trust's credentials, also those that have ended, and the schools that are its today."""

    trust_id: UUID
    name: str
    connected: bool
    credentials: list[CredentialOut]
    schools: list[SchoolOut]


class SecretOut(BaseModel):
    """What the trust's systems sign in with (HTTP Basic): `trust_id` and `secret`."""

    trust_id: UUID
    credential_id: UUID
    secret: str = Field(description="Shown now and never again; only its hash is kept")


class ErasedOut(BaseModel):
    trust_id: UUID
    external_id: str
    erased: bool


@making.post(PATH, status_code=201, summary="Connect a trust's systems")
async def connect(trust_id: UUID, tx: Tx, now: Now, _: Nothing | None = None) -> SecretOut:
    new, secret = new_credential(now)
    found = await _locked(tx, trust_id)
    await _save(tx, *found.connect(new))
    return SecretOut(trust_id=trust_id, credential_id=new.credential_id, secret=secret)


@making.post(f"{PATH}/rotation", summary="Give a trust's systems a new secret")
async def rotate(trust_id: UUID, tx: Tx, now: Now, body: Rotation | None = None) -> SecretOut:
    new, secret = new_credential(now)
    found = await _locked(tx, trust_id)
    overlap = timedelta(hours=(body or Rotation.model_validate({})).overlap_hours)
    await _save(tx, *found.rotate(new, overlap))
    return SecretOut(trust_id=trust_id, credential_id=new.credential_id, secret=secret)


@changing.post(f"{PATH}/revocation", summary="Accept none of a trust's secrets any more")
async def revoke(
    trust_id: UUID, tx: Tx, now: Now, today: Today, _: Nothing | None = None
) -> ConnectionOut:
    found = await _locked(tx, trust_id)
    revoked, facts = found.revoke(now)
    await _save(tx, revoked, facts)
    for webhook in await webhooks.webhooks_of(tx.connection, trust_id, locked=True):
        rested, facts = webhook.rest(WebhookRests.REVOKED)
        await webhooks.save(tx.connection, rested)
        tx.record(*facts)
    return await shown(tx.connection, revoked, now, today)


@changing.post(
    "/trusts/{trust_id}/staff/{external_id}/erasure",
    summary="Erase what names a member of staff that a trust has reported",
)
async def erase(trust_id: UUID, external_id: str, tx: Tx, _: Nothing | None = None) -> ErasedOut:
    await reports.lock_trust(tx.connection, trust_id)
    found = await reports.staff_of(tx.connection, trust_id, [external_id])
    if external_id not in found:
        raise StaffUnknown(f"The trust {trust_id} has reported nobody under {external_id}.")
    erased, facts = found[external_id].erase()
    if facts:
        await reports.forget_staff(tx.connection, [erased])
        await record(tx, trust_id, facts)
    return ErasedOut(trust_id=trust_id, external_id=external_id, erased=True)


@router.get(PATH, summary="Look at a trust's connection")
async def look(trust_id: UUID, read: Read, now: Now, today: Today) -> ConnectionOut:
    return await shown(read, await store.connection_of(read, trust_id), now, today)


router.include_router(making)
router.include_router(changing)


def new_credential(now: datetime) -> tuple[domain.Credential, str]:
    """And its secret."""
    secret = secrets.token_urlsafe(32)
    made = domain.Credential(credential_id=uuid4(), secret_hash=domain.hashed(secret), made_at=now)
    return made, secret


async def _locked(tx: Transaction, trust_id: UUID) -> domain.Connection:
    return await store.locked_connection(tx.connection, trust_id)


async def _save(tx: Transaction, connection: domain.Connection, facts: Sequence[Event]) -> None:
    await store.save_credentials(tx.connection, connection)
    tx.record(*facts)


async def shown(
    read: asyncpg.Connection, connection: domain.Connection, now: datetime, today: date
) -> ConnectionOut:
    schools = await store.schools_of_trust(read, connection.trust_id, today)
    return ConnectionOut(
        trust_id=connection.trust_id,
        name=connection.name,
        connected=connection.is_connected(now),
        credentials=[
            CredentialOut(
                credential_id=each.credential_id,
                made_at=each.made_at,
                expires_at=each.expires_at,
                valid=each.is_valid(now),
            )
            for each in connection.credentials
        ],
        schools=[SchoolOut.model_validate(dict(row)) for row in schools],
    )
