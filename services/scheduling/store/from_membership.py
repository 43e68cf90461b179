"""What membership's events write: one statement for a whole list of events of one type."""

import datetime
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from shared.database import columns
from shared.events import membership as said


async def put_networks(
    connection: asyncpg.Connection, events: Sequence[said.NetworkEstablished]
) -> None:
    await connection.execute(
        """
        INSERT INTO network (network_id, name, region, established_on)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[])
        ON CONFLICT (network_id) DO UPDATE
           SET name = excluded.name,
               region = excluded.region,
               established_on = excluded.established_on
        """,
        *columns(((e.network_id, e.name, e.region, e.established_on) for e in events), 4),
    )


async def rename_networks(
    connection: asyncpg.Connection, events: Sequence[said.NetworkRenamed]
) -> None:
    await connection.execute(
        """
        UPDATE network AS n
           SET name = e.name
          FROM unnest($1::uuid[], $2::text[]) AS e (network_id, name)
         WHERE n.network_id = e.network_id
        """,
        *columns(((e.network_id, e.name) for e in events), 2),
    )


async def close_networks(
    connection: asyncpg.Connection, events: Sequence[said.NetworkClosed]
) -> None:
    await connection.execute(
        """
        UPDATE network AS n
           SET closed_on = e.closed_on
          FROM unnest($1::uuid[], $2::date[]) AS e (network_id, closed_on)
         WHERE n.network_id = e.network_id
        """,
        *columns(((e.network_id, e.closed_on) for e in events), 2),
    )


async def add_adviser_changes(
    connection: asyncpg.Connection,
    changes: Sequence[tuple[UUID, int, UUID, datetime.date, bool]],
) -> None:
    """Changes are (network, sequence, person, changed on, assigned)."""
    await connection.execute(
        """
        INSERT INTO adviser_change (network_id, sequence, person_id, changed_on, assigned)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::date[], $5::boolean[])
        ON CONFLICT (network_id, sequence) DO UPDATE
           SET person_id = excluded.person_id,
               changed_on = excluded.changed_on,
               assigned = excluded.assigned
        """,
        *columns(changes, 5),
    )


async def put_schools(
    connection: asyncpg.Connection,
    events: Sequence[said.SchoolRegistered] | Sequence[said.SchoolDetailsChanged],
) -> None:
    await connection.execute(
        """
        INSERT INTO school (school_id, urn, name)
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[])
        ON CONFLICT (school_id) DO UPDATE
           SET urn = excluded.urn,
               name = excluded.name
        """,
        *columns(((e.school_id, e.details.urn, e.details.name) for e in events), 3),
    )


async def change_urns(
    connection: asyncpg.Connection, events: Sequence[said.SchoolUrnChanged]
) -> None:
    await connection.execute(
        """
        UPDATE school AS s
           SET urn = e.urn
          FROM unnest($1::uuid[], $2::integer[]) AS e (school_id, urn)
         WHERE s.school_id = e.school_id
        """,
        *columns(((e.school_id, e.new_urn) for e in events), 2),
    )


async def put_memberships(
    connection: asyncpg.Connection, events: Sequence[said.SchoolJoined]
) -> None:
    await connection.execute(
        """
        INSERT INTO school_membership
               (membership_id, school_id, network_id, pathway, joined_on, ends_on)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[])
        ON CONFLICT (membership_id) DO UPDATE
           SET school_id = excluded.school_id,
               network_id = excluded.network_id,
               pathway = excluded.pathway,
               joined_on = excluded.joined_on,
               ends_on = excluded.ends_on
        """,
        *columns(
            (
                (e.membership_id, e.school_id, e.network_id, e.pathway, e.joined_on, e.ends_on)
                for e in events
            ),
            6,
        ),
    )


async def correct_memberships(
    connection: asyncpg.Connection, events: Sequence[said.MembershipCorrected]
) -> None:
    """The network that was joined is replaced only if it was wrong: moves are not undone."""
    await connection.execute(
        """
        UPDATE school_membership AS m
           SET network_id = CASE WHEN e.wrong_network THEN e.network_id ELSE m.network_id END,
               pathway = e.pathway,
               joined_on = e.joined_on,
               ends_on = e.ends_on,
               void = e.void
          FROM unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::date[], $6::date[],
                      $7::boolean[])
               AS e (membership_id, wrong_network, network_id, pathway, joined_on, ends_on, void)
         WHERE m.membership_id = e.membership_id
        """,
        *columns(
            (
                (
                    e.membership_id,
                    "network_id" in e.wrong,
                    e.network_id,
                    e.pathway,
                    e.joined_on,
                    e.ends_on,
                    e.void,
                )
                for e in events
            ),
            7,
        ),
    )


async def move_memberships(
    connection: asyncpg.Connection, events: Sequence[said.SchoolMovedNetwork]
) -> None:
    await connection.execute(
        """
        INSERT INTO membership_move (membership_id, moved_on, network_id)
        SELECT * FROM unnest($1::uuid[], $2::date[], $3::uuid[])
        ON CONFLICT (membership_id, moved_on) DO UPDATE
           SET network_id = excluded.network_id
        """,
        *columns(((e.membership_id, e.moved_on, e.to_network_id) for e in events), 3),
    )


async def pause_memberships(
    connection: asyncpg.Connection, events: Sequence[said.MembershipPaused]
) -> None:
    await connection.execute(
        """
        INSERT INTO membership_pause (membership_id, paused_on)
        SELECT * FROM unnest($1::uuid[], $2::date[])
        ON CONFLICT (membership_id, paused_on) DO UPDATE
           SET resumed_on = NULL
        """,
        *columns(((e.membership_id, e.paused_on) for e in events), 2),
    )


async def resume_memberships(
    connection: asyncpg.Connection, events: Sequence[said.MembershipResumed]
) -> None:
    await connection.execute(
        """
        UPDATE membership_pause AS p
           SET resumed_on = e.resumed_on
          FROM unnest($1::uuid[], $2::date[]) AS e (membership_id, resumed_on)
         WHERE p.membership_id = e.membership_id
           AND p.resumed_on IS NULL
        """,
        *columns(((e.membership_id, e.resumed_on) for e in events), 2),
    )


async def end_memberships(
    connection: asyncpg.Connection, ends: Sequence[tuple[UUID, datetime.date]]
) -> None:
    """Ends are (membership, its last day)."""
    await connection.execute(
        """
        UPDATE school_membership AS m
           SET ended_on = e.ended_on
          FROM unnest($1::uuid[], $2::date[]) AS e (membership_id, ended_on)
         WHERE m.membership_id = e.membership_id
        """,
        *columns(ends, 2),
    )


async def put_schools_in_groups(
    connection: asyncpg.Connection, events: Sequence[said.SchoolJoinedGroup]
) -> None:
    await connection.execute(
        """
        INSERT INTO group_school (group_id, school_id, joined_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])
        ON CONFLICT (group_id, school_id, joined_on) DO UPDATE
           SET left_on = NULL
        """,
        *columns(((e.group_id, e.school_id, e.joined_on) for e in events), 3),
    )


async def take_schools_out_of_groups(
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


async def put_posts(connection: asyncpg.Connection, events: Sequence[said.LeaderAppointed]) -> None:
    await connection.execute(
        """
        INSERT INTO post (post_id, person_id, school_id, role, appointed_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[])
        ON CONFLICT (post_id) DO UPDATE
           SET person_id = excluded.person_id,
               school_id = excluded.school_id,
               role = excluded.role,
               appointed_on = excluded.appointed_on
        """,
        *columns(
            ((e.post_id, e.person_id, e.school_id, e.role, e.appointed_on) for e in events), 5
        ),
    )


async def end_posts(connection: asyncpg.Connection, events: Sequence[said.LeaderLeft]) -> None:
    await connection.execute(
        """
        INSERT INTO post_left (post_id, person_id, left_on)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])
        ON CONFLICT (post_id, person_id) DO UPDATE
           SET left_on = excluded.left_on
        """,
        *columns(((e.post_id, e.person_id, e.left_on) for e in events), 3),
    )


async def merge_people(connection: asyncpg.Connection, events: Sequence[said.PeopleMerged]) -> None:
    await connection.execute(
        """
        INSERT INTO person_merge (person_id, merged_person_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[])
        ON CONFLICT (merged_person_id, person_id) DO NOTHING
        """,
        *columns(((e.person_id, e.merged_person_id) for e in events), 2),
    )


async def erase_people(connection: asyncpg.Connection, events: Sequence[said.PersonErased]) -> None:
    await connection.execute(
        """
        INSERT INTO erased_person (person_id)
        SELECT * FROM unnest($1::uuid[])
        ON CONFLICT (person_id) DO NOTHING
        """,
        *columns(((e.person_id,) for e in events), 1),
    )
