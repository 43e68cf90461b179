"""What other services' events change here: which trusts there are, and which schools are theirs.

An effect writes rows of its event's key only; what spans keys is joined when it is read.
"""

from collections.abc import Sequence

import asyncpg

from services.integration.store import trusts as store
from shared.events import membership
from shared.messaging import Effects, Received

effects = Effects()


@effects.on(membership.GroupRegistered)
async def know_trust(
    tx: asyncpg.Connection, events: Sequence[Received[membership.GroupRegistered]]
) -> None:
    await store.put_trusts(tx, [event.data for event in events])


@effects.on(membership.GroupRenamed)
async def rename_trust(
    tx: asyncpg.Connection, events: Sequence[Received[membership.GroupRenamed]]
) -> None:
    await store.rename_trusts(tx, [event.data for event in events])


@effects.on(membership.SchoolJoinedGroup)
async def put_in_group(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolJoinedGroup]]
) -> None:
    await store.put_in_groups(tx, [event.data for event in events])


@effects.on(membership.SchoolLeftGroup)
async def take_out_of_group(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolLeftGroup]]
) -> None:
    await store.take_out_of_groups(tx, [event.data for event in events])


@effects.on(membership.SchoolRegistered)
async def know_school(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolRegistered]]
) -> None:
    await store.put_urns(tx, [(e.data.school_id, e.data.details.urn, None) for e in events])


@effects.on(membership.SchoolUrnChanged)
async def follow_urn(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolUrnChanged]]
) -> None:
    await store.put_urns(
        tx, [(e.data.school_id, e.data.new_urn, e.data.changed_on) for e in events]
    )
