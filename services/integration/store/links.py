"""Who the staff of trusts is: what is decided, and what waits for somebody."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.integration.domain.matching import Link, MatchUnknown
from services.integration.domain.staff import Staff
from services.integration.store.reports import read_staff
from shared.database import columns
from shared.web import PageRequest


async def linked(
    connection: asyncpg.Connection, trust_id: UUID, external_ids: Sequence[str]
) -> set[str]:
    """Those of the external ids that are matched, or wait to be."""
    rows = await connection.fetch(
        "SELECT external_id FROM link WHERE trust_id = $1 AND external_id = ANY ($2)",
        trust_id,
        external_ids,
    )
    return {row["external_id"] for row in rows}


async def add(connection: asyncpg.Connection, links: Iterable[Link]) -> None:
    """Candidates go as text: PostgreSQL takes apart an array of arrays whole."""
    rows = [
        (each.link_id, each.trust_id, each.external_id, each.person_id,
         "{" + ",".join(map(str, each.candidates)) + "}")
        for each in links
    ]  # fmt: skip
    await connection.execute(
        """
        INSERT INTO link (link_id, trust_id, external_id, person_id, candidates)
        SELECT l.link_id, l.trust_id, l.external_id, l.person_id, l.candidates::uuid[]
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[])
               AS l (link_id, trust_id, external_id, person_id, candidates)
        """,
        *columns(rows, 5),
    )


async def trust_of_link(
    connection: asyncpg.Connection, link_id: UUID, trusts: Iterable[UUID] | None
) -> UUID:
    """Raises MatchUnknown where there is none, or none of these trusts."""
    trust_id: UUID | None = await connection.fetchval(
        """
        SELECT trust_id
          FROM link
         WHERE link_id = $1
           AND ($2::uuid[] IS NULL OR trust_id = ANY ($2))
        """,
        link_id,
        None if trusts is None else list(trusts),
    )
    if trust_id is None:
        raise MatchUnknown(f"There is no match {link_id}, or none that you may see.")
    return trust_id


async def link(connection: asyncpg.Connection, link_id: UUID) -> Link:
    row = await connection.fetchrow(
        "SELECT link_id, trust_id, external_id, person_id, candidates FROM link WHERE link_id = $1",
        link_id,
    )
    if row is None:
        raise MatchUnknown(f"There is no match {link_id}: its record has been erased.")
    return Link(**{**dict(row), "candidates": tuple(row["candidates"])})


async def save(connection: asyncpg.Connection, decided: Link) -> None:
    await connection.execute(
        """
        UPDATE link
           SET person_id = $2,
               candidates = $3,
               updated_at = now()
         WHERE link_id = $1
        """,
        decided.link_id,
        decided.person_id,
        decided.candidates,
    )


async def page_of_links(
    connection: asyncpg.Connection,
    page: PageRequest,
    trusts: Iterable[UUID] | None,
    today: date,
    *,
    waiting: bool,
) -> list[asyncpg.Record]:
    """Links with what was reported, and the candidates that there are now: for a trust those with a
    post at one of its schools, for the office (`trusts` None) all of them, and no sandbox's."""
    return await connection.fetch(
        """
        SELECT l.link_id AS id, l.trust_id, l.external_id, l.person_id, s.name, s.email,
               s.school_id, s.role_code, s.role_title, s.role,
               (SELECT coalesce(json_agg(json_build_object(
                           'person_id', p.person_id, 'name', p.name, 'email', p.email)
                           ORDER BY p.person_id), '[]')::text
                  FROM profile AS p
                 WHERE p.person_id = ANY (l.candidates)
                   AND ($4::uuid[] IS NULL OR works_for(p.person_id, l.trust_id, $6)))
               AS candidates
          FROM link AS l
          JOIN staff AS s USING (trust_id, external_id)
         WHERE ($1::uuid IS NULL OR l.link_id > $1)
           AND ($2::timestamptz IS NULL OR l.updated_at >= $2)
           AND ($4::uuid[] IS NULL OR l.trust_id = ANY ($4))
           AND ($4::uuid[] IS NOT NULL OR sandbox_of(l.trust_id) IS NULL)
           AND (NOT $5 OR l.person_id IS NULL)
         ORDER BY l.link_id
         LIMIT $3
        """,
        page.after,
        page.updated_since,
        page.fetch,
        None if trusts is None else list(trusts),
        waiting,
        today,
    )


async def lock_trusts_of(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    """Those that call one of the people something, in an order that all keep."""
    await connection.execute(
        """
        SELECT FROM connection
         WHERE trust_id IN (SELECT trust_id FROM link WHERE person_id = ANY ($1))
         ORDER BY trust_id
           FOR NO KEY UPDATE
        """,
        person_ids,
    )


async def staff_who_are(
    connection: asyncpg.Connection, person_ids: Sequence[UUID]
) -> list[tuple[UUID, Staff]]:
    """(Person, record of a trust)."""
    rows = await connection.fetch(
        """
        SELECT l.person_id, s.*
          FROM link AS l
          JOIN staff AS s USING (trust_id, external_id)
         WHERE l.person_id = ANY ($1)
         ORDER BY s.trust_id, s.external_id
        """,
        person_ids,
    )
    return [(row["person_id"], read_staff(row)) for row in rows]
