"""Which trusts, schools and people there are."""

from collections.abc import Sequence

import asyncpg

from services.integration.domain.staff import Staff
from services.integration.domain.telling import Audience
from services.integration.store import links, people, reports, telling
from services.integration.store import trusts as store
from shared.events import membership
from shared.messaging import Caused, Effects, Received

effects = Effects()


# Trusts and schools


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
    await telling.look_again(tx, Audience.SCHOOL, [event.data.school_id for event in events])


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


# People


@effects.on(membership.PersonProfile)
async def know_profile(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PersonProfile]]
) -> None:
    await people.put_profiles(tx, [event.data for event in events])


@effects.on(membership.PersonProfileErased)
async def forget_profile(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PersonProfileErased]]
) -> None:
    await people.forget_profiles(tx, [event.data.person_id for event in events])


@effects.on(membership.LeaderAppointed)
async def know_post(
    tx: asyncpg.Connection, events: Sequence[Received[membership.LeaderAppointed]]
) -> None:
    await people.put_posts(tx, [event.data for event in events])
    await telling.look_again(tx, Audience.PERSON, [event.data.person_id for event in events])


@effects.on(membership.LeaderLeft)
async def end_post(
    tx: asyncpg.Connection, events: Sequence[Received[membership.LeaderLeft]]
) -> None:
    await people.end_posts(tx, [event.data for event in events])


@effects.on(membership.PeopleMerged)
async def merge_people(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PeopleMerged]]
) -> None:
    await people.merge_people(tx, [event.data for event in events])
    await telling.look_again(tx, Audience.PERSON, [event.data.person_id for event in events])


@effects.on(membership.PersonErased)
async def erase_person(
    tx: asyncpg.Connection, events: Sequence[Received[membership.PersonErased]]
) -> list[Caused]:
    """What names the person goes here and on aspire.mis.people, whatever a trust calls them.

    It writes records of trusts, which another key owns, so it takes the turn of each of them: a
    request that is taken in this moment is waited for, and a later one finds the record erased.
    """
    person_ids = [event.data.person_id for event in events]
    await people.erase_people(tx, person_ids)
    await links.lock_trusts_of(tx, person_ids)
    cause = {event.data.person_id: event for event in events}
    caused: list[Caused] = []
    erased: list[Staff] = []
    for person_id, staff in await links.staff_who_are(tx, person_ids):
        gone, facts = staff.erase()
        erased.append(gone)
        caused += [Caused(cause[person_id], fact) for fact in facts]
    if erased:
        await reports.forget_staff(tx, erased)
    return caused
