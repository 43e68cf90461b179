"""All SQL of cpd: what membership says of people, the credits of days, own records, and sums."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.cpd.domain import Credit, OwnRecord, Sum
from shared.database import columns
from shared.events import membership as said
from shared.events.vocabulary import CpdSource, Strand
from shared.web import PageRequest

# What membership says


async def know_people(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    await connection.execute(
        """
        INSERT INTO person (person_id)
        SELECT DISTINCT * FROM unnest($1::uuid[])
        ON CONFLICT (person_id) DO NOTHING
        """,
        person_ids,
    )


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
        *columns(((e.post_id, e.person_id, e.left_on) for e in events), 3),
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


async def erase_people(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    await connection.execute(
        """
        INSERT INTO person (person_id, erased)
        SELECT *, true FROM unnest($1::uuid[])
        ON CONFLICT (person_id) DO UPDATE SET erased = true
        """,
        person_ids,
    )


async def forget_titles(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> list[UUID]:
    """Takes the titles off the own records of those of the people who are erased, by any id.

    Answers all ids of those. A merge that arrives after the erasure has to call it, too.
    """
    rows = await connection.fetch(
        """
        WITH erased AS (
            SELECT DISTINCT one.person_id
              FROM unnest($1::uuid[]) AS given (person_id)
             CROSS JOIN LATERAL ids_of_person(given.person_id) AS one (person_id)
             WHERE EXISTS (SELECT FROM person AS p
                            WHERE p.erased
                              AND p.person_id IN (SELECT ids_of_person(given.person_id)))
        ),
        forgotten AS (
            UPDATE own_record AS o
               SET title = NULL,
                   updated_at = now()
              FROM erased AS e
             WHERE o.person_id = e.person_id
               AND o.title IS NOT NULL
        )
        SELECT person_id FROM erased ORDER BY person_id
        """,
        person_ids,
    )
    return [row["person_id"] for row in rows]


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


# The credits of days


async def standing(
    connection: asyncpg.Connection, day_ids: Sequence[UUID]
) -> dict[UUID, list[Credit]]:
    """The credits that count, by the day that they come from; every day given is there."""
    found: dict[UUID, list[Credit]] = {day_id: [] for day_id in day_ids}
    for row in await connection.fetch(
        """
        SELECT credit_id, person_id, hours, strand, source, source_id, school_id, earned_on
          FROM credit
         WHERE source_id = ANY ($1::uuid[])
           AND NOT revoked
         ORDER BY source_id, person_id
        """,
        day_ids,
    ):
        found[row["source_id"]].append(_credit(row))
    return found


async def revoke(connection: asyncpg.Connection, credits_: Sequence[Credit]) -> None:
    await connection.execute(
        """
        UPDATE credit
           SET revoked = true,
               updated_at = now()
         WHERE credit_id = ANY ($1::uuid[])
        """,
        [credit.credit_id for credit in credits_],
    )


async def add(connection: asyncpg.Connection, credits_: Sequence[Credit]) -> None:
    await connection.execute(
        """
        INSERT INTO credit
               (credit_id, person_id, hours, strand, source, source_id, school_id, earned_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::text[], $5::text[],
                             $6::uuid[], $7::uuid[], $8::date[])
        """,
        *columns((tuple(vars(credit).values()) for credit in credits_), 8),
    )


# Who may see whom


async def is_known(
    connection: asyncpg.Connection, person_id: UUID, *, to_schools: Iterable[UUID] | None = None,
    to_groups: Iterable[UUID] | None = None, to_person: UUID | None = None, today: date,
) -> bool:  # fmt: skip
    """Whether membership has told of the person, and, where a scope is given, whether it holds
    them: someone with a post today at one of the schools, or of the groups' schools; oneself."""
    known: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM person WHERE person_id IN (SELECT ids_of_person($1)))
           AND CASE
               WHEN $2::uuid[] IS NOT NULL THEN EXISTS (
                    SELECT FROM schools_of_person($1, $5) AS s (school_id)
                     WHERE s.school_id = ANY ($2))
               WHEN $3::uuid[] IS NOT NULL THEN EXISTS (
                    SELECT FROM schools_of_person($1, $5) AS s (school_id)
                      JOIN group_school AS g USING (school_id)
                     WHERE g.group_id = ANY ($3)
                       AND g.joined_on <= $5
                       AND (g.left_on IS NULL OR $5 < g.left_on))
               WHEN $4::uuid IS NOT NULL THEN $4 IN (SELECT ids_of_person($1))
               ELSE true
               END
        """,
        person_id,
        None if to_schools is None else list(to_schools),
        None if to_groups is None else list(to_groups),
        to_person,
        today,
    )
    return known


# Own records


async def hold_person(
    connection: asyncpg.Connection, person_id: UUID, earned_on: date
) -> asyncpg.Record | None:
    """The person that stays, kept from being erased until the transaction ends, with the school
    of the post on the date (the one held longest); None if nobody may be recorded for."""
    return await connection.fetchrow(
        """
        SELECT p.person_id,
               (SELECT post.school_id
                  FROM post
                 WHERE post.person_id IN (SELECT ids_of_person($1))
                   AND post.appointed_on <= $2
                   AND NOT EXISTS (SELECT FROM post_left AS l
                                    WHERE l.post_id = post.post_id AND l.left_on < $2)
                 ORDER BY post.appointed_on, post.post_id
                 LIMIT 1) AS school_id
          FROM person AS p
         WHERE p.person_id IN (SELECT ids_of_person($1))
           AND NOT p.erased
           AND NOT EXISTS (SELECT FROM person AS e
                            WHERE e.erased AND e.person_id IN (SELECT ids_of_person($1)))
         ORDER BY p.person_id = person_that_stays($1) DESC, p.person_id
         LIMIT 1
           FOR SHARE OF p
        """,
        person_id,
        earned_on,
    )


async def add_own_record(connection: asyncpg.Connection, record: OwnRecord) -> None:
    credit = record.credit
    await connection.execute(
        """
        INSERT INTO own_record (credit_id, person_id, hours, strand, school_id, earned_on, title)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        credit.credit_id, credit.person_id, credit.hours, credit.strand, credit.school_id,
        credit.earned_on, record.title,
    )  # fmt: skip


async def own_record(
    connection: asyncpg.Connection, person_id: UUID, record_id: UUID
) -> OwnRecord | None:
    """The own record of a person, by whatever id, locked until the transaction ends."""
    row = await connection.fetchrow(
        """
        SELECT credit_id, person_id, hours, strand, 'own_record' AS source,
               credit_id AS source_id, school_id, earned_on, title, revoked
          FROM own_record
         WHERE credit_id = $2
           AND person_id IN (SELECT ids_of_person($1))
           FOR UPDATE
        """,
        person_id,
        record_id,
    )
    if row is None:
        return None
    return OwnRecord(credit=_credit(row), title=row["title"], is_revoked=row["revoked"])


async def revoke_own_record(connection: asyncpg.Connection, record: OwnRecord) -> None:
    await connection.execute(
        """
        UPDATE own_record
           SET revoked = true,
               updated_at = now()
         WHERE credit_id = $1
        """,
        record.credit.credit_id,
    )


# Reading


async def stays(connection: asyncpg.Connection, person_id: UUID) -> UUID:
    found: UUID = await connection.fetchval("SELECT person_that_stays($1)", person_id)
    return found


async def sums(connection: asyncpg.Connection, person_id: UUID, year: int | None) -> list[Sum]:
    """The hours that stand for a person, by whatever id; `year`: the one that begins in it."""
    rows = await connection.fetch(
        """
        SELECT strand, source, year, sum(hours) AS hours
          FROM (SELECT strand, source, hours,
                       extract(year FROM earned_on - interval '8 months')::integer AS year
                  FROM earned
                 WHERE person_id IN (SELECT ids_of_person($1))
                   AND NOT revoked) AS of_person
         WHERE $2::integer IS NULL OR year = $2
         GROUP BY strand, source, year
        """,
        person_id,
        year,
    )
    return [
        Sum(
            strand=Strand(row["strand"]),
            source=CpdSource(row["source"]),
            year=row["year"],
            hours=row["hours"],
        )
        for row in rows
    ]


async def earned(
    connection: asyncpg.Connection, person_id: UUID, page: PageRequest
) -> list[asyncpg.Record]:
    """The credits of a person, by whatever id, also those that were revoked."""
    return await connection.fetch(
        """
        SELECT credit_id AS id, *
          FROM earned
         WHERE person_id IN (SELECT ids_of_person($1))
           AND ($2::uuid IS NULL OR credit_id > $2)
           AND ($3::timestamptz IS NULL OR updated_at >= $3)
         ORDER BY credit_id
         LIMIT $4
        """,
        person_id,
        page.after,
        page.updated_since,
        page.fetch,
    )


def _credit(row: asyncpg.Record) -> Credit:
    return Credit(
        credit_id=row["credit_id"],
        person_id=row["person_id"],
        hours=row["hours"],
        strand=Strand(row["strand"]),
        source=CpdSource(row["source"]),
        source_id=row["source_id"],
        school_id=row["school_id"],
        earned_on=row["earned_on"],
    )
