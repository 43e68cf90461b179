"""Membership's events fill scheduling's tables, whatever the order across keys."""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scheduling.store import known
from shared.events import Event, Received
from shared.events import membership as said
from shared.events.vocabulary import Framework, LeavingReason, Pathway, Role
from tests.conftest import Database
from tests.service.scheduling.world import (
    ENDS,
    JOINED,
    appointed,
    network_established,
    received,
    school_joined,
    school_registered,
    take,
)

TABLES = (
    "network",
    "adviser_change",
    "school",
    "school_membership",
    "membership_move",
    "membership_pause",
    "group_school",
    "post",
    "post_left",
    "person_merge",
    "erased_person",
)

NORTH, SOUTH, SCHOOL, MEMBERSHIP, GROUP, ANN, ANNE, BO = (UUID(int=i) for i in range(1, 9))


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(await database("scheduling"))
    yield connection
    await connection.close()


def day(text: str) -> date:
    return date.fromisoformat(text)


def moved(to: UUID, on: str) -> said.SchoolMovedNetwork:
    return said.SchoolMovedNetwork(
        school_id=SCHOOL,
        membership_id=MEMBERSHIP,
        from_network_id=NORTH,
        to_network_id=to,
        moved_on=day(on),
    )


def corrected(*wrong: str, **changes: Any) -> said.MembershipCorrected:
    facts: dict[str, Any] = {
        "school_id": SCHOOL,
        "membership_id": MEMBERSHIP,
        "wrong": wrong,
        "network_id": NORTH,
        "pathway": Pathway.PARTNER_SCHOOLS,
        "joined_on": JOINED,
        "ends_on": ENDS,
        "starting_point": said.StartingPoint(framework=Framework.NOT_INSPECTED),
    }
    return said.MembershipCorrected(**{**facts, **changes})


def paused(on: str) -> said.MembershipPaused:
    return said.MembershipPaused(school_id=SCHOOL, membership_id=MEMBERSHIP, paused_on=day(on))


def resumed(on: str) -> said.MembershipResumed:
    return said.MembershipResumed(school_id=SCHOOL, membership_id=MEMBERSHIP, resumed_on=day(on))


def left(on: str) -> said.SchoolLeft:
    return said.SchoolLeft(
        school_id=SCHOOL, membership_id=MEMBERSHIP, left_on=day(on), reason=LeavingReason.OTHER
    )


JOIN = school_joined(SCHOOL, NORTH, membership_id=MEMBERSHIP)
ANNES_POST = appointed(ANNE, SCHOOL, Role.SENIOR_LEADER, post_id=UUID(int=20))

HISTORY: list[Event] = [
    network_established(NORTH),
    said.NetworkRenamed(network_id=NORTH, name="Aire and Wharfe"),
    said.AdviserAssigned(network_id=NORTH, person_id=BO, assigned_on=JOINED),
    network_established(SOUTH, name="Solent"),
    said.AdviserAssigned(network_id=SOUTH, person_id=ANNE, assigned_on=JOINED),
    said.AdviserUnassigned(network_id=SOUTH, person_id=ANNE, unassigned_on=day("2027-01-01")),
    said.NetworkClosed(network_id=SOUTH, closed_on=day("2028-08-31")),
    school_registered(SCHOOL),
    JOIN,
    paused("2026-10-01"),
    resumed("2026-11-01"),
    moved(SOUTH, "2027-01-01"),
    corrected("joined_on", joined_on=day("2026-09-15")),
    said.SchoolUrnChanged(
        school_id=SCHOOL, old_urn=100_001, new_urn=150_000, changed_on=day("2027-02-01")
    ),
    left("2028-01-31"),
    said.SchoolJoinedGroup(group_id=GROUP, school_id=SCHOOL, joined_on=JOINED),
    said.SchoolLeftGroup(group_id=GROUP, school_id=SCHOOL, left_on=day("2027-09-01")),
    said.SchoolJoinedGroup(group_id=GROUP, school_id=SCHOOL, joined_on=day("2028-09-01")),
    appointed(ANN, SCHOOL, Role.MIDDLE_LEADER, post_id=UUID(int=21)),
    said.PeopleMerged(person_id=ANN, merged_person_id=ANNE),
    said.LeaderLeft(
        person_id=ANN, post_id=ANNES_POST.post_id, school_id=SCHOOL, left_on=day("2027-08-31")
    ),
    ANNES_POST,
    appointed(BO, SCHOOL, Role.HEADTEACHER, post_id=UUID(int=22)),
    said.PersonErased(person_id=BO),
]


async def tell(connection: asyncpg.Connection, *events: Event) -> None:
    sequences = Counter[str]()
    for event in events:
        sequences[event.key] += 1
        await take(connection, [received(event, sequences[event.key])])


async def tables(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: sorted(
            (tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")),  # noqa: S608
            key=repr,
        )
        for table in TABLES
    }


def in_calls(order: Sequence[str], batches: Sequence[int]) -> list[list[Received[Any]]]:
    """The history with its keys in `order`, as a consumer calls the effects: batch by batch, in
    waves of the first event of each key, then the second, each grouped by type."""
    waiting = defaultdict[str, deque[Received[Any]]](deque)
    for event in HISTORY:
        waiting[event.key].append(received(event, len(waiting[event.key]) + 1))
    events = deque(waiting[key].popleft() for key in order)
    calls = []
    for size in [*batches, len(order)]:
        batch = [events.popleft() for _ in range(min(size, len(events)))]
        waves = defaultdict[tuple[int, str], list[Received[Any]]](list)
        seen = Counter[str]()
        for each in batch:
            waves[seen[each.key], each.data.type].append(each)
            seen[each.key] += 1
        calls += [waves[wave] for wave in sorted(waves)]
    return calls


@given(
    order=st.permutations([event.key for event in HISTORY]),
    batches=st.lists(st.integers(1, 8), max_size=6),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_interleaving_of_keys_gives_the_same_tables(
    connection: asyncpg.Connection, order: list[str], batches: list[int]
) -> None:
    async def after(calls: list[list[Received[Any]]]) -> dict[str, list[tuple[Any, ...]]]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for call in calls:
                await take(connection, call)
            return await tables(connection)
        finally:
            await transaction.rollback()

    expected = await after(in_calls([event.key for event in HISTORY], [1] * len(HISTORY)))
    assert all(expected.values())
    assert await after(in_calls(order, batches)) == expected


@pytest.mark.parametrize(
    ("events", "networks"),
    [
        (
            [JOIN],
            {"2026-08-31": None, "2026-09-01": NORTH, "2029-08-31": NORTH, "2029-09-01": None},
        ),
        (
            [JOIN, moved(SOUTH, "2027-01-01")],
            {"2026-12-31": NORTH, "2027-01-01": SOUTH},
        ),
        (
            [JOIN, paused("2026-10-01"), resumed("2026-11-01"), paused("2027-03-01")],
            {"2026-09-30": NORTH, "2026-10-01": None, "2026-10-31": None, "2026-11-01": NORTH,
             "2027-02-28": NORTH, "2028-03-01": None},
        ),
        ([JOIN, left("2027-07-31")], {"2027-07-31": NORTH, "2027-08-01": None}),
        (
            [JOIN, moved(SOUTH, "2027-01-01"), corrected("pathway", network_id=SOUTH)],
            {"2026-12-31": NORTH, "2027-01-01": SOUTH},
        ),
        (
            [JOIN, corrected("network_id", network_id=SOUTH)],
            {"2026-09-01": SOUTH},
        ),
        (
            [JOIN, corrected("joined_on", joined_on=day("2026-10-01"))],
            {"2026-09-30": None, "2026-10-01": NORTH},
        ),
        ([JOIN, corrected("void", void=True)], {"2026-09-01": None}),
        (
            [JOIN, left("2026-12-31"), school_joined(SCHOOL, SOUTH, joined_on=day("2027-09-01"))],
            {"2026-12-31": NORTH, "2027-01-01": None, "2027-09-01": SOUTH},
        ),
    ],
)  # fmt: skip
async def test_a_school_is_in_a_network_by_the_date(
    connection: asyncpg.Connection, events: list[Event], networks: dict[str, UUID | None]
) -> None:
    await tell(connection, *events)
    found = {on: (await known.school_on(connection, SCHOOL, day(on))).network_id for on in networks}
    assert found == networks


async def test_posts_of_merged_people_are_one_persons(connection: asyncpg.Connection) -> None:
    await tell(connection, *(event for event in HISTORY if event.key in map(str, (ANN, ANNE))))
    for on, role in (("2027-08-31", Role.SENIOR_LEADER), ("2027-09-01", Role.MIDDLE_LEADER)):
        staff = await known.staff(connection, [ANN, ANNE], SCHOOL, day(on))
        assert {given: (each.person_id, each.role) for given, each in staff.items()} == {
            ANN: (ANN, role),
            ANNE: (ANN, role),
        }


async def test_merges_of_merges_end_at_the_person_that_stays(
    connection: asyncpg.Connection,
) -> None:
    first, second, third = (uuid4() for _ in range(3))
    await tell(
        connection,
        said.PeopleMerged(person_id=second, merged_person_id=third),
        said.PeopleMerged(person_id=first, merged_person_id=second),
    )
    for each in (first, second, third):
        assert await known.ids_of_person(connection, each) == {first, second, third}
        assert (await known.adviser_on(connection, each, JOINED)).person_id == first


async def test_an_adviser_is_a_networks_from_assignment_to_unassignment(
    connection: asyncpg.Connection,
) -> None:
    await tell(
        connection,
        said.AdviserAssigned(network_id=NORTH, person_id=BO, assigned_on=day("2026-09-01")),
        said.AdviserUnassigned(network_id=NORTH, person_id=BO, unassigned_on=day("2026-10-01")),
        said.AdviserAssigned(network_id=NORTH, person_id=BO, assigned_on=day("2026-10-01")),
        said.AdviserUnassigned(network_id=NORTH, person_id=BO, unassigned_on=day("2026-12-01")),
    )
    expected = {"2026-08-31": False, "2026-09-30": True, "2026-10-01": True, "2026-12-01": False}
    for on, assigned in expected.items():
        adviser = await known.adviser_on(connection, BO, day(on))
        assert (NORTH in adviser.network_ids) is assigned
