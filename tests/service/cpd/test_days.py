"""Days credit hours once, and whatever corrects them corrects the hours."""

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events import Received, scheduling
from shared.events.cpd import CpdCredited, CpdRevoked
from shared.events.vocabulary import Attendance, CancellationReason
from shared.messaging.connections import acquire
from tests.service.cpd.world import (
    World,
    appointed,
    corrected,
    delivered,
    held,
    merged,
    named,
    received,
    take_in,
)

ATTENDED, LATE, ABSENT = Attendance.ATTENDED, Attendance.LATE, Attendance.ABSENT


async def test_a_held_day_credits_each_attender_once(world: World) -> None:
    caused = await world.say(held("day", ("Anne", ATTENDED), ("Ben", LATE), ("Cleo", ABSENT)))
    assert {(event.type, event.key) for event in caused} == {
        (CpdCredited.type, str(named("Anne"))),
        (CpdCredited.type, str(named("Ben"))),
    }
    journal = await world.cpd.journal()
    assert len(journal) == 2


async def test_reopening_revokes_and_holding_again_credits_again(world: World) -> None:
    day = held("day", ("Anne", ATTENDED))
    (first,) = await world.say(day)
    (revoked,) = await world.say(scheduling.NetworkDayReopened(day_id=named("day")))
    (again,) = await world.say(day)
    assert isinstance(first, CpdCredited)
    assert isinstance(revoked, CpdRevoked)
    assert isinstance(again, CpdCredited)
    assert revoked.credit_id == first.credit_id != again.credit_id
    await world.say(appointed("Anne"))
    assert (await world.record("Anne"))["hours"] == "5.50"


async def test_a_corrected_register_corrects_the_hours(world: World) -> None:
    await world.say(appointed("Anne"), held("day", ("Anne", ATTENDED), ("Ben", ABSENT)))
    assert await world.say(corrected("Anne", ATTENDED, LATE)) == []
    (revoked,) = await world.say(corrected("Anne", LATE, ABSENT))
    (credited,) = await world.say(corrected("Ben", ABSENT, ATTENDED))
    assert (revoked.key, credited.key) == (str(named("Anne")), str(named("Ben")))
    assert (await world.record("Anne"))["hours"] == "0.00"


async def test_a_corrected_development_day_changes_only_what_differs(world: World) -> None:
    await world.say(appointed("Anne"), delivered("Anne", "Ben"))
    other = scheduling.DevelopmentDayCorrected
    (credited,) = await world.say(delivered("Anne", "Ben", "Cleo", event=other))
    assert credited.key == str(named("Cleo"))
    caused = await world.say(delivered("Anne", "Ben", hours="3", event=other))
    assert [type(event).__name__ for event in caused] == ["CpdRevoked"] * 3 + ["CpdCredited"] * 2
    record = await world.record("Anne")
    assert (record["hours"], record["by_source"]["development_day"]) == ("3.00", "3.00")


async def test_a_day_that_was_only_planned_is_cancelled_without_a_word(world: World) -> None:
    cancelled = scheduling.DevelopmentDayCancelled(
        day_id=named("visit"), reason=CancellationReason.OTHER
    )
    assert await world.say(cancelled) == []


async def test_the_same_causes_make_the_same_events(world: World) -> None:
    """Credits of a database that is rebuilt have the ids that they had."""
    event = received(1, 1, held("day", ("Anne", ATTENDED)))
    caused = []
    for _ in range(2):
        async with acquire(world.cpd.pool) as connection:
            transaction = connection.transaction()
            await transaction.start()
            caused.append([each.event for each in await take_in(connection, [event])])
            await transaction.rollback()
    assert caused[0] == caused[1]


LOG = {
    "day": [
        held("day", ("Anne", ATTENDED), ("Ben", ABSENT)),
        corrected("Anne", ATTENDED, ABSENT),
        corrected("Ben", ABSENT, LATE),
        scheduling.NetworkDayReopened(day_id=named("day")),
        held("day", ("Anne", ATTENDED), ("Ben", ATTENDED), hours="4"),
    ],
    "visit": [
        delivered("Anne", "Anna"),
        delivered("Anne", hours="2.5", event=scheduling.DevelopmentDayCorrected),
    ],
    "Anne": [appointed("Anne"), merged("Anne", "Anna")],
    "Ben": [appointed("Ben")],
}


@st.composite
def interleavings(draw: st.DrawFn) -> list[Received[Any]]:
    """The log in an order that keeps the order of each key."""
    waiting = {
        key: iter([received(hash_of(key) + n, n, event) for n, event in enumerate(events, 1)])
        for key, events in LOG.items()
    }
    turns = [key for key, events in LOG.items() for _ in events]
    return [next(waiting[key]) for key in draw(st.permutations(turns))]


def hash_of(key: str) -> int:
    """A number of its own for each key, the same in every run."""
    return 100 * list(LOG).index(key)


@given(events=interleavings())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_interleaving_of_keys_gives_the_same_credits(
    world: World, events: list[Received[Any]]
) -> None:
    async with acquire(world.cpd.pool) as connection:
        transaction = connection.transaction()
        await transaction.start()
        caused = await take_in(connection, events)
        rows = await connection.fetch(
            """
            SELECT person_that_stays(person_id) AS person_id, source, sum(hours) AS hours
              FROM earned
             WHERE NOT revoked
             GROUP BY 1, 2
             ORDER BY 2, 3
            """
        )
        await transaction.rollback()
    assert {(row["person_id"], row["source"], row["hours"]) for row in rows} == {
        (named("Anne"), "network_day", Decimal(4)),
        (named("Ben"), "network_day", Decimal(4)),
        (named("Anne"), "development_day", Decimal("2.5")),
    }
    # Anne, Anne's revocation, Ben, Ben's revocation, both again; the visit: two, two back, one.
    assert len(caused) == 11
