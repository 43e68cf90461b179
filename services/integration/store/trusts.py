"""What membership says of trusts and schools, and the credentials of trusts."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.integration.domain.connection import Connection, Credential, TrustUnknown
from shared.database import columns
from shared.events import membership as said
from shared.events.vocabulary import GroupKind

# What membership says


async def put_trusts(
    connection: asyncpg.Connection, events: Sequence[said.GroupRegistered]
) -> None:
    trusts = [(e.group_id, e.name) for e in events if e.kind is GroupKind.TRUST]
    await connection.execute(
        """
        INSERT INTO trust (trust_id, name)
        SELECT * FROM unnest($1::uuid[], $2::text[])
        ON CONFLICT (trust_id) DO UPDATE SET name = excluded.name
        """,
        *columns(trusts, 2),
    )


async def rename_trusts(
    connection: asyncpg.Connection, events: Sequence[said.GroupRenamed]
) -> None:
    await connection.execute(
        """
        UPDATE trust AS t
           SET name = e.name
          FROM unnest($1::uuid[], $2::text[]) AS e (group_id, name)
         WHERE t.trust_id = e.group_id
        """,
        *columns(((e.group_id, e.name) for e in events), 2),
    )


async def put_in_groups(
    connection: asyncpg.Connection, events: Sequence[said.SchoolJoinedGroup]
) -> None:
    await connection.execute(
        """
        INSERT INTO group_school (group_id, school_id, joined_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])
        ON CONFLICT (group_id, school_id, joined_on) DO UPDATE SET left_on = NULL
        """,
        *columns(((e.group_id, e.school_id, e.joined_on) for e in events), 3),
    )


async def take_out_of_groups(
    connection: asyncpg.Connection, events: Sequence[said.SchoolLeftGroup]
) -> None:
    await connection.execute(
        """
        UPDATE group_school AS g
           SET left_on = e.left_on
          FROM unnest($1::uuid[], $2::uuid[], $3::date[]) AS e (group_id, school_id, left_on)
         WHERE g.group_id = e.group_id
           AND g.school_id = e.school_id
           AND g.left_on IS NULL
        """,
        *columns(((e.group_id, e.school_id, e.left_on) for e in events), 3),
    )


async def put_urns(
    connection: asyncpg.Connection, urns: Sequence[tuple[UUID, int, date | None]]
) -> None:
    """URNs are (school, URN, valid from)."""
    await connection.execute(
        """
        INSERT INTO school_urn (school_id, urn, valid_from)
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::date[])
        ON CONFLICT (school_id, urn) DO UPDATE SET valid_from = excluded.valid_from
        """,
        *columns(urns, 3),
    )


# Connections


async def connection_of(connection: asyncpg.Connection, trust_id: UUID) -> Connection:
    """Raises TrustUnknown."""
    name = await connection.fetchval("SELECT name FROM trust WHERE trust_id = $1", trust_id)
    if name is None:
        raise TrustUnknown(trust_id)
    rows = await connection.fetch(
        """
        SELECT credential_id, secret_hash, made_at, expires_at
          FROM credential
         WHERE trust_id = $1
         ORDER BY made_at, credential_id
        """,
        trust_id,
    )
    credentials = tuple(Credential(**dict(row)) for row in rows)
    return Connection(trust_id=trust_id, name=name, credentials=credentials)


async def locked_connection(connection: asyncpg.Connection, trust_id: UUID) -> Connection:
    """Until the transaction ends, nobody else changes the trust's credentials."""
    await connection.execute(
        """
        INSERT INTO connection (trust_id) VALUES ($1)
        ON CONFLICT (trust_id) DO UPDATE SET trust_id = excluded.trust_id
        """,
        trust_id,
    )
    return await connection_of(connection, trust_id)


async def save_credentials(connection: asyncpg.Connection, of: Connection) -> None:
    await connection.execute(
        """
        INSERT INTO credential (trust_id, credential_id, secret_hash, made_at, expires_at)
        SELECT $1, *
          FROM unnest($2::uuid[], $3::bytea[], $4::timestamptz[], $5::timestamptz[])
        ON CONFLICT (credential_id) DO UPDATE SET expires_at = excluded.expires_at
        """,
        of.trust_id,
        *columns((tuple(vars(each).values()) for each in of.credentials), 4),
    )


async def schools_of_trust(
    connection: asyncpg.Connection, trust_id: UUID, day: date
) -> list[asyncpg.Record]:
    """`school_id` and `urn` of the schools that are the trust's on the day."""
    return await connection.fetch(
        """
        SELECT g.school_id, urn_on(g.school_id, $2) AS urn
          FROM group_school AS g
         WHERE g.group_id = $1
           AND g.joined_on <= $2
           AND (g.left_on IS NULL OR $2 < g.left_on)
           AND EXISTS (SELECT FROM school_urn AS u WHERE u.school_id = g.school_id)
         ORDER BY urn
        """,
        trust_id,
        day,
    )
