"""What the import of a register reads and writes: a batch of schools in a few statements."""

from collections.abc import Sequence
from datetime import date
from operator import attrgetter
from typing import Final
from uuid import UUID

import asyncpg

from services.membership.domain.register import Decided, Known, RegisterRow
from services.membership.domain.school import DatedUrn, School
from services.membership.store.memberships import open_memberships, save_memberships
from services.membership.store.schools import DETAILS, details_of

IMPORTS_TAKE_TURNS: Final = 4_711_202_628
"""The advisory lock under which the batches of two imports take turns."""


async def take_turn(connection: asyncpg.Connection) -> None:
    """Held until the transaction ends, so the next batch may be another import's."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORTS_TAKE_TURNS)


async def lock(connection: asyncpg.Connection, school_ids: Sequence[UUID]) -> None:
    """As a command locks its school, and all in the order of their ids."""
    await connection.execute(
        "SELECT FROM school WHERE school_id = ANY ($1) ORDER BY school_id FOR UPDATE", school_ids
    )


async def known(connection: asyncpg.Connection, rows: Sequence[RegisterRow]) -> Known:
    """The schools that the rows name by URN, or whose LAESTAB they claim; no more than the URN
    where a row says what we have."""
    of_urn = {row.urn: row for row in rows}
    unchanged: set[int] = set()
    by_urn: dict[int, School] = {}
    # LATERAL keeps to the indexes: without statistics yet, PostgreSQL would hash all schools.
    for found in await connection.fetch(
        """
        SELECT school.*, named.urn AS named_urn, named.valid_from
          FROM school_urn AS named,
               LATERAL (SELECT * FROM school WHERE school_id = named.school_id OFFSET 0) AS school
         WHERE named.urn = ANY ($1)
        """,
        list(of_urn),
    ):
        urn = found["named_urn"]
        if _says_the_same(found, of_urn[urn]):
            unchanged.add(urn)
        else:
            by_urn[urn] = _school(found, found["valid_from"])
    others = [row for row in rows if row.urn not in unchanged]
    by_laestab = await _holders(connection, others)
    closing = [by_urn[row.urn].school_id for row in others if row.is_closed and row.urn in by_urn]
    memberships = await open_memberships(connection, closing) if closing else {}
    return Known(unchanged, by_urn, by_laestab, memberships)


def _says_the_same(found: asyncpg.Record, row: RegisterRow) -> bool:
    """Before objects are made: most rows of a register that comes again change nothing."""
    return (
        found["urn"] == row.urn
        and (found["closed_on"] is not None) == row.is_closed
        and all(found[name] == value for name, value in row.details.items())
    )


async def _holders(
    connection: asyncpg.Connection, rows: Sequence[RegisterRow]
) -> dict[tuple[str, str], School]:
    """The open schools that hold a LAESTAB that one of the rows claims."""
    claimed = [
        laestab for row in rows if not row.is_closed and (laestab := row.laestab) is not None
    ]
    if not claimed:
        return {}
    holders = await connection.fetch(
        """
        SELECT school.*, current.valid_from
          FROM unnest($1::text[], $2::text[]) AS claimed (la_code, establishment_number),
               LATERAL (
                   SELECT *
                     FROM school
                    WHERE la_code = claimed.la_code
                      AND establishment_number = claimed.establishment_number
                      AND closed_on IS NULL
                   OFFSET 0
               ) AS school,
               LATERAL (SELECT * FROM school_urn WHERE urn = school.urn OFFSET 0) AS current
        """,
        [la_code for la_code, _ in claimed],
        [number for _, number in claimed],
    )
    return {
        (holder["la_code"], holder["establishment_number"]): _school(holder, holder["valid_from"])
        for holder in holders
    }


async def save(connection: asyncpg.Connection, decided: Decided) -> None:
    """The changed before the new, which may take over a number."""
    await save_memberships(connection, decided.left)
    if decided.changed:
        await _add_urns(connection, decided.successors)
        await _update(connection, list(decided.changed.values()))
    if decided.new:
        await _insert(connection, decided.new)
        await _add_urns(connection, decided.new)


async def _insert(connection: asyncpg.Connection, schools: Sequence[School]) -> None:
    await connection.copy_records_to_table(
        "school",
        columns=("school_id", "closed_on", *DETAILS),
        records=[_record(school) for school in schools],
    )


async def _update(connection: asyncpg.Connection, schools: Sequence[School]) -> None:
    sets = ", ".join(f"{name} = given.{name}" for name in ("closed_on", *DETAILS))
    await connection.execute(
        f"""
        UPDATE school
           SET {sets}, updated_at = now()
          FROM {_GIVEN}
         WHERE school.school_id = given.school_id
        """,  # noqa: S608 - our own names
        *_arrays(schools),
    )


async def _add_urns(connection: asyncpg.Connection, schools: Sequence[School]) -> None:
    """The latest URN of each."""
    latest = [(school.school_id, school.urns[-1]) for school in schools]
    await connection.copy_records_to_table(
        "school_urn",
        columns=("urn", "school_id", "valid_from"),
        records=[(urn.urn, school_id, urn.valid_from) for school_id, urn in latest],
    )


_NAMES: Final = ", ".join(DETAILS)
_TYPES: Final = (
    "uuid",
    "date",
    *("integer" if name in ("urn", "pupils") else "text" for name in DETAILS),
)
_GIVEN: Final = (
    "unnest("
    + ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_TYPES, start=1))
    + f") AS given (school_id, closed_on, {_NAMES})"
)


_details = attrgetter(*DETAILS)


def _record(school: School) -> tuple[object, ...]:
    return (school.school_id, school.closed_on, *_details(school.details))


def _arrays(schools: Sequence[School]) -> list[tuple[object, ...]]:
    return list(zip(*map(_record, schools), strict=True))


def _school(row: asyncpg.Record, valid_from: date | None) -> School:
    """With its current URN only: a batch needs no more of its history."""
    from_date = valid_from if row["urn"] == row.get("named_urn", row["urn"]) else None
    return School(
        school_id=row["school_id"],
        details=details_of(row),
        closed_on=row["closed_on"],
        urns=(DatedUrn(urn=row["urn"], valid_from=from_date),),
    )
