"""What other services' events change here: what trusts report of their staff becomes posts.

A report, who it is and what they are called come under one key by three topics, in any order and
to any replica. Each effect keeps its part in the record's row, which stays locked until the commit,
and whichever completes the row decides. What a rule does not allow is an outcome, which the trust
can see. Membership's own commands need none of this: without Kafka they go on.
"""

from collections.abc import Iterable, Sequence

import asyncpg

from services.membership.domain.person import Person, Post
from services.membership.domain.reported import ReportedPost
from services.membership.store import people as people_store
from services.membership.store import reported as store
from shared.events import Event, integration, mis
from shared.messaging import Caused, Effects, Received

effects = Effects()


@effects.on(mis.StaffReported)
async def keep_report(
    tx: asyncpg.Connection, events: Sequence[Received[mis.StaffReported]]
) -> list[Caused]:
    return await _settle(tx, events, await store.put_reports(tx, events))


@effects.on(mis.StaffLeft)
async def keep_leaving(
    tx: asyncpg.Connection, events: Sequence[Received[mis.StaffLeft]]
) -> list[Caused]:
    return await _settle(tx, events, await store.put_leavings(tx, events))


@effects.on(integration.StaffMatched)
async def keep_match(
    tx: asyncpg.Connection, events: Sequence[Received[integration.StaffMatched]]
) -> list[Caused]:
    return await _settle(tx, events, await store.put_matches(tx, events))


@effects.on(mis.StaffProfile)
async def keep_name(
    tx: asyncpg.Connection, events: Sequence[Received[mis.StaffProfile]]
) -> list[Caused]:
    names = [(event.data.record, event.data.name, event.data.email) for event in events]
    return await _settle(tx, events, await store.put_names(tx, names))


@effects.on(mis.StaffProfileErased)
async def forget_name(
    tx: asyncpg.Connection, events: Sequence[Received[mis.StaffProfileErased]]
) -> None:
    await store.put_names(tx, [(event.data.record, None, None) for event in events])


async def _settle(
    tx: asyncpg.Connection,
    events: Sequence[Received[Event]],
    rows: Sequence[ReportedPost],
) -> list[Caused]:
    """Decides on every row that is whole, and says what follows."""
    cause = {event.key: event for event in events}
    person_ids = {row.person_id for row in rows if row.person_id is not None}
    if not person_ids:
        return []
    school_ids = {row.reported.school_id for row in rows if row.reported is not None}
    schools = await store.schools_of(tx, school_ids)
    known = await store.people_of(tx, person_ids)
    people = dict(known)
    settled: list[ReportedPost] = []
    posts: dict[object, Post] = {}
    caused: list[Caused] = []
    for row in sorted(rows, key=lambda row: row.record):
        before = None if row.person_id is None else people.get(row.person_id)
        school = None if row.reported is None else schools.get(row.reported.school_id)
        now, person, changed, facts = row.settle(before, school)
        if now != row:
            settled.append(now)
        if person is not None:
            people.update({each: person for each, of in people.items() if of is before})
            people[person.person_id] = person
        posts.update({post.post_id: post for post in changed})
        caused += [Caused(cause[row.record], fact) for fact in facts]
    await _save_people(tx, known.values(), people.values())
    if posts:
        await store.save_posts(tx, list(posts.values()))
    if settled:
        await store.save(tx, settled)
    return caused


async def _save_people(
    tx: asyncpg.Connection, before: Iterable[Person], now: Iterable[Person]
) -> None:
    """Who is new, and whose address is another now."""
    addresses = {person.person_id: person.email for person in before}
    people = {person.person_id: person for person in now}
    new = [person for person_id, person in people.items() if person_id not in addresses]
    called = [
        person
        for person_id, person in people.items()
        if person_id in addresses and person.email != addresses[person_id]
    ]
    if new:
        await people_store.add_people(tx, new)
    if called:
        await people_store.save_profiles(tx, called)
