"""Groups, and the schools in them."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.membership.domain.group import Group, RegisterCodeTaken, Stay
from shared.events.vocabulary import GroupKind
from shared.problems import NotFound
from shared.web import PageRequest


async def group(connection: asyncpg.Connection, group_id: UUID) -> Group:
    """Raises NotFound."""
    row = await connection.fetchrow("SELECT * FROM school_group WHERE group_id = $1", group_id)
    if row is None:
        raise NotFound(f"There is no group {group_id}.")
    return _group(row)


async def locked_group(connection: asyncpg.Connection, group_id: UUID) -> Group:
    """Raises NotFound."""
    await connection.execute("SELECT FROM school_group WHERE group_id = $1 FOR UPDATE", group_id)
    return await group(connection, group_id)


async def groups(
    connection: asyncpg.Connection, page: PageRequest, *, visible: Sequence[UUID] | None
) -> list[Group]:
    """A page by id; `visible` are the groups in sight, None for all."""
    rows = await connection.fetch(
        """
        SELECT *
          FROM school_group
         WHERE ($1::uuid IS NULL OR group_id > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
           AND ($3::uuid[] IS NULL OR group_id = ANY ($3))
         ORDER BY group_id
         LIMIT $4
        """,
        page.after,
        page.updated_since,
        visible,
        page.fetch,
    )
    return [_group(row) for row in rows]


async def add_group(connection: asyncpg.Connection, group: Group) -> None:
    """Raises RegisterCodeTaken where another group of the kind has the code."""
    added = await connection.fetchval(
        """
        INSERT INTO school_group (group_id, name, kind, register_code)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, register_code) DO NOTHING
        RETURNING true
        """,
        group.group_id,
        group.name,
        group.kind,
        group.register_code,
    )
    if added is None:
        raise RegisterCodeTaken(
            f"Another {group.kind} has the register's code {group.register_code}; use that group."
        )


async def save_group(connection: asyncpg.Connection, group: Group) -> None:
    await connection.execute(
        "UPDATE school_group SET name = $2, updated_at = now() WHERE group_id = $1",
        group.group_id,
        group.name,
    )


async def stays(
    connection: asyncpg.Connection,
    group_ids: Sequence[UUID],
    school_id: UUID | None = None,
) -> dict[UUID, list[Stay]]:
    """The stays in each group, of all schools or of one, the earliest first."""
    found: dict[UUID, list[Stay]] = {group_id: [] for group_id in group_ids}
    for row in await connection.fetch(
        """
        SELECT *
          FROM group_stay
         WHERE group_id = ANY ($1)
           AND ($2::uuid IS NULL OR school_id = $2)
         ORDER BY joined_on, school_id
        """,
        group_ids,
        school_id,
    ):
        found[row["group_id"]].append(
            Stay(
                group_id=row["group_id"],
                school_id=row["school_id"],
                joined_on=row["joined_on"],
                left_on=row["left_on"],
            )
        )
    return found


async def save_stay(connection: asyncpg.Connection, stay: Stay) -> None:
    await connection.execute(
        """
        INSERT INTO group_stay (group_id, school_id, joined_on, left_on)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (group_id, school_id, joined_on) DO UPDATE SET left_on = excluded.left_on
        """,
        stay.group_id,
        stay.school_id,
        stay.joined_on,
        stay.left_on,
    )
    await connection.execute(
        "UPDATE school_group SET updated_at = now() WHERE group_id = $1", stay.group_id
    )


def _group(row: asyncpg.Record) -> Group:
    return Group(
        group_id=row["group_id"],
        name=row["name"],
        kind=GroupKind(row["kind"]),
        register_code=row["register_code"],
    )
