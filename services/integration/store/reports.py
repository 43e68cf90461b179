"""What trusts' systems have reported, and what decides whether a report is taken."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from services.integration.domain.staff import Schools, Staff
from shared.database import columns
from shared.events import mis
from shared.events.topics import MIS_PEOPLE
from shared.events.vocabulary import Role
from shared.messaging import journal

COLUMNS: Final = tuple(each.name for each in fields(Staff))

Origin = tuple[str, str]
"""An event's source and id: the same for one event, however often it is sent."""


async def lock_trust(connection: asyncpg.Connection, trust_id: UUID) -> None:
    """One after the other takes a trust's events, in the order in which they come."""
    await connection.execute(
        "SELECT FROM connection WHERE trust_id = $1 FOR NO KEY UPDATE", trust_id
    )


async def claim(
    connection: asyncpg.Connection, trust_id: UUID, origins: Sequence[Origin]
) -> set[Origin]:
    """Marks events as taken; answers those that were not before."""
    rows = await connection.fetch(
        """
        INSERT INTO taken (trust_id, source, event_id)
        SELECT $1, * FROM unnest($2::text[], $3::text[])
        ON CONFLICT DO NOTHING
        RETURNING source, event_id
        """,
        trust_id,
        *_split(origins),
    )
    return {(row["source"], row["event_id"]) for row in rows}


async def release(
    connection: asyncpg.Connection, trust_id: UUID, origins: Sequence[Origin]
) -> None:
    """Events that were refused may be sent again."""
    await connection.execute(
        """
        DELETE FROM taken
         USING unnest($2::text[], $3::text[]) AS refused (source, event_id)
         WHERE taken.trust_id = $1
           AND taken.source = refused.source
           AND taken.event_id = refused.event_id
        """,
        trust_id,
        *_split(origins),
    )


async def staff_of(
    connection: asyncpg.Connection, trust_id: UUID, external_ids: Iterable[str]
) -> dict[str, Staff]:
    rows = await connection.fetch(
        "SELECT * FROM staff WHERE trust_id = $1 AND external_id = ANY ($2)",
        trust_id,
        list(external_ids),
    )
    return {row["external_id"]: read_staff(row) for row in rows}


async def schools_of(
    connection: asyncpg.Connection,
    trust_id: UUID,
    urns: Iterable[int],
    external_ids: Iterable[str],
) -> Schools:
    """As far as it concerns these URNs and external ids, and all stays in the trust."""
    by_urn = await connection.fetch(
        """
        SELECT urn, school_id
          FROM school_urn
         WHERE urn = ANY ($1)
           AND sandbox_of(school_id) IS NOT DISTINCT FROM sandbox_of($2)
        """,
        list(urns),
        trust_id,
    )
    called = await connection.fetch(
        "SELECT external_id, school_id FROM reported_school"
        " WHERE trust_id = $1 AND external_id = ANY ($2)",
        trust_id,
        list(external_ids),
    )
    stays: dict[UUID, list[tuple[date, date | None]]] = {}
    for row in await connection.fetch(
        "SELECT school_id, joined_on, left_on FROM group_school WHERE group_id = $1", trust_id
    ):
        stays.setdefault(row["school_id"], []).append((row["joined_on"], row["left_on"]))
    return Schools(
        by_urn={row["urn"]: row["school_id"] for row in by_urn},
        by_external_id={row["external_id"]: row["school_id"] for row in called},
        stays=stays,
    )


async def save_staff(connection: asyncpg.Connection, staff: Sequence[Staff]) -> None:
    """Each external id once."""
    await connection.execute(
        """
        INSERT INTO staff (trust_id, external_id, school_id, role_code, role_title, role, from_on,
                           to_on, name, email, erased)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                             $7::date[], $8::date[], $9::text[], $10::text[], $11::boolean[])
        ON CONFLICT (trust_id, external_id) DO UPDATE
           SET school_id = excluded.school_id,
               role_code = excluded.role_code,
               role_title = excluded.role_title,
               role = excluded.role,
               from_on = excluded.from_on,
               to_on = excluded.to_on,
               name = excluded.name,
               email = excluded.email,
               erased = excluded.erased
        """,
        *columns((tuple(vars(each).values()) for each in staff), len(COLUMNS)),
    )


async def save_trns(
    connection: asyncpg.Connection, trust_id: UUID, trns: Sequence[tuple[str, bytes, bytes]]
) -> None:
    """TRNs are (external id, mark, sealed)."""
    await connection.execute(
        """
        INSERT INTO staff_trn (trust_id, external_id, mark, sealed)
        SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::bytea[])
        ON CONFLICT (trust_id, external_id) DO UPDATE
           SET mark = excluded.mark,
               sealed = excluded.sealed
        """,
        trust_id,
        *columns(trns, 3),
    )


async def save_schools(
    connection: asyncpg.Connection, events: Sequence[mis.SchoolReported]
) -> None:
    called = {(event.trust_id, event.external_id): event.school_id for event in events}
    await connection.execute(
        """
        INSERT INTO reported_school (trust_id, external_id, school_id)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[])
        ON CONFLICT (trust_id, external_id) DO UPDATE SET school_id = excluded.school_id
        """,
        [trust_id for trust_id, _ in called],
        [external_id for _, external_id in called],
        list(called.values()),
    )


async def forget_staff(connection: asyncpg.Connection, staff: Sequence[Staff]) -> None:
    """Keeps what is left of erased records, and deletes their TRNs, what waits for a decision on
    them, and the journal's earlier versions of their profiles, which are never sent again."""
    await save_staff(connection, staff)
    for table, which in (("link", "person_id IS NULL"), ("staff_trn", "true")):
        await connection.execute(
            f"""
            DELETE FROM {table} AS t
             USING unnest($1::uuid[], $2::text[]) AS erased (trust_id, external_id)
             WHERE t.trust_id = erased.trust_id
               AND t.external_id = erased.external_id
               AND {which}
            """,  # noqa: S608 - nothing that is given stands in it
            [each.trust_id for each in staff],
            [each.external_id for each in staff],
        )
    await journal.forget(connection, MIS_PEOPLE.name, [each.record for each in staff])


async def roles_of(connection: asyncpg.Connection, trust_id: UUID) -> dict[str, Role]:
    """What a trust's role codes mean."""
    rows = await connection.fetch(
        "SELECT role_code, role FROM role_of_code WHERE trust_id = $1 ORDER BY role_code", trust_id
    )
    return {row["role_code"]: Role(row["role"]) for row in rows}


async def save_roles(
    connection: asyncpg.Connection, trust_id: UUID, roles: Mapping[str, Role]
) -> None:
    """In place of those before."""
    await connection.execute("DELETE FROM role_of_code WHERE trust_id = $1", trust_id)
    await connection.execute(
        "INSERT INTO role_of_code SELECT $1, * FROM unnest($2::text[], $3::text[])",
        trust_id,
        list(roles),
        list(roles.values()),
    )


def read_staff(row: asyncpg.Record) -> Staff:
    return Staff(**{name: row[name] for name in COLUMNS} | {"role": Role(row["role"])})


def _split(origins: Sequence[Origin]) -> tuple[list[str], list[str]]:
    return [source for source, _ in origins], [event_id for _, event_id in origins]
