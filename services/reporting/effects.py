"""What events change here: the rows that the figures are worked out from.

Every effect keeps what its event says under the event's own key, whatever other keys have said or
not said yet. Types that say nothing about a figure have no effect: pauses, inspections, bookings.
"""

from collections.abc import Sequence

import asyncpg

from services.reporting.store import projections as store
from shared.events import cpd, membership, scheduling
from shared.messaging import Effects, Received

effects = Effects()


# membership


@effects.on(membership.NetworkEstablished)
async def know_network(
    tx: asyncpg.Connection, events: Sequence[Received[membership.NetworkEstablished]]
) -> None:
    await store.put_networks(tx, [event.data for event in events])


@effects.on(membership.NetworkRenamed)
async def rename_network(
    tx: asyncpg.Connection, events: Sequence[Received[membership.NetworkRenamed]]
) -> None:
    await store.rename_networks(tx, [event.data for event in events])


@effects.on(membership.NetworkClosed)
async def close_network(
    tx: asyncpg.Connection, events: Sequence[Received[membership.NetworkClosed]]
) -> None:
    await store.close_networks(tx, [event.data for event in events])


@effects.on(membership.SchoolRegistered)
async def know_school(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolRegistered]]
) -> None:
    await store.put_schools(tx, [event.data for event in events])


@effects.on(membership.SchoolDetailsChanged)
async def rename_school(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolDetailsChanged]]
) -> None:
    await store.put_schools(tx, [event.data for event in events])


@effects.on(membership.SchoolJoined)
async def begin_membership(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolJoined]]
) -> None:
    await store.put_memberships(tx, [event.data for event in events])


@effects.on(membership.SchoolMovedNetwork)
async def move_school(
    tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolMovedNetwork]]
) -> None:
    await store.add_moves(tx, [(event.sequence, event.data) for event in events])


@effects.on(membership.MembershipCompleted)
async def complete_membership(
    tx: asyncpg.Connection, events: Sequence[Received[membership.MembershipCompleted]]
) -> None:
    await store.end_memberships(tx, [(e.data.membership_id, e.data.completed_on) for e in events])


@effects.on(membership.SchoolLeft)
async def leave(tx: asyncpg.Connection, events: Sequence[Received[membership.SchoolLeft]]) -> None:
    await store.end_memberships(tx, [(e.data.membership_id, e.data.left_on) for e in events])


@effects.on(membership.MembershipCorrected)
async def correct_membership(
    tx: asyncpg.Connection, events: Sequence[Received[membership.MembershipCorrected]]
) -> None:
    await store.correct_memberships(tx, [event.data for event in events])


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


@effects.on(membership.PeopleMerged)
async def merge_people(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PeopleMerged]]
) -> None:
    await store.merge_people(tx, [event.data for event in events])


# scheduling


@effects.on(scheduling.NetworkDayScheduled)
async def schedule_network_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayScheduled]]
) -> None:
    await store.put_network_days(tx, [event.data for event in events], "scheduled")


@effects.on(scheduling.NetworkDayRescheduled)
async def reschedule_network_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayRescheduled]]
) -> None:
    await store.reschedule_network_days(tx, [event.data for event in events])


@effects.on(scheduling.NetworkDayCancelled)
async def cancel_network_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayCancelled]]
) -> None:
    await store.set_network_days(tx, [event.data.day_id for event in events], "cancelled")


@effects.on(scheduling.NetworkDayHeld)
async def hold_network_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayHeld]]
) -> None:
    await store.put_network_days(tx, [event.data for event in events], "held")
    await store.put_registers(
        tx, ((event.data.day_id, entry) for event in events for entry in event.data.entries)
    )


@effects.on(scheduling.NetworkDayReopened)
async def reopen_network_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayReopened]]
) -> None:
    await store.set_network_days(tx, [event.data.day_id for event in events], "scheduled")


@effects.on(scheduling.AttendanceCorrected)
async def correct_register(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.AttendanceCorrected]]
) -> None:
    await store.put_registers(
        tx,
        (
            (
                event.data.day_id,
                scheduling.RegisterEntry(
                    place_id=event.data.place_id,
                    person_id=event.data.person_id,
                    school_id=event.data.school_id,
                    role=event.data.role,
                    attendance=event.data.attendance,
                ),
            )
            for event in events
        ),
    )


@effects.on(scheduling.DevelopmentDayPlanned)
async def plan_development_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayPlanned]]
) -> None:
    await store.put_development_days(tx, [event.data for event in events], "planned")


@effects.on(scheduling.DevelopmentDayRescheduled)
async def reschedule_development_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayRescheduled]]
) -> None:
    await store.reschedule_development_days(tx, [event.data for event in events])


@effects.on(scheduling.DevelopmentDayDelivered)
async def deliver_development_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayDelivered]]
) -> None:
    days = [event.data for event in events]
    await store.put_development_days(tx, days, "delivered")
    await store.replace_participants(tx, days)


@effects.on(scheduling.DevelopmentDayCorrected)
async def correct_development_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayCorrected]]
) -> None:
    days = [event.data for event in events]
    await store.put_development_days(tx, days, "delivered")
    await store.replace_participants(tx, days)


@effects.on(scheduling.DevelopmentDayCancelled)
async def cancel_development_day(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayCancelled]]
) -> None:
    await store.cancel_development_days(tx, [event.data.day_id for event in events])


# cpd


@effects.on(cpd.CpdCredited)
async def credit(tx: asyncpg.Connection, events: Sequence[Received[cpd.CpdCredited]]) -> None:
    await store.put_credits(tx, [event.data for event in events], revoked=False)


@effects.on(cpd.CpdRevoked)
async def revoke(tx: asyncpg.Connection, events: Sequence[Received[cpd.CpdRevoked]]) -> None:
    await store.put_credits(tx, [event.data for event in events], revoked=True)
