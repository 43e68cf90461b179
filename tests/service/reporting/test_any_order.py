"""The answer is a function of the log: whatever the order across keys, it is the same bytes."""

from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events import Received
from tests.service.reporting.log import a_year, keys_of, report, take_in

LOG = a_year().events


@st.composite
def interleavings(draw: st.DrawFn) -> list[Received[Any]]:
    """The log in an order that keeps the order of each key."""
    turns = [number for number, events in enumerate(keys_of(LOG)) for _ in events]
    waiting = [iter(events) for events in keys_of(LOG)]
    return [next(waiting[number]) for number in draw(st.permutations(turns))]


async def answers(connection: asyncpg.Connection, events: list[Received[Any]]) -> list[str]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await take_in(connection, events)
        reports = [
            await report(connection),
            await report(connection, network="North"),
            await report(connection, network="South"),
            await report(connection, school="Cedar"),
        ]
        return [each.model_dump_json() for each in reports]
    finally:
        await transaction.rollback()


@given(events=interleavings())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_interleaving_of_keys_gives_the_same_answers(
    connection: asyncpg.Connection, events: list[Received[Any]]
) -> None:
    assert await answers(connection, events) == await answers(connection, LOG)
