"""A trust's feed as the store keeps it, and feeders that meet."""

import asyncio
from typing import Any

import asyncpg
import pytest

from deploy.docs.samples import sample
from services.integration.domain.telling import TYPES, ExternalIds
from services.integration.store import feed, feeding
from shared.events import cpd
from shared.events import membership as said
from tests.conftest import Database
from tests.service.integration.neighbours import (
    WHOLE,
    a_merge,
    appointed,
    credits_of_people,
    feed_all,
    neighbours,
    take_in,
    who_belongs_to_whom,
)
from tests.service.integration.world import joined, named, school, trust

SOLENT = named("Solent")


async def happen(connection: asyncpg.Connection, *parts: Any) -> None:
    await take_in(connection, [each.event for each in neighbours(*parts).all])


async def test_a_feed_is_read_from_any_position(connection: asyncpg.Connection) -> None:
    await happen(connection, who_belongs_to_whom)
    assert await feed.end(connection, SOLENT) == 0
    assert await feed_all(connection) > 0
    end = await feed.end(connection, SOLENT)
    whole = await feed.after(connection, SOLENT, 0, 100)
    assert [each.position for each in whole] == list(range(1, end + 1))
    assert await feed.after(connection, SOLENT, 2, 3) == whole[2:5]
    assert await feed.after(connection, SOLENT, end, 100) == []
    assert await feed.after(connection, named("Nobody"), 0, 100) == []
    first = whole[0]
    assert (first.type, first.stream) == (said.GroupRegistered.type, f"membership/{SOLENT}")
    assert first.data["name"] == "Solent"


async def test_types_leave_out_the_others(connection: asyncpg.Connection) -> None:
    await happen(connection, who_belongs_to_whom)
    await feed_all(connection)
    wanted = [said.LeaderAppointed.type]
    found = await feed.after(connection, SOLENT, 0, 2, wanted)
    assert [each.type for each in found] == 2 * wanted
    everything = await feed.after(connection, SOLENT, 0, 100, sorted(TYPES))
    assert everything == await feed.after(connection, SOLENT, 0, 100)


async def test_a_school_that_joins_brings_its_past_in_small_turns(
    connection: asyncpg.Connection,
) -> None:
    log = neighbours(who_belongs_to_whom)
    late = [each.event for each in log.all if isinstance(each.event.data, said.SchoolJoinedGroup)]
    renamed = sample(said.SchoolDetailsChanged, school_id=named("Ash"))
    for _ in range(50):
        log.add(renamed, log.all[0].event.time.date(), "Solent")
    await take_in(connection, [each.event for each in log.all if each.event not in late])
    await feed_all(connection)
    before = await feed.end(connection, SOLENT)
    await take_in(connection, late)
    assert await feeding.take_turn(connection, 7) <= 7
    assert await feed_all(connection, 7) > 40
    found = await feed.after(connection, SOLENT, before, 100)
    changes = [each.sequence for each in found if each.type == renamed.type]
    assert changes == [f"{number:012d}" for number in range(2, 52)]


async def test_feeders_that_meet_leave_no_gap_and_say_nothing_twice(database: Database) -> None:
    dsn = await database("integration")
    connections = [await asyncpg.connect(dsn) for _ in range(3)]
    log = neighbours(*WHOLE)

    async def feeds(connection: asyncpg.Connection, done: asyncio.Event) -> None:
        while not done.is_set() or await feeding.is_due(connection):
            try:
                await feeding.take_turn(connection, 5)
            except asyncpg.SerializationError:
                continue

    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for connection in connections[1:]:
            group.create_task(feeds(connection, done))
        for each in log.all:
            await take_in(connections[0], [each.event])
        done.set()
    rows = await connections[0].fetch(
        "SELECT trust_id, count(*), min(position), max(position) FROM feed GROUP BY trust_id"
    )
    assert len(rows) == 3
    assert all((row["min"], row["max"]) == (1, row["count"]) for row in rows)
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("feeder_between", [False, True])
async def test_what_two_replicas_have_each_a_half_of_is_told(
    database: Database, feeder_between: bool
) -> None:
    """The slice and the stay are in transactions that do not see each other."""
    dsn = await database("integration")
    one, other, feeder = [await asyncpg.connect(dsn) for _ in range(3)]
    log = neighbours(who_belongs_to_whom)
    stays = [each.event for each in log.all if isinstance(each.event.data, said.SchoolJoinedGroup)]
    slices, halves = one.transaction(), other.transaction()
    await slices.start()
    await halves.start()
    await take_in(one, [e.event for e in log.all if e.event not in stays])
    await take_in(other, stays)
    await slices.commit()
    if feeder_between:
        await feed_all(feeder)
    await halves.commit()
    await feed_all(feeder)
    schools = [
        each.subject
        for each in await feed.after(feeder, SOLENT, 0, 100, [said.SchoolRegistered.type])
    ]
    assert schools == [str(named("Ash")), str(named("Dale"))]
    for connection in (one, other, feeder):
        await connection.close()


async def test_a_digest_is_of_what_was_read_in_whatever_order(database: Database) -> None:
    log = neighbours(who_belongs_to_whom, credits_of_people)
    first, *rest = [each.event for each in log.all]
    found = []
    for events in ([first, *rest], [*reversed(rest), first]):
        connection = await asyncpg.connect(await database("integration"))
        await take_in(connection, events)
        await feed_all(connection)
        end = await feed.end(connection, SOLENT)
        found.append((end, await feed.digest(connection, SOLENT, end)))
        assert await feed.digest(connection, SOLENT, 1) != found[-1][1]
        assert await feed.digest(connection, SOLENT, 0) == 0
        assert await feed.digest(connection, SOLENT, end + 1) is None
        await connection.close()
    assert found[0] == found[1]


async def test_external_ids_are_the_trusts_own_and_follow_merges(
    connection: asyncpg.Connection,
) -> None:
    await happen(connection, who_belongs_to_whom, a_merge)
    await feed_all(connection)
    await connection.execute("ALTER TABLE link DROP CONSTRAINT link_trust_id_external_id_fkey")
    await connection.executemany(
        "INSERT INTO link VALUES (gen_random_uuid(), $1, $2, $3, '{}')",
        [
            (SOLENT, "E1", named("Zoe")),
            (SOLENT, "E2", named("Xia")),
            (named("Tamar"), "E3", named("Xia")),
        ],
    )
    await connection.execute(
        "INSERT INTO reported_school VALUES ($1, 'S1', $2)", SOLENT, named("Ash")
    )
    told = await feed.after(connection, SOLENT, 0, 100)
    found = await feed.external_ids(connection, SOLENT, told)
    assert found.people == {str(named(each)): ["E1", "E2"] for each in ("Zoe", "Xia")}
    assert found.schools == {str(named("Ash")): ["S1"]}
    assert await feed.external_ids(connection, SOLENT, []) == ExternalIds()


async def test_a_post_that_was_known_before_its_first_day_was_kept_counts_as_one_that_always_was(
    connection: asyncpg.Connection,
) -> None:
    log = neighbours()
    day = neighbours(who_belongs_to_whom).all[0].event.time.date()
    log.add(trust("Solent"), day)
    log.add(joined("Solent", "Ash"), day)
    log.add(school("Ash", 100001), day)
    log.add(appointed("Zoë", "Ash"), day)
    log.add(sample(cpd.CpdCredited, person_id=named("Zoë"), school_id=None), day)
    await take_in(connection, [each.event for each in log.all])
    await connection.execute("UPDATE post SET appointed_on = NULL")
    await feed_all(connection)
    assert len(await feed.after(connection, SOLENT, 0, 100, [cpd.CpdCredited.type])) == 1
