"""Sandboxes: fictional trusts on the running platform, for trusts' developers to try things out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.integration import playing
from services.integration.api.asking import OFFICE
from services.integration.api.trusts import Nothing, SecretRoute, new_credential
from services.integration.domain.sandbox import Sandbox
from services.integration.store import reports, trusts, webhooks
from services.integration.store import sandboxes as store
from shared.events.vocabulary import Role
from shared.messaging import Transaction
from shared.web import CommandRoute, Now, Read, Tx

PATH: Final = "/sandboxes/{trust_id}"

router = APIRouter(tags=["sandboxes"], dependencies=[OFFICE])
changing = APIRouter(route_class=CommandRoute)
making = APIRouter(route_class=SecretRoute)


class FictionalSchoolOut(BaseModel):
    school_id: UUID
    urn: int
    name: str
    own: bool = Field(description="Whether it is the trust's, or the one next door")


class FictionalPersonOut(BaseModel):
    person_id: UUID
    name: str
    email: str
    role: Role
    school_urn: int


class SandboxOut(BaseModel):
    """A fictional trust. Its systems sign in and ask as those of any other trust do."""

    trust_id: UUID
    name: str
    days: int = Field(description="How many days have been played")
    events: int = Field(description="How many events are in its feed, or will be in a moment")
    schools: list[FictionalSchoolOut]
    people: list[FictionalPersonOut]

    @classmethod
    def of(cls, sandbox: Sandbox, events: int) -> "SandboxOut":
        return cls(
            trust_id=sandbox.trust_id,
            name=sandbox.name,
            days=sandbox.days,
            events=events,
            schools=[
                FictionalSchoolOut(
                    school_id=each.school_id,
                    urn=each.urn,
                    name=each.name,
                    own=each != sandbox.schools[-1],
                )
                for each in sandbox.schools
            ],
            people=[
                FictionalPersonOut(
                    person_id=each.person_id,
                    name=each.name,
                    email=each.email,
                    role=each.role,
                    school_urn=each.school.urn,
                )
                for each in sandbox.people
            ],
        )


class SandboxesOut(BaseModel):
    sandboxes: list[SandboxOut]


class SandboxSecretOut(BaseModel):
    """A new sandbox. Its systems sign in (HTTP Basic) with its `trust_id` and `secret`."""

    sandbox: SandboxOut
    credential_id: UUID
    secret: str = Field(description="Shown now and never again; only its hash is kept")


class SandboxRemovedOut(BaseModel):
    trust_id: UUID
    removed: bool = True


@making.post("/sandboxes", status_code=201, summary="Make a fictional trust to try things out")
async def make(tx: Tx, now: Now, _: Nothing | None = None) -> SandboxSecretOut:
    """With schools, people, credentials and the events of a day. No other service hears of it."""
    trust_id = uuid4()
    made = await playing.begin(tx.connection, await store.add(tx.connection, trust_id, now))
    new, secret = new_credential(now)
    found = await trusts.locked_connection(tx.connection, trust_id)
    connected, facts = found.connect(new)
    await trusts.save_credentials(tx.connection, connected)
    tx.record(*facts)
    return SandboxSecretOut(
        sandbox=(await _shown(tx.connection, [made]))[0],
        credential_id=new.credential_id,
        secret=secret,
    )


@router.get("/sandboxes", summary="List the sandboxes")
async def list_sandboxes(read: Read) -> SandboxesOut:
    found = await store.all_of_them(read)
    return SandboxesOut(sandboxes=await _shown(read, found))


@changing.post(f"{PATH}/day", summary="Play one more day of a sandbox")
async def play_day(trust_id: UUID, tx: Tx, _: Nothing | None = None) -> SandboxOut:
    await reports.lock_trust(tx.connection, trust_id)
    found = await store.sandbox(tx.connection, trust_id)
    return (await _shown(tx.connection, [await playing.play_day(tx.connection, found)]))[0]


@changing.post(f"{PATH}/reset", summary="Put a sandbox back to its first day")
async def reset(trust_id: UUID, tx: Tx, _: Nothing | None = None) -> SandboxOut:
    """What its systems have reported and registered is gone, and its feed begins anew: its cursors
    are unknown. Schools, people and credentials stay as they are."""
    found = await _forgotten(tx, trust_id)
    return (await _shown(tx.connection, [await playing.begin(tx.connection, found)]))[0]


@changing.post(f"{PATH}/removal", summary="Remove a sandbox")
async def remove(trust_id: UUID, tx: Tx, now: Now, _: Nothing | None = None) -> SandboxRemovedOut:
    await store.sandbox(tx.connection, trust_id)
    found = await trusts.connection_of(tx.connection, trust_id)
    await _forgotten(tx, trust_id)
    if found.is_connected(now):
        tx.record(*found.revoke(now)[1])
    await store.remove(tx.connection, trust_id)
    return SandboxRemovedOut(trust_id=trust_id)


async def _shown(connection: asyncpg.Connection, sandboxes: Sequence[Sandbox]) -> list[SandboxOut]:
    told = await store.told(connection, [each.trust_id for each in sandboxes])
    return [SandboxOut.of(each, told.get(each.trust_id, 0)) for each in sandboxes]


async def _forgotten(tx: Transaction, trust_id: UUID) -> Sandbox:
    """The sandbox before its first day. Raises SandboxUnknown."""
    await store.sandbox(tx.connection, trust_id)
    await store.take_feeders_turn(tx.connection)
    await reports.lock_trust(tx.connection, trust_id)
    found = await store.sandbox(tx.connection, trust_id)
    for webhook in await webhooks.webhooks_of(tx.connection, trust_id, locked=True):
        tx.record(webhook.remove())
    begins = await store.next_beginning(tx.connection, trust_id)
    await store.forget(tx.connection, trust_id)
    return replace(found, begins=begins, days=0)


router.include_router(making)
router.include_router(changing)
