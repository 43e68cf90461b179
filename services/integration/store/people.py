"""What membership's events say of people, as far as it decides who a member of staff is."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from services.integration.domain.matching import Candidate
from services.integration.domain.staff import Staff, plain
from shared.database import columns, plan_anew
from shared.events import membership as said


async def put_profiles(
    connection: asyncpg.Connection, events: Sequence[said.PersonProfile]
) -> None:
    """Of those who are not erased."""
    rows = [(e.person_id, e.name, e.email, plain(e.name), plain(e.email)) for e in events]
    await connection.execute(
        """
        INSERT INTO profile (person_id, name, email, plain_name, plain_email)
        SELECT *
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
               AS e (person_id, name, email, plain_name, plain_email)
         WHERE NOT EXISTS (SELECT FROM erased_person AS p WHERE p.person_id = e.person_id)
        ON CONFLICT (person_id) DO UPDATE
           SET name = excluded.name,
               email = excluded.email,
               plain_name = excluded.plain_name,
               plain_email = excluded.plain_email
        """,
        *columns(rows, 5),
    )


async def forget_profiles(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    """Waits for whoever is matching somebody to them in this moment."""
    await connection.execute("DELETE FROM profile WHERE person_id = ANY ($1)", person_ids)


async def erase_people(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    await connection.execute(
        "INSERT INTO erased_person SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        person_ids,
    )
    await forget_profiles(connection, person_ids)


async def put_posts(connection: asyncpg.Connection, events: Sequence[said.LeaderAppointed]) -> None:
    await connection.execute(
        """
        INSERT INTO post (post_id, person_id, school_id, appointed_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::date[])
        ON CONFLICT (post_id) DO UPDATE
           SET person_id = excluded.person_id,
               school_id = excluded.school_id,
               appointed_on = excluded.appointed_on
        """,
        *columns(((e.post_id, e.person_id, e.school_id, e.appointed_on) for e in events), 4),
    )


async def end_posts(connection: asyncpg.Connection, events: Sequence[said.LeaderLeft]) -> None:
    await connection.execute(
        """
        INSERT INTO post_left (post_id, person_id, left_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])
        ON CONFLICT (post_id, person_id) DO UPDATE SET left_on = excluded.left_on
        """,
        [e.post_id for e in events],
        [e.person_id for e in events],
        [e.left_on for e in events],
    )


async def merge_people(connection: asyncpg.Connection, events: Sequence[said.PeopleMerged]) -> None:
    await connection.execute(
        """
        INSERT INTO person_merge (person_id, merged_person_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[])
        ON CONFLICT DO NOTHING
        """,
        *columns(((e.person_id, e.merged_person_id) for e in events), 2),
    )


CANDIDATES: Final = """
WITH trn AS (
    SELECT DISTINCT m.external_id, l.person_id
      FROM unnest($7::text[], $8::bytea[]) AS m (external_id, mark)
      JOIN staff_trn AS t ON t.mark = m.mark
      JOIN link AS l ON l.trust_id = t.trust_id AND l.external_id = t.external_id
),
reported AS (
    SELECT *
      FROM unnest($1::text[], $2::text[], $3::text[], $5::uuid[])
           AS r (external_id, plain_name, plain_email, school_id)
),
namesake AS MATERIALIZED (
    SELECT r.external_id, p.person_id
      FROM reported AS r
      JOIN profile AS p USING (plain_name)
),
like_them AS MATERIALIZED (
    SELECT r.external_id, p.person_id
      FROM reported AS r
      JOIN profile AS p USING (plain_email)
     UNION
    SELECT external_id, person_id FROM trn
     UNION
    SELECT external_id, person_id FROM namesake WHERE works_for(person_id, $6, $4)
),
candidate AS MATERIALIZED (
    SELECT external_id, person_id
      FROM like_them
     WHERE sandbox_of(person_id) IS NOT DISTINCT FROM sandbox_of($6)
)
SELECT r.external_id, p.person_id, p.name, p.email,
       EXISTS (SELECT
                 FROM post_on($4) AS o
                WHERE o.person_id = p.person_id
                  AND o.school_id = r.school_id) AS at_school,
       CASE WHEN (r.external_id, p.person_id) IN (SELECT * FROM trn) THEN true
            WHEN r.external_id = ANY ($7) AND EXISTS (
                 SELECT
                   FROM link AS l
                   JOIN staff_trn AS t USING (trust_id, external_id)
                  WHERE l.person_id = p.person_id) THEN false
       END AS same_trn
  FROM candidate AS c
  JOIN reported AS r USING (external_id)
  JOIN profile AS p USING (person_id)
 ORDER BY p.person_id, r.external_id
   FOR SHARE OF p
"""
"""Of reported staff ($1 to $3, $5) of a trust ($6) on a day ($4), with marks of TRNs ($7, $8)."""


async def candidates_for(
    connection: asyncpg.Connection,
    trust_id: UUID,
    staff: Sequence[Staff],
    today: date,
    trns: Mapping[str, Sequence[bytes]],
) -> dict[str, list[Candidate]]:
    """By external id: who has the same work e-mail address or TRN, and who of the same name has a
    post at a school of the trust today. Their profiles stay until the transaction ends. Real trusts
    find nobody who is fictional, and a sandbox only its own.

    `trns` are the marks by which the TRN of an external id is found, where one was reported.
    """
    await plan_anew(connection)  # for a few of them, or for a whole file
    rows = await connection.fetch(
        CANDIDATES,
        [each.external_id for each in staff],
        [plain(each.name) for each in staff],
        [plain(each.email) for each in staff],
        today,
        [each.school_id for each in staff],
        trust_id,
        [external_id for external_id, marks in trns.items() for _ in marks],
        [mark for marks in trns.values() for mark in marks],
    )
    found: dict[str, list[Candidate]] = {each.external_id: [] for each in staff}
    for row in rows:
        known = dict(row)
        found[known.pop("external_id")].append(Candidate(**known))
    return found


async def choose(
    connection: asyncpg.Connection,
    person_id: UUID,
    trust_id: UUID,
    today: date,
    *,
    of_anybody: bool,
) -> UUID | None:
    """The person with this id, or whom its record was merged into, if one of the trust's may be
    that person: not erased, as real as the trust, and, unless `of_anybody`, with a post at one of
    its schools. The profile stays until the transaction ends."""
    stays: UUID | None = await connection.fetchval(
        """
        SELECT person_id
          FROM profile AS p
         WHERE p.person_id IN (SELECT ids_of_person($1))
           AND NOT EXISTS (SELECT FROM person_merge AS m WHERE m.merged_person_id = p.person_id)
           AND ($4 OR works_for(p.person_id, $2, $3))
           AND sandbox_of(p.person_id) IS NOT DISTINCT FROM sandbox_of($2)
           FOR SHARE OF p
        """,
        person_id,
        trust_id,
        today,
        of_anybody,
    )
    return stays
