"""People: profiles, posts, merging and erasure."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import asyncpg

from services.membership.domain.person import Person, Post
from shared.database import columns
from shared.events.topics import PEOPLE
from shared.events.vocabulary import Role
from shared.messaging import journal
from shared.problems import NotFound
from shared.web import PageRequest


async def person(connection: asyncpg.Connection, person_id: UUID) -> Person:
    """Raises NotFound."""
    rows = await connection.fetch(
        f"{_PERSON} WHERE person.person_id = $1",
        person_id,
    )
    if not rows:
        raise NotFound(f"There is no person {person_id}.")
    return (await _whole(connection, rows))[0]


async def people_by_id(connection: asyncpg.Connection, person_ids: Iterable[UUID]) -> list[Person]:
    rows = await connection.fetch(f"{_PERSON} WHERE person.person_id = ANY ($1)", list(person_ids))
    return await _whole(connection, rows)


async def locked_person(connection: asyncpg.Connection, person_id: UUID) -> Person:
    """Raises NotFound."""
    await lock_people(connection, [person_id])
    return await person(connection, person_id)


async def lock_people(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    """In the order of their ids, so that two merges never wait for each other."""
    await connection.execute(
        "SELECT FROM person WHERE person_id = ANY ($1) ORDER BY person_id FOR UPDATE", person_ids
    )


async def people(
    connection: asyncpg.Connection,
    page: PageRequest,
    *,
    visible: Sequence[UUID] | None,
    also: Sequence[UUID],
    school_id: UUID | None,
    today: date,
) -> list[Person]:
    """A page by id of those with a post at a school in sight today, and of those in `also`.

    `visible` are the schools in sight, None for all. Merged and erased records are left out.
    """
    among: set[UUID] | None = None
    if visible is not None:
        among = {*also, *await _staff(connection, visible, today)}
    if school_id is not None:
        staff = await _staff(connection, [school_id], today)
        among = set(staff) if among is None else among.intersection(staff)
    # Ids first, and a statement of its own: one for both would walk through everybody.
    rows = await connection.fetch(
        f"""
        {_PERSON}
         WHERE ($1::uuid IS NULL OR person.person_id > $1)
           AND ($2::timestamptz IS NULL OR person.updated_at >= $2)
           AND person.merged_into IS NULL
           AND NOT person.erased
           {"" if among is None else "AND person.person_id = ANY ($4)"}
         ORDER BY person.person_id
         LIMIT $3
        """,
        page.after,
        page.updated_since,
        page.fetch,
        *([] if among is None else [list(among)]),
    )
    return await _whole(connection, rows)


async def _staff(
    connection: asyncpg.Connection, school_ids: Sequence[UUID], today: date
) -> list[UUID]:
    """Who has a post at one of the schools, by the record that stays."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT coalesce(person.merged_into, person.person_id) AS person_id
          FROM post
          JOIN person USING (person_id)
         WHERE post.school_id = ANY ($1) AND (post.left_on IS NULL OR post.left_on >= $2)
        """,
        school_ids,
        today,
    )
    return [row["person_id"] for row in rows]


async def add_people(connection: asyncpg.Connection, people: Sequence[Person]) -> None:
    await connection.execute(
        "INSERT INTO person (person_id) SELECT unnest($1::uuid[])",
        [person.person_id for person in people],
    )
    await save_profiles(connection, people)


async def save_profiles(connection: asyncpg.Connection, people: Sequence[Person]) -> None:
    await connection.execute(
        """
        INSERT INTO profile (person_id, name, email)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
        ON CONFLICT (person_id) DO UPDATE SET name = excluded.name, email = excluded.email
        """,
        *columns(((each.person_id, each.name, each.email) for each in people), 3),
    )
    await _touch(connection, *(person.person_id for person in people))


async def save_post(connection: asyncpg.Connection, person_id: UUID, post: Post) -> None:
    """`person_id` is the person that stays, whose page shows the post."""
    await connection.execute(
        """
        INSERT INTO post (post_id, person_id, school_id, role, appointed_on, left_on)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (post_id) DO UPDATE SET left_on = excluded.left_on
        """,
        post.post_id,
        post.person_id,
        post.school_id,
        post.role,
        post.appointed_on,
        post.left_on,
    )
    await _touch(connection, person_id)


async def merge(connection: asyncpg.Connection, person: Person, merged_id: UUID) -> None:
    """`merged_id`, and what was merged into it before, is `person` from now on."""
    await connection.execute(
        """
        UPDATE person
           SET merged_into = $1, updated_at = now()
         WHERE person_id = $2 OR merged_into = $2
        """,
        person.person_id,
        merged_id,
    )
    await _touch(connection, person.person_id)
    await _forget_profiles(connection, [merged_id])


async def erase(connection: asyncpg.Connection, person: Person) -> None:
    """Deletes what the person was called, in every record and in the journal."""
    ids = [person.person_id, *person.merged_ids]
    await connection.execute(
        "UPDATE person SET erased = true, updated_at = now() WHERE person_id = ANY ($1)", ids
    )
    await _forget_profiles(connection, ids)


async def _forget_profiles(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    """The tombstone that is appended after this has the next sequence: on the compacted topic a
    gap is normal, and what was deleted here is never sent again."""
    await connection.execute("DELETE FROM profile WHERE person_id = ANY ($1)", person_ids)
    await journal.forget(connection, PEOPLE.name, [str(person_id) for person_id in person_ids])


async def _touch(connection: asyncpg.Connection, *person_ids: UUID) -> None:
    await connection.execute(
        "UPDATE person SET updated_at = now() WHERE person_id = ANY ($1)", person_ids
    )


_PERSON = """
SELECT person.person_id, person.merged_into, person.erased, profile.name, profile.email
  FROM person
  LEFT JOIN profile USING (person_id)
"""


async def _whole(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[Person]:
    ids = [row["person_id"] for row in rows]
    merged: dict[UUID, list[UUID]] = {person_id: [] for person_id in ids}
    for row in await connection.fetch(
        """
        SELECT person_id, merged_into
          FROM person
         WHERE merged_into = ANY ($1)
         ORDER BY person_id
        """,
        ids,
    ):
        merged[row["merged_into"]].append(row["person_id"])
    posts = await _posts(connection, merged)
    return [
        Person(
            person_id=row["person_id"],
            name=row["name"],
            email=row["email"],
            posts=tuple(posts[row["person_id"]]),
            merged_ids=tuple(merged[row["person_id"]]),
            merged_into=row["merged_into"],
            erased=row["erased"],
        )
        for row in rows
    ]


async def _posts(
    connection: asyncpg.Connection, merged: dict[UUID, list[UUID]]
) -> dict[UUID, list[Post]]:
    """The posts of each person, those of the records merged into it among them."""
    person_of = {each: each for each in merged}
    for person_id, others in merged.items():
        person_of.update(dict.fromkeys(others, person_id))
    posts: dict[UUID, list[Post]] = {person_id: [] for person_id in merged}
    for row in await connection.fetch(
        "SELECT * FROM post WHERE person_id = ANY ($1) ORDER BY appointed_on, post_id",
        list(person_of),
    ):
        posts[person_of[row["person_id"]]].append(
            Post(
                post_id=row["post_id"],
                person_id=row["person_id"],
                school_id=row["school_id"],
                role=Role(row["role"]),
                appointed_on=row["appointed_on"],
                left_on=row["left_on"],
            )
        )
    return posts
