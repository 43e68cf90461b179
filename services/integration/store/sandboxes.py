"""Sandboxes: which there are, what is fictional, and what goes when one is put back."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.integration.domain.playing import Post
from services.integration.domain.sandbox import FIRST_URN, NAMES, Sandbox, SandboxUnknown
from services.integration.domain.staff import Staff
from services.integration.store.reports import read_staff
from shared.database import columns
from shared.events.vocabulary import Role

COLUMNS: Final = "trust_id, first_urn, begins, days"


async def add(connection: asyncpg.Connection, trust_id: UUID, now: datetime) -> Sandbox:
    """With URNs that no other sandbox has."""
    await connection.execute("LOCK TABLE sandbox IN EXCLUSIVE MODE")
    row = await connection.fetchrow(
        f"""
        INSERT INTO sandbox (trust_id, first_urn, begins, days, made_at)
        SELECT $1, coalesce(max(first_urn) + $2, $3), 0, 0, $4 FROM sandbox
        RETURNING {COLUMNS}
        """,  # noqa: S608 - nothing that is given stands in it
        trust_id,
        len(NAMES),
        FIRST_URN,
        now,
    )
    assert row is not None
    return Sandbox(**dict(row))


async def find(connection: asyncpg.Connection, trust_id: UUID) -> Sandbox | None:
    """None where the trust is real."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM sandbox WHERE trust_id = $1",  # noqa: S608
        trust_id,
    )
    return None if row is None else Sandbox(**dict(row))


async def sandbox(connection: asyncpg.Connection, trust_id: UUID) -> Sandbox:
    """Raises SandboxUnknown."""
    found = await find(connection, trust_id)
    if found is None:
        raise SandboxUnknown(trust_id)
    return found


async def all_of_them(connection: asyncpg.Connection) -> list[Sandbox]:
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM sandbox ORDER BY made_at, trust_id")  # noqa: S608
    return [Sandbox(**dict(row)) for row in rows]


async def save(connection: asyncpg.Connection, changed: Sandbox) -> None:
    await connection.execute(
        "UPDATE sandbox SET begins = $2, days = $3 WHERE trust_id = $1",
        changed.trust_id,
        changed.begins,
        changed.days,
    )


async def feign(connection: asyncpg.Connection, trust_id: UUID, ids: Iterable[UUID]) -> None:
    """These are fictional, and the sandbox's."""
    await connection.execute(
        "INSERT INTO fictional SELECT id, $1 FROM unnest($2::uuid[]) AS f (id)"
        " ON CONFLICT DO NOTHING",
        trust_id,
        list(ids),
    )


# What was told


async def last_told(
    connection: asyncpg.Connection, trust_id: UUID
) -> tuple[dict[str, int], datetime | None]:
    """The last sequence of each stream, and when anything was told last."""
    rows = await connection.fetch(
        """
        SELECT t.stream, max(t.sequence)::bigint AS sequence, max(t.time) AS time
          FROM fictional AS f
          JOIN told AS t ON t.audience_id = f.id
         WHERE f.trust_id = $1
         GROUP BY t.stream
        """,
        trust_id,
    )
    last = {row["stream"]: row["sequence"] for row in rows}
    return last, max((row["time"] for row in rows), default=None)


async def told(connection: asyncpg.Connection, trust_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many events are each sandbox's, whether or not they stand in its feed already."""
    rows = await connection.fetch(
        """
        SELECT f.trust_id, count(*) AS events
          FROM fictional AS f
          JOIN told AS t ON t.audience_id = f.id
         WHERE f.trust_id = ANY ($1)
           AND f.trust_id IN (SELECT trusts_of(t))
         GROUP BY f.trust_id
        """,
        trust_ids,
    )
    return {row["trust_id"]: row["events"] for row in rows}


# Posts, as membership would have them


async def reported(
    connection: asyncpg.Connection, trust_id: UUID, external_ids: Collection[str]
) -> list[tuple[UUID, Staff]]:
    """Those of the records of which it is known who they are."""
    rows = await connection.fetch(
        """
        SELECT l.person_id, s.*
          FROM staff AS s
          JOIN link AS l USING (trust_id, external_id)
         WHERE s.trust_id = $1
           AND s.external_id = ANY ($2)
           AND l.person_id IS NOT NULL
         ORDER BY s.external_id
        """,
        trust_id,
        list(external_ids),
    )
    return [(row["person_id"], read_staff(row)) for row in rows]


async def known(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the people who have a profile."""
    rows = await connection.fetch(
        "SELECT person_id FROM profile WHERE person_id = ANY ($1)", person_ids
    )
    return {row["person_id"] for row in rows}


async def posts_of(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> list[Post]:
    rows = await connection.fetch(
        "SELECT * FROM played_post WHERE person_id = ANY ($1) ORDER BY appointed_on, post_id",
        person_ids,
    )
    return [
        Post(**dict(row) | {"role": Role(row["role"]), "records": tuple(row["records"])})
        for row in rows
    ]


async def save_posts(connection: asyncpg.Connection, posts: Sequence[Post]) -> None:
    """Records go as text: PostgreSQL takes apart an array of arrays whole. No external id has a
    sign that would have to be quoted."""
    rows = [
        (each.post_id, each.person_id, each.school_id, each.role, each.appointed_on, each.left_on,
         "{" + ",".join(each.records) + "}")
        for each in posts
    ]  # fmt: skip
    await connection.execute(
        """
        INSERT INTO played_post (post_id, person_id, school_id, role, appointed_on, left_on,
                                 records)
        SELECT p.post_id, p.person_id, p.school_id, p.role, p.appointed_on, p.left_on,
               p.records::text[]
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[],
                      $7::text[])
               AS p (post_id, person_id, school_id, role, appointed_on, left_on, records)
        ON CONFLICT (post_id) DO UPDATE
           SET left_on = excluded.left_on,
               records = excluded.records
        """,
        *columns(rows, 7),
    )


# An end


async def take_feeders_turn(connection: asyncpg.Connection) -> None:
    """Until the transaction ends, nothing is appended to any feed."""
    await connection.execute("UPDATE feeder SET turn = turn + 1")


async def next_beginning(connection: asyncpg.Connection, trust_id: UUID) -> int:
    """A position behind all that the sandbox's feed has ever had."""
    position: int = await connection.fetchval(
        """
        SELECT 1 + coalesce((SELECT max(position) FROM feed WHERE trust_id = $1), begins)
          FROM sandbox
         WHERE trust_id = $1
        """,
        trust_id,
    )
    return position


_FICTIONAL: Final = "(SELECT id FROM fictional WHERE trust_id = $1)"
_TOLD: Final = f"(SELECT position FROM told WHERE audience_id IN {_FICTIONAL})"  # noqa: S608
_FORGOTTEN: Final = (
    ("feed", "trust_id = $1"),
    ("told_due", f"position IN {_TOLD}"),
    ("told", f"audience_id IN {_FICTIONAL}"),
    ("look_again", f"audience_id IN {_FICTIONAL}"),
    ("day_school", f"day_id IN {_FICTIONAL}"),
    ("post_left", f"person_id IN {_FICTIONAL}"),
    ("post", f"person_id IN {_FICTIONAL}"),
    ("person_merge", f"person_id IN {_FICTIONAL}"),
    ("profile", f"person_id IN {_FICTIONAL}"),
    ("school_urn", f"school_id IN {_FICTIONAL}"),
    ("group_school", "group_id = $1"),
    *(
        (table, "trust_id = $1")
        for table in (
            "webhook", "link", "staff_trn", "roster_role", "staff", "reported_school",
            "role_of_code", "taken", "refused", "trust", "fictional",
        )
    ),
)  # fmt: skip
"""Tables, and what of them is the sandbox's, in an order that foreign keys allow."""


async def forget(connection: asyncpg.Connection, trust_id: UUID) -> None:
    """All that was told of a sandbox and reported by it, and its webhooks; not its credentials. For
    whoever has the feeder's turn and the trust's, and has locked its webhooks."""
    for table, condition in _FORGOTTEN:
        await connection.execute(f"DELETE FROM {table} WHERE {condition}", trust_id)  # noqa: S608


async def remove(connection: asyncpg.Connection, trust_id: UUID) -> None:
    """What is left of one that was forgotten."""
    for table in ("credential", "connection", "sandbox"):
        await connection.execute(f"DELETE FROM {table} WHERE trust_id = $1", trust_id)  # noqa: S608
