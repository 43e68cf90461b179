"""Appending: commands of eight clients, each with one event, beside two plain inserts."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import asyncpg

from benchmarks.facts import TOPIC, fact, school
from benchmarks.measure import Bench, Row, Spent
from shared.messaging import Transaction

CLIENTS = 8
COMMANDS = 1_000
"""Of each client."""

REFERENCE = """
CREATE TABLE plain_journal (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid        NOT NULL UNIQUE DEFAULT uuidv7(),
    topic       text        NOT NULL,
    key         text        NOT NULL,
    type        text        NOT NULL,
    payload     json,
    actor       text        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE plain_outbox (position bigint PRIMARY KEY);
"""

Command = Callable[[asyncpg.Connection, int], Awaitable[None]]


async def appending(bench: Bench) -> list[Row]:
    """Commands a second, all of other schools."""
    async with bench.database("membership", max_size=CLIENTS) as pool:
        await pool.execute(REFERENCE)
        numbers = count()
        ours, plain = await bench.alternate(
            lambda: _measure(bench, pool, _ours, numbers),
            lambda: _measure(bench, pool, _plain, numbers),
        )
    return [
        Row("append: a command with one event, 8 clients", "commands/s",
            "plain inserts into a journal and an outbox", 0.8, ours, plain,
            {"statements": 8, "commits": 2.1, "wal_bytes": 4000})
    ]  # fmt: skip


async def _measure(bench: Bench, pool: asyncpg.Pool, do: Command, numbers: "count[int]") -> Spent:
    async def client() -> None:
        for _ in range(COMMANDS):
            async with pool.acquire() as connection, connection.transaction():
                await do(connection, next(numbers))  # type: ignore[arg-type]

    async with bench.measured(CLIENTS * COMMANDS) as spent:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return spent


async def _ours(connection: asyncpg.Connection, number: int) -> None:
    transaction = Transaction(connection, "user:bench")
    transaction.record(fact(school(number), 0))
    await transaction.append()


async def _plain(connection: asyncpg.Connection, number: int) -> None:
    event = fact(school(number), 0)
    position = await connection.fetchval(
        """
        INSERT INTO plain_journal (topic, key, type, payload, actor)
        VALUES ($1, $2, $3, $4, 'user:bench')
        RETURNING position
        """,
        TOPIC,
        event.key,
        event.type,
        event.payload(),
    )
    await connection.execute("INSERT INTO plain_outbox VALUES ($1)", position)
