"""What other services' events change here: days credit and revoke, membership tells of people.

An effect writes rows of its event's key only: a day owns its credits, a person their posts. Who is
the same person as whom, and who is at which school, is joined when it is read.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

import asyncpg

from services.cpd import domain, store
from shared.events import membership, scheduling
from shared.events.envelope import Event
from shared.messaging import Caused, Effects, Received
from shared.web import erase_answers_about

effects = Effects()

E = TypeVar("E", bound=Event)


# Days


@effects.on(scheduling.NetworkDayHeld)
async def credit_attenders(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayHeld]]
) -> list[Caused]:
    return await _settle(
        tx, events, {e.data.day_id: domain.credits_of_held_day(e.id, e.data) for e in events}
    )


@effects.on(scheduling.NetworkDayReopened)
async def revoke_all(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.NetworkDayReopened]]
) -> list[Caused]:
    return await _settle(tx, events, {e.data.day_id: [] for e in events})


@effects.on(scheduling.AttendanceCorrected)
async def correct_attendance(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.AttendanceCorrected]]
) -> list[Caused]:
    before = await store.standing(tx, [e.data.day_id for e in events])
    after = {
        e.data.day_id: domain.credits_after_correction(e.id, e.data, before[e.data.day_id])
        for e in events
    }
    return await _settle(tx, events, after, before)


@effects.on(scheduling.DevelopmentDayDelivered)
async def credit_participants(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayDelivered]]
) -> list[Caused]:
    return await _settle(
        tx, events, {e.data.day_id: domain.credits_of_delivered_day(e.id, e.data) for e in events}
    )


@effects.on(scheduling.DevelopmentDayCorrected)
async def correct_participants(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayCorrected]]
) -> list[Caused]:
    return await _settle(
        tx, events, {e.data.day_id: domain.credits_of_delivered_day(e.id, e.data) for e in events}
    )


@effects.on(scheduling.DevelopmentDayCancelled)
async def revoke_participants(
    tx: asyncpg.Connection, events: Sequence[Received[scheduling.DevelopmentDayCancelled]]
) -> list[Caused]:
    """Nothing to do for a day that was only planned; a delivered one counts no longer."""
    return await _settle(tx, events, {e.data.day_id: [] for e in events})


async def _settle(
    tx: asyncpg.Connection,
    events: Sequence[Received[E]],
    after: Mapping[UUID, Sequence[domain.Credit]],
    before: Mapping[UUID, Sequence[domain.Credit]] | None = None,
) -> list[Caused]:
    """Makes exactly the credits in `after` stand for each day, and says what that changed."""
    if before is None:
        before = await store.standing(tx, list(after))
    changes = {day: domain.difference(before[day], wanted) for day, wanted in after.items()}
    if revoked := [credit for change in changes.values() for credit in change.revoked]:
        await store.revoke(tx, revoked)
    if credited := [credit for change in changes.values() for credit in change.credited]:
        await store.add(tx, credited)
    return [
        Caused(event, happened)
        for event in events
        for happened in changes[UUID(event.key)].events()
    ]


# People


@effects.on(membership.LeaderAppointed)
async def know_post(
    tx: asyncpg.Connection, events: Sequence[Received[membership.LeaderAppointed]]
) -> None:
    await store.know_people(tx, [event.data.person_id for event in events])
    await store.put_posts(tx, [event.data for event in events])


@effects.on(membership.LeaderLeft)
async def end_post(
    tx: asyncpg.Connection, events: Sequence[Received[membership.LeaderLeft]]
) -> None:
    await store.know_people(tx, [event.data.person_id for event in events])
    await store.end_posts(tx, [event.data for event in events])


@effects.on(membership.PeopleMerged)
async def merge_people(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PeopleMerged]]
) -> None:
    person_ids = [event.data.person_id for event in events]
    await store.know_people(tx, person_ids)
    await store.merge_people(tx, [event.data for event in events])
    await _forget(tx, person_ids)


@effects.on(membership.PersonErased)
async def erase_people(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PersonErased]]
) -> None:
    """What was earned stays, under an id that no longer leads to anybody; free text goes."""
    person_ids = [event.data.person_id for event in events]
    await store.erase_people(tx, person_ids)
    await _forget(tx, person_ids)


async def _forget(tx: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    if erased := await store.forget_titles(tx, person_ids):
        await erase_answers_about(tx, *erased)


# Groups


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
