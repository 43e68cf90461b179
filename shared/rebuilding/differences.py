"""In what the new answers differ from the old: row by row, and in what is answered of them."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from shared.ending import together
from shared.messaging.connections import acquire
from shared.rebuilding.area import SCHEMA, Area
from shared.service import Answers, Service

SHOWN: Final = 5
"""Examples of each difference."""


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that differs: which, what it is now, and what it would be."""

    which: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in a table or an answer, how often, and some examples."""

    of: str
    count: int
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows of a table that have to be the same, by a key that has no nulls."""

    table: str
    key: list[str]
    columns: str = "*"
    condition: str = "true"


KERNEL: Final = (
    Compared("inbox", ["topic", "key"], "topic, key, sequence, last_id"),
    Compared("set_aside", ["topic", "key", "sequence"], "topic, key, sequence, event_id"),
    Compared("parked", ["topic", "key", "sequence"], "topic, key, sequence, event_id",
             "key IS NOT NULL"),
)  # fmt: skip
"""How far each key has come. A record without a readable key changes nothing wherever it is."""


async def differences(
    connection: asyncpg.Connection, pool: asyncpg.Pool, area: Area, service: Service
) -> list[Difference]:
    """Everything in which the new answers, which the pool sees, differ from the old; nothing where
    they are the same."""
    found = []
    for table in await _logged(connection, area):
        found += await _of(connection, area, Compared(table, await _key(connection, table)))
    for compared in KERNEL:
        found += await _of(connection, area, compared)
    if service.answers is None:
        return found
    old, new = await _answers(connection, pool, service.answers)
    return found + [
        _of_answers(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


async def _answers(
    connection: asyncpg.Connection, pool: asyncpg.Pool, answers: Answers
) -> tuple[dict[str, str], dict[str, str]]:
    """What both say, by name: each of the old beside one of the new, so that neither connection is
    idle for longer than PostgreSQL lets it be."""
    # What the old ones write down in order to answer is undone; nobody waits for it any longer.
    undone = connection.transaction()
    await undone.start()
    try:
        async with acquire(pool) as new, new.transaction():
            await new.execute("SET LOCAL statement_timeout = 0; SET LOCAL transaction_timeout = 0")
            sides = (answers(connection), answers(new))
            said: tuple[dict[str, str], dict[str, str]] = ({}, {})
            while any(found := await together(*map(_next, sides))):
                for of, answer in zip(said, found, strict=True):
                    of.update(answer)
    finally:
        await undone.rollback()
    return said


async def _next(answers: AsyncIterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """The next answer, or nothing."""
    async for each in answers:
        return [each]
    return []


async def _logged(connection: asyncpg.Connection, area: Area) -> list[str]:
    """The tables, but for unlogged ones: those are worked out from the others."""
    rows = await connection.fetch(
        """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace($1)
           AND relname = ANY ($2::text[])
           AND relpersistence = 'p'
         ORDER BY relname
        """,
        SCHEMA,
        area.tables,
    )
    return [row["relname"] for row in rows]


async def _of(connection: asyncpg.Connection, area: Area, compared: Compared) -> list[Difference]:
    key = ", ".join(compared.key)
    rows = f"SELECT {compared.columns} FROM %s.{compared.table} WHERE {compared.condition}"
    # *<> compares what is stored, so 5.5 is not 5.50.
    differing = f"""
          FROM ({rows % area.live}) AS o
          FULL JOIN ({rows % SCHEMA}) AS n USING ({key})
         WHERE o.{compared.key[0]} IS NULL
            OR n.{compared.key[0]} IS NULL
            OR o *<> n
    """
    count = await connection.fetchval(f"SELECT count(*) {differing}")
    if not count:
        return []
    found = await connection.fetch(
        f"""
        SELECT to_jsonb(o)::text AS old, to_jsonb(n)::text AS new
        {differing}
         ORDER BY {key}
         LIMIT {SHOWN}
        """
    )
    examples = [
        _example(compared.key, json.loads(row["old"] or "null"), json.loads(row["new"] or "null"))
        for row in found
    ]
    return [Difference(compared.table, count, examples)]


async def _key(connection: asyncpg.Connection, table: str) -> list[str]:
    """The columns of the primary key."""
    rows = await connection.fetch(
        """
        SELECT a.attname
          FROM pg_index AS i
          JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = to_regclass($1)
           AND i.indisprimary
         ORDER BY a.attnum
        """,
        f"{SCHEMA}.{table}",
    )
    return [row["attname"] for row in rows]


def _example(key: list[str], old: Any, new: Any) -> Example:
    which = ", ".join(str((old or new)[column]) for column in key)
    if old is None or new is None:
        return Example(which, _row(old, key), _row(new, key))
    changed = [column for column in old if old[column] != new[column]]
    return Example(which, _row(old, key, changed), _row(new, key, changed))


def _row(row: Any, key: list[str], columns: list[str] | None = None) -> str:
    if row is None:
        return "–"
    shown = [column for column in columns or row if column not in key]
    return ", ".join(f"{column} {_text(row[column])}" for column in shown) or "is there"


def _of_answers(name: str, old: str | None, new: str | None) -> Difference:
    before = dict(_leaves(json.loads(old or "null")))
    after = dict(_leaves(json.loads(new or "null")))
    examples = [
        Example(path, _text(before.get(path)), _text(after.get(path)))
        for path in [*before, *(path for path in after if path not in before)]
        if before.get(path) != after.get(path)
    ]
    return Difference(name, len(examples), examples[:SHOWN])


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single figure of an answer, with where it stands."""
    children = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list)
        else None
    )  # fmt: skip
    if children is None:
        yield path, value
        return
    for name, child in children:
        yield from _leaves(child, f"{path}.{name}" if path else str(name))


def _text(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value)
