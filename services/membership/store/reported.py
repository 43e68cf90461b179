"""Posts that trusts' systems report: kept as they come, locked while they are decided on."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.membership.domain.person import Person, Post
from services.membership.domain.reported import Outcome, Reported, ReportedPost
from services.membership.domain.school import School
from services.membership.store import people, schools
from shared.events import Received, integration, mis
from shared.events.vocabulary import Role
from shared.web import PageRequest

# Each of the next four locks the rows that it writes until the transaction ends, in the order of
# their keys, so that replicas with different halves of a record take turns.


async def put_reports(
    connection: asyncpg.Connection, events: Sequence[Received[mis.StaffReported]]
) -> list[ReportedPost]:
    rows = await connection.fetch(
        """
        INSERT INTO reported_post AS r
               (record, trust_id, reported_id, school_id, role, from_on, to_on)
        SELECT *
          FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::date[],
                      $7::date[]) AS e (record, trust_id, reported_id, school_id, role, from_on,
                                        to_on)
         ORDER BY record
        ON CONFLICT (record) DO UPDATE
           SET reported_id = excluded.reported_id,
               school_id = excluded.school_id,
               role = excluded.role,
               from_on = excluded.from_on,
               to_on = excluded.to_on,
               updated_at = now()
        RETURNING r.*
        """,
        [e.data.record for e in events],
        [e.data.trust_id for e in events],
        [e.id for e in events],
        [e.data.school_id for e in events],
        [e.data.role for e in events],
        [e.data.from_on for e in events],
        [e.data.to_on for e in events],
    )
    return [_reported_post(row) for row in rows]


async def put_leavings(
    connection: asyncpg.Connection, events: Sequence[Received[mis.StaffLeft]]
) -> list[ReportedPost]:
    """Of posts that were reported before: it is a later event of their key."""
    await _lock(connection, [event.data.record for event in events])
    rows = await connection.fetch(
        """
        UPDATE reported_post AS r
           SET to_on = e.left_on,
               updated_at = now()
          FROM unnest($1::text[], $2::date[]) AS e (record, left_on)
         WHERE r.record = e.record
        RETURNING r.*
        """,
        [e.data.record for e in events],
        [e.data.left_on for e in events],
    )
    return [_reported_post(row) for row in rows]


async def put_matches(
    connection: asyncpg.Connection, events: Sequence[Received[integration.StaffMatched]]
) -> list[ReportedPost]:
    rows = await connection.fetch(
        """
        INSERT INTO reported_post AS r (record, trust_id, person_id)
        SELECT *
          FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS e (record, trust_id, person_id)
         ORDER BY record
        ON CONFLICT (record) DO UPDATE
           SET person_id = excluded.person_id,
               updated_at = now()
        RETURNING r.*
        """,
        [e.data.record for e in events],
        [e.data.trust_id for e in events],
        [e.data.person_id for e in events],
    )
    return [_reported_post(row) for row in rows]


async def put_names(
    connection: asyncpg.Connection,
    names: Sequence[tuple[str, str | None, str | None]],
) -> list[ReportedPost]:
    """Names are (record, name, e-mail address); None where they are erased."""
    rows = await connection.fetch(
        """
        INSERT INTO reported_post AS r (record, trust_id, name, email)
        SELECT record, split_part(record, '/', 1)::uuid, name, email
          FROM unnest($1::text[], $2::text[], $3::text[]) AS e (record, name, email)
         ORDER BY record
        ON CONFLICT (record) DO UPDATE
           SET name = excluded.name,
               email = excluded.email,
               told_email = CASE WHEN excluded.name IS NOT NULL THEN r.told_email END
        RETURNING r.*
        """,
        [record for record, _, _ in names],
        [name for _, name, _ in names],
        [email for _, _, email in names],
    )
    return [_reported_post(row) for row in rows]


async def _lock(connection: asyncpg.Connection, records: Sequence[str]) -> None:
    await connection.execute(
        "SELECT FROM reported_post WHERE record = ANY ($1) ORDER BY record FOR UPDATE", records
    )


async def save(connection: asyncpg.Connection, settled: Sequence[ReportedPost]) -> None:
    await connection.execute(
        """
        UPDATE reported_post AS r
           SET name = e.name, email = e.email, told_email = e.told_email, post_id = e.post_id,
               outcome = e.outcome, detail = e.detail, updated_at = now()
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[],
                      $7::text[])
               AS e (record, name, email, told_email, post_id, outcome, detail)
         WHERE r.record = e.record
        """,
        [each.record for each in settled],
        [each.name for each in settled],
        [each.email for each in settled],
        [each.told_email for each in settled],
        [each.post_id for each in settled],
        [each.outcome for each in settled],
        [each.detail for each in settled],
    )


async def people_of(
    connection: asyncpg.Connection, person_ids: Iterable[UUID]
) -> dict[UUID, Person]:
    """By the id that was asked for: the person that stays, locked; none for who is not known."""
    asked = list(person_ids)
    stays = {
        row["person_id"]: row["stays"]
        for row in await connection.fetch(
            """
            SELECT person_id, coalesce(merged_into, person_id) AS stays
              FROM person
             WHERE person_id = ANY ($1)
            """,
            asked,
        )
    }
    await people.lock_people(connection, list(set(stays.values())))
    found = {each.person_id: each for each in await people.people_by_id(connection, stays.values())}
    return {asked_for: found[stay] for asked_for, stay in stays.items()}


async def schools_of(
    connection: asyncpg.Connection, school_ids: Iterable[UUID]
) -> dict[UUID, School]:
    """They are not closed until the transaction ends."""
    found = await schools.schools_by_id(connection, school_ids, "FOR SHARE")
    return {each.school_id: each for each in found}


async def save_posts(connection: asyncpg.Connection, posts: Sequence[Post]) -> None:
    """Each post once."""
    await connection.execute(
        """
        INSERT INTO post (post_id, person_id, school_id, role, appointed_on, left_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[])
        ON CONFLICT (post_id) DO UPDATE SET left_on = excluded.left_on
        """,
        [each.post_id for each in posts],
        [each.person_id for each in posts],
        [each.school_id for each in posts],
        [each.role for each in posts],
        [each.appointed_on for each in posts],
        [each.left_on for each in posts],
    )
    await connection.execute(
        """
        UPDATE person
           SET updated_at = now()
         WHERE person_id IN (SELECT coalesce(merged_into, person_id)
                               FROM person
                              WHERE person_id = ANY ($1))
        """,
        [each.person_id for each in posts],
    )


async def page_of_reported(
    connection: asyncpg.Connection, page: PageRequest, trusts: Iterable[UUID] | None
) -> list[asyncpg.Record]:
    """By record; of these trusts, or of all."""
    key = page.key(str)
    return await connection.fetch(
        """
        SELECT record, trust_id, school_id, role, from_on, to_on, person_id, post_id, outcome,
               detail
          FROM reported_post
         WHERE ($1::text IS NULL OR record > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
           AND ($4::uuid[] IS NULL OR trust_id = ANY ($4))
         ORDER BY record
         LIMIT $3
        """,
        None if key is None else key[0],
        page.updated_since,
        page.fetch,
        None if trusts is None else list(trusts),
    )


def _reported_post(row: asyncpg.Record) -> ReportedPost:
    from_on: date | None = row["from_on"]
    reported = None if from_on is None else Reported(
        reported_id=row["reported_id"],
        school_id=row["school_id"],
        role=Role(row["role"]),
        from_on=from_on,
        to_on=row["to_on"],
    )  # fmt: skip
    return ReportedPost(
        record=row["record"],
        reported=reported,
        person_id=row["person_id"],
        name=row["name"],
        email=row["email"],
        told_email=row["told_email"],
        post_id=row["post_id"],
        outcome=Outcome(row["outcome"]),
        detail=row["detail"],
    )
