"""Networks and their advisers."""

from collections.abc import Sequence
from datetime import date
from typing import Literal
from uuid import UUID

import asyncpg

from services.membership.domain.network import Assignment, Network
from shared.events.vocabulary import Region
from shared.problems import NotFound
from shared.web import PageRequest

Lock = Literal["", "FOR SHARE", "FOR UPDATE"]


async def network(connection: asyncpg.Connection, network_id: UUID, lock: Lock = "") -> Network:
    """Raises NotFound. A school joins or moves under FOR SHARE; it is closed under FOR UPDATE."""
    row = await connection.fetchrow(
        f"SELECT * FROM network WHERE network_id = $1 {lock}",  # noqa: S608 - one of three words
        network_id,
    )
    if row is None:
        raise NotFound(f"There is no network {network_id}.")
    return (await _whole(connection, [row]))[0]


async def networks(
    connection: asyncpg.Connection,
    page: PageRequest,
    *,
    visible: Sequence[UUID] | None,
    region: Region | None,
) -> list[Network]:
    """A page by id; `visible` are the networks in sight, None for all."""
    rows = await connection.fetch(
        """
        SELECT *
          FROM network
         WHERE ($1::uuid IS NULL OR network_id > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
           AND ($3::uuid[] IS NULL OR network_id = ANY ($3))
           AND ($4::text IS NULL OR region = $4)
         ORDER BY network_id
         LIMIT $5
        """,
        page.after,
        page.updated_since,
        visible,
        region,
        page.fetch,
    )
    return await _whole(connection, rows)


async def add_network(connection: asyncpg.Connection, network: Network) -> None:
    await connection.execute(
        """
        INSERT INTO network (network_id, name, region, established_on)
        VALUES ($1, $2, $3, $4)
        """,
        network.network_id,
        network.name,
        network.region,
        network.established_on,
    )


async def save_network(connection: asyncpg.Connection, network: Network) -> None:
    """The network and its assignments."""
    await connection.execute(
        "UPDATE network SET name = $2, closed_on = $3, updated_at = now() WHERE network_id = $1",
        network.network_id,
        network.name,
        network.closed_on,
    )
    await connection.execute(
        """
        INSERT INTO adviser (network_id, person_id, assigned_on, unassigned_on)
        SELECT $1, given.*
          FROM unnest($2::uuid[], $3::date[], $4::date[]) AS given
        ON CONFLICT (network_id, person_id, assigned_on)
           DO UPDATE SET unassigned_on = excluded.unassigned_on
         WHERE adviser.unassigned_on IS DISTINCT FROM excluded.unassigned_on
        """,
        network.network_id,
        [each.person_id for each in network.assignments],
        [each.assigned_on for each in network.assignments],
        [each.unassigned_on for each in network.assignments],
    )


async def count_members(connection: asyncpg.Connection, network_id: UUID, closed_on: date) -> int:
    """The schools whose membership of the network goes on, or ends after the day."""
    members: int = await connection.fetchval(
        """
        SELECT count(*)
          FROM membership
         WHERE network_id = $1 AND NOT void AND (ended_on IS NULL OR ended_on > $2)
        """,
        network_id,
        closed_on,
    )
    return members


async def _whole(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[Network]:
    assignments: dict[UUID, list[Assignment]] = {row["network_id"]: [] for row in rows}
    for row in await connection.fetch(
        "SELECT * FROM adviser WHERE network_id = ANY ($1) ORDER BY assigned_on, person_id",
        list(assignments),
    ):
        assignments[row["network_id"]].append(
            Assignment(
                person_id=row["person_id"],
                assigned_on=row["assigned_on"],
                unassigned_on=row["unassigned_on"],
            )
        )
    return [
        Network(
            network_id=row["network_id"],
            name=row["name"],
            region=Region(row["region"]),
            established_on=row["established_on"],
            closed_on=row["closed_on"],
            assignments=tuple(assignments[row["network_id"]]),
        )
        for row in rows
    ]
