"""What others' events change here: scheduling's own tables of who is in the programme, and away.

An effect writes rows of its event's key only. Events of different keys come in any order, so
nothing here looks at what another key has written; that is joined when it is read.
"""

from collections.abc import Sequence

import asyncpg

from services.scheduling.store import absences
from services.scheduling.store import from_membership as store
from shared.events import integration, mis
from shared.events import membership as said
from shared.messaging import Effects, Received

effects = Effects()


@effects.on(said.NetworkEstablished)
async def know_network(
    tx: asyncpg.Connection, events: Sequence[Received[said.NetworkEstablished]]
) -> None:
    await store.put_networks(tx, [event.data for event in events])


@effects.on(said.NetworkRenamed)
async def rename_network(
    tx: asyncpg.Connection, events: Sequence[Received[said.NetworkRenamed]]
) -> None:
    await store.rename_networks(tx, [event.data for event in events])


@effects.on(said.NetworkClosed)
async def close_network(
    tx: asyncpg.Connection, events: Sequence[Received[said.NetworkClosed]]
) -> None:
    await store.close_networks(tx, [event.data for event in events])


@effects.on(said.AdviserAssigned)
async def assign_adviser(
    tx: asyncpg.Connection, events: Sequence[Received[said.AdviserAssigned]]
) -> None:
    await store.add_adviser_changes(
        tx,
        [
            (event.data.network_id, event.sequence, event.data.person_id, event.data.assigned_on,
             True)
            for event in events
        ],
    )  # fmt: skip


@effects.on(said.AdviserUnassigned)
async def unassign_adviser(
    tx: asyncpg.Connection, events: Sequence[Received[said.AdviserUnassigned]]
) -> None:
    await store.add_adviser_changes(
        tx,
        [
            (event.data.network_id, event.sequence, event.data.person_id, event.data.unassigned_on,
             False)
            for event in events
        ],
    )  # fmt: skip


@effects.on(said.SchoolRegistered)
async def know_school(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolRegistered]]
) -> None:
    await store.put_schools(tx, [event.data for event in events])


@effects.on(said.SchoolDetailsChanged)
async def change_school(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolDetailsChanged]]
) -> None:
    await store.put_schools(tx, [event.data for event in events])


@effects.on(said.SchoolUrnChanged)
async def change_urn(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolUrnChanged]]
) -> None:
    await store.change_urns(tx, [event.data for event in events])


@effects.on(said.SchoolJoined)
async def know_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolJoined]]
) -> None:
    await store.put_memberships(tx, [event.data for event in events])


@effects.on(said.SchoolMovedNetwork)
async def move_school(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolMovedNetwork]]
) -> None:
    await store.move_memberships(tx, [event.data for event in events])


@effects.on(said.MembershipPaused)
async def pause_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.MembershipPaused]]
) -> None:
    await store.pause_memberships(tx, [event.data for event in events])


@effects.on(said.MembershipResumed)
async def resume_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.MembershipResumed]]
) -> None:
    await store.resume_memberships(tx, [event.data for event in events])


@effects.on(said.MembershipCompleted)
async def complete_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.MembershipCompleted]]
) -> None:
    await store.end_memberships(
        tx, [(event.data.membership_id, event.data.completed_on) for event in events]
    )


@effects.on(said.SchoolLeft)
async def end_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolLeft]]
) -> None:
    await store.end_memberships(
        tx, [(event.data.membership_id, event.data.left_on) for event in events]
    )


@effects.on(said.MembershipCorrected)
async def correct_membership(
    tx: asyncpg.Connection, events: Sequence[Received[said.MembershipCorrected]]
) -> None:
    await store.correct_memberships(tx, [event.data for event in events])


@effects.on(said.SchoolJoinedGroup)
async def join_group(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolJoinedGroup]]
) -> None:
    await store.put_schools_in_groups(tx, [event.data for event in events])


@effects.on(said.SchoolLeftGroup)
async def leave_group(
    tx: asyncpg.Connection, events: Sequence[Received[said.SchoolLeftGroup]]
) -> None:
    await store.take_schools_out_of_groups(tx, [event.data for event in events])


@effects.on(said.LeaderAppointed)
async def know_post(
    tx: asyncpg.Connection, events: Sequence[Received[said.LeaderAppointed]]
) -> None:
    await store.put_posts(tx, [event.data for event in events])


@effects.on(said.LeaderLeft)
async def end_post(tx: asyncpg.Connection, events: Sequence[Received[said.LeaderLeft]]) -> None:
    await store.end_posts(tx, [event.data for event in events])


@effects.on(said.PeopleMerged)
async def merge_people(
    tx: asyncpg.Connection, events: Sequence[Received[said.PeopleMerged]]
) -> None:
    await store.merge_people(tx, [event.data for event in events])


@effects.on(said.PersonErased)
async def erase_person(
    tx: asyncpg.Connection, events: Sequence[Received[said.PersonErased]]
) -> None:
    await store.erase_people(tx, [event.data for event in events])


@effects.on(integration.StaffMatched)
async def know_match(
    tx: asyncpg.Connection, events: Sequence[Received[integration.StaffMatched]]
) -> None:
    await absences.put_matches(tx, [event.data for event in events])


@effects.on(mis.AbsenceReported)
async def know_absence(
    tx: asyncpg.Connection, events: Sequence[Received[mis.AbsenceReported]]
) -> None:
    await absences.put_absences(tx, [event.data for event in events])
