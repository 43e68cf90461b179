"""In any order across keys, and wherever the feeder has its turns, each trust is told its own."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.integration.store import feeding
from shared.events import membership as m
from tests.service.integration import neighbours as world
from tests.service.integration.neighbours import Happened, feed_all, owed, take_in
from tests.service.integration.world import named

TABLES = """
    feed, told, told_due, look_again, day_school, trust, group_school, school_urn, post, post_left,
    person_merge, erased_person
"""
LOG = world.neighbours(
    world.who_belongs_to_whom, world.dale_moves, world.a_shared_day, world.days_in_school,
    world.credits_of_people, world.a_merge,
)  # fmt: skip
BELONGING = (m.GroupRegistered, m.SchoolJoinedGroup, m.SchoolLeftGroup, m.LeaderAppointed,
             m.LeaderLeft, m.PeopleMerged)  # fmt: skip
KNOWN = [each for each in LOG.all if isinstance(each.event.data, BELONGING)]
LATER = [left for key in LOG.by_key() if (left := [each for each in key if each not in KNOWN])]
Step = Happened | int
"""An event takes effect, or the feeder has a turn, in which it looks at so many slices."""
quick = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def interleavings(keys: Sequence[Sequence[Happened]]) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Whose key's turn it is, and in how large a turn the feeder looks after it; 0: it does not."""
    turns = [number for number, events in enumerate(keys) for _ in events]
    looks = st.lists(st.sampled_from((0, 0, 1, 2, 100)), min_size=len(turns), max_size=len(turns))
    return st.tuples(st.permutations(turns), looks).map(lambda both: list(zip(*both, strict=True)))


def steps_of(
    keys: Sequence[Sequence[Happened]], drawn: Sequence[tuple[int, int]]
) -> Iterator[Step]:
    waiting = [iter(events) for events in keys]
    for number, most in drawn:
        yield next(waiting[number])
        if most:
            yield most


async def feeds(
    connection: asyncpg.Connection, steps: Iterable[Step]
) -> dict[str, list[asyncpg.Record]]:
    """What each trust has been told in the end, in its order."""
    await connection.execute(f"TRUNCATE {TABLES}")
    for step in steps:
        if isinstance(step, int):
            await feeding.take_turn(connection, step)
        else:
            await take_in(connection, [step.event])
    await feed_all(connection, 3)
    rows = await connection.fetch(
        """
        SELECT f.trust_id, f.position, t.id, t.stream, t.sequence, t.audience, t.audience_id
          FROM feed AS f
          JOIN told AS t ON t.position = f.told
         ORDER BY f.trust_id, f.position
        """
    )
    found: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row["trust_id"]].append(row)
    for of in found.values():
        assert [row["position"] for row in of] == list(range(1, len(of) + 1))
    return {name: found[named(name)] for name in world.TRUSTS}


@given(drawn=interleavings(LOG.by_key()))
@quick
async def test_in_any_order_each_trust_is_told_its_own(
    connection: asyncpg.Connection, drawn: list[tuple[int, int]]
) -> None:
    for trust, rows in (await feeds(connection, steps_of(LOG.by_key(), drawn))).items():
        own, most = owed(LOG, trust)
        ids = [row["id"] for row in rows]
        assert own <= set(ids) <= most
        assert len(set(ids)) == len(ids)
        assert out_of_order(rows, "stream", "audience_id") == []


@given(drawn=interleavings(LATER))
@quick
async def test_where_it_is_known_who_belongs_to_whom_each_trust_is_told_just_that_in_order(
    connection: asyncpg.Connection, drawn: list[tuple[int, int]]
) -> None:
    steps = [*KNOWN, *steps_of(LATER, drawn)]
    for trust, rows in (await feeds(connection, steps)).items():
        assert {row["id"] for row in rows} == owed(LOG, trust)[0]
        assert out_of_order(rows, "stream") == []


def out_of_order(rows: Iterable[asyncpg.Record], *columns: str) -> list[list[str]]:
    """Of what is alike in the columns the sequences, where they do not ascend."""
    found: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for column in columns)].append(row["sequence"])
    return [sequences for sequences in found.values() if sequences != sorted(sequences)]
