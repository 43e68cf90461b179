"""A list reads the rows of its reader's scope, however many there are of others'."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.scheduling.store import development_days, network_days
from services.scheduling.store.known import Scope
from shared.messaging.connections import acquire
from tests.service.scheduling.world import World

OTHERS = 5_000
EVERY: dict[str, Any] = {
    "network_id": None,
    "status": None,
    "first": None,
    "last": None,
    "updated_since": None,
    "after": None,
    "limit": 101,
}


async def rows_read(connection: asyncpg.Connection, table: str) -> int:
    """How many rows of the table the transaction has read so far."""
    read: int = await connection.fetchval(
        """
        SELECT seq_tup_read + coalesce(idx_tup_fetch, 0)
          FROM pg_stat_xact_user_tables
         WHERE relname = $1
        """,
        table,
    )
    return read


def scopes(network_id: UUID, school_id: UUID, person_id: UUID) -> list[Scope]:
    return [
        Scope(networks=frozenset({network_id})),
        Scope(schools=frozenset({school_id})),
        Scope(person_ids=frozenset({person_id})),
    ]


@pytest.mark.parametrize("number", range(3))
async def test_development_days_of_a_small_scope(world: World, number: int) -> None:
    day_id, network_id, school_id, person_id = (uuid4() for _ in range(4))
    scope = scopes(network_id, school_id, person_id)[number]
    async with acquire(world.pool) as connection:
        await connection.execute(
            f"""
            INSERT INTO development_day
                   (day_id, school_id, network_id, adviser_id, date, strand, status)
            SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                   '2026-11-20', 'leadership', 'planned'
              FROM generate_series(1, {OTHERS});
            INSERT INTO development_day
                   (day_id, school_id, network_id, adviser_id, date, strand, status)
            VALUES ('{day_id}', '{school_id}', '{network_id}', gen_random_uuid(),
                    '2026-11-20', 'leadership', 'planned');
            INSERT INTO development_day_participant VALUES ('{day_id}', '{person_id}', 'other', 1);
            ANALYZE;
            """  # noqa: S608 - our own ids
        )
        async with connection.transaction():
            days = await development_days.page(
                connection, scope, school_id=None, adviser_ids=None, **EVERY
            )
            assert [day.day_id for day in days] == [day_id]
            assert await rows_read(connection, "development_day") < 20


@pytest.mark.parametrize("number", range(3))
async def test_network_days_of_a_small_scope(world: World, number: int) -> None:
    day_id, network_id, school_id, person_id = (uuid4() for _ in range(4))
    scope = scopes(network_id, school_id, person_id)[number]
    async with acquire(world.pool) as connection:
        await connection.execute(
            f"""
            INSERT INTO network_day
                   (day_id, title, network_ids, date, venue, places, strand, hours, status)
            SELECT CASE number WHEN 0 THEN '{day_id}' ELSE gen_random_uuid() END, 'A day',
                   ARRAY[CASE number WHEN 0 THEN '{network_id}' ELSE gen_random_uuid() END],
                   '2026-11-20', 'Hall', 5, 'leadership', 5, 'scheduled'
              FROM generate_series(0, {OTHERS}) AS number;
            INSERT INTO place (place_id, day_id, person_id, school_id, role, status, number)
            VALUES (gen_random_uuid(), '{day_id}', '{person_id}', '{school_id}', 'other', 'booked',
                    1);
            """  # noqa: S608 - our own ids
        )
        await connection.execute("VACUUM ANALYZE network_day")
        async with connection.transaction():
            days = await network_days.page(connection, scope, frozenset(), **EVERY)
            assert [day["day_id"] for day in days] == [day_id]
            assert await rows_read(connection, "network_day") < 20
