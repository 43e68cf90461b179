"""What Kafka holds of a person who has been erased: a tombstone last, while the relay runs."""

import asyncpg

from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.kernel.topics import records_of
from tests.service.membership.office import Office


async def all_sent(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def test_an_erased_person_has_a_tombstone_last_and_the_relay_goes_on(
    start: Start, topics: list[str], settings: Settings, issuer: LocalIssuer
) -> None:
    async with start("membership") as membership:
        office = Office(pool=membership.pool, client=membership.client, issuer=issuer)
        people = [await office.person(name=f"Ada {number}") for number in range(8)]
        for person in people[::2]:
            await office.say("PATCH", f"/people/{person['person_id']}", {"name": "Ada Changed"})
            await office.do(f"/people/{person['person_id']}/erasure")
        last = await office.person(name="Ada Last")
        await eventually(lambda: all_sent(membership.pool), what="all events are sent")
    records = await records_of(settings, "aspire.people")
    newest = {(record.key or b"").decode(): record.value for record in records}
    for number, person in enumerate(people):
        assert (newest[person["person_id"]] is None) == (number % 2 == 0)
    assert newest[last["person_id"]]
