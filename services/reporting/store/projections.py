"""What events write: one or two statements for a whole list of events of one type."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from shared.database import columns
from shared.events import cpd, membership, scheduling

# membership: networks


async def put_networks(
    connection: asyncpg.Connection, events: Sequence[membership.NetworkEstablished]
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
    connection: asyncpg.Connection, events: Sequence[membership.NetworkRenamed]
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
    connection: asyncpg.Connection, events: Sequence[membership.NetworkClosed]
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


# membership: schools


async def put_schools(
    connection: asyncpg.Connection,
    events: Sequence[membership.SchoolRegistered] | Sequence[membership.SchoolDetailsChanged],
) -> None:
    await connection.execute(
        """
        INSERT INTO school (school_id, name)
        SELECT * FROM unnest($1::uuid[], $2::text[])
        ON CONFLICT (school_id) DO UPDATE SET name = excluded.name
        """,
        *columns(((e.school_id, e.details.name) for e in events), 2),
    )


async def put_memberships(
    connection: asyncpg.Connection, events: Sequence[membership.SchoolJoined]
) -> None:
    await connection.execute(
        """
        INSERT INTO membership (membership_id, school_id, network_id, pathway, joined_on, ends_on,
                                framework, judgement)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::date[],
                             $6::date[], $7::text[], $8::text[])
        ON CONFLICT (membership_id) DO UPDATE
           SET school_id = excluded.school_id,
               network_id = excluded.network_id,
               pathway = excluded.pathway,
               joined_on = excluded.joined_on,
               ends_on = excluded.ends_on,
               framework = excluded.framework,
               judgement = excluded.judgement
        """,
        *columns(
            (
                (
                    e.membership_id, e.school_id, e.network_id, e.pathway, e.joined_on, e.ends_on,
                    e.starting_point.framework, e.starting_point.judgement,
                )
                for e in events
            ),
            8,
        ),
    )  # fmt: skip


async def correct_memberships(
    connection: asyncpg.Connection, events: Sequence[membership.MembershipCorrected]
) -> None:
    """`network_id` is the network that was joined: a correction undoes no move."""
    await connection.execute(
        """
        UPDATE membership AS m
           SET network_id = e.network_id,
               pathway = e.pathway,
               joined_on = e.joined_on,
               ends_on = e.ends_on,
               framework = e.framework,
               judgement = e.judgement,
               void = e.void
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::date[], $6::text[],
                      $7::text[], $8::boolean[])
               AS e (membership_id, network_id, pathway, joined_on, ends_on, framework, judgement,
                     void)
         WHERE m.membership_id = e.membership_id
        """,
        *columns(
            (
                (
                    e.membership_id, e.network_id, e.pathway, e.joined_on, e.ends_on,
                    e.starting_point.framework, e.starting_point.judgement, e.void,
                )
                for e in events
            ),
            8,
        ),
    )  # fmt: skip


async def add_moves(
    connection: asyncpg.Connection, moves: Sequence[tuple[int, membership.SchoolMovedNetwork]]
) -> None:
    """Each move with the sequence of its event."""
    await connection.execute(
        """
        INSERT INTO membership_move (membership_id, number, school_id, network_id, moved_on)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::date[])
        ON CONFLICT (membership_id, number) DO UPDATE
           SET network_id = excluded.network_id,
               moved_on = excluded.moved_on
        """,
        *columns(
            (
                (e.membership_id, number, e.school_id, e.to_network_id, e.moved_on)
                for number, e in moves
            ),
            5,
        ),
    )


async def end_memberships(
    connection: asyncpg.Connection, ends: Sequence[tuple[UUID, object]]
) -> None:
    """Each membership with its last day."""
    await connection.execute(
        """
        UPDATE membership AS m
           SET ended_on = e.ended_on
          FROM unnest($1::uuid[], $2::date[]) AS e (membership_id, ended_on)
         WHERE m.membership_id = e.membership_id
        """,
        *columns(ends, 2),
    )


# membership: groups and people


async def put_in_groups(
    connection: asyncpg.Connection, events: Sequence[membership.SchoolJoinedGroup]
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
    connection: asyncpg.Connection, events: Sequence[membership.SchoolLeftGroup]
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


async def merge_people(
    connection: asyncpg.Connection, events: Sequence[membership.PeopleMerged]
) -> None:
    await connection.execute(
        """
        INSERT INTO person_merge (person_id, merged_person_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[])
        ON CONFLICT DO NOTHING
        """,
        *columns(((e.person_id, e.merged_person_id) for e in events), 2),
    )


# scheduling: Network Days


async def put_network_days(
    connection: asyncpg.Connection,
    events: Sequence[scheduling.NetworkDayScheduled] | Sequence[scheduling.NetworkDayHeld],
    status: str,
) -> None:
    """A uuid[][] cannot be ragged, so each day's networks travel as the text of an array."""
    await connection.execute(
        """
        INSERT INTO network_day (day_id, network_ids, date, status)
        SELECT e.day_id, e.network_ids::uuid[], e.date, $4
          FROM unnest($1::uuid[], $2::text[], $3::date[]) AS e (day_id, network_ids, date)
        ON CONFLICT (day_id) DO UPDATE
           SET network_ids = excluded.network_ids,
               date = excluded.date,
               status = excluded.status
        """,
        *columns(
            ((e.day_id, "{" + ",".join(map(str, e.network_ids)) + "}", e.date) for e in events), 3
        ),
        status,
    )


async def reschedule_network_days(
    connection: asyncpg.Connection, events: Sequence[scheduling.NetworkDayRescheduled]
) -> None:
    await connection.execute(
        """
        UPDATE network_day AS d
           SET date = e.date
          FROM unnest($1::uuid[], $2::date[]) AS e (day_id, date)
         WHERE d.day_id = e.day_id
        """,
        *columns(((e.day_id, e.date) for e in events), 2),
    )


async def set_network_days(
    connection: asyncpg.Connection, day_ids: Sequence[UUID], status: str
) -> None:
    """Another status than held: such a day has no register."""
    await connection.execute(
        "UPDATE network_day SET status = $2 WHERE day_id = ANY ($1::uuid[])", day_ids, status
    )
    await connection.execute("DELETE FROM register_entry WHERE day_id = ANY ($1::uuid[])", day_ids)


async def put_registers(
    connection: asyncpg.Connection, entries: Iterable[tuple[UUID, scheduling.RegisterEntry]]
) -> None:
    """Entries, each with its day."""
    await connection.execute(
        """
        INSERT INTO register_entry (day_id, place_id, person_id, school_id, role, attendance)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
                             $6::text[])
        ON CONFLICT (day_id, place_id) DO UPDATE
           SET person_id = excluded.person_id,
               school_id = excluded.school_id,
               role = excluded.role,
               attendance = excluded.attendance
        """,
        *columns(
            (
                (day_id, e.place_id, e.person_id, e.school_id, e.role, e.attendance)
                for day_id, e in entries
            ),
            6,
        ),
    )


# scheduling: Development Days


async def put_development_days(
    connection: asyncpg.Connection,
    events: Sequence[scheduling.DevelopmentDayPlanned]
    | Sequence[scheduling.DevelopmentDayDelivered]
    | Sequence[scheduling.DevelopmentDayCorrected],
    status: str,
) -> None:
    await connection.execute(
        """
        INSERT INTO development_day (day_id, school_id, network_id, date, status)
        SELECT e.*, $5
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::date[]) AS e
        ON CONFLICT (day_id) DO UPDATE
           SET school_id = excluded.school_id,
               network_id = excluded.network_id,
               date = excluded.date,
               status = excluded.status
        """,
        *columns(((e.day_id, e.school_id, e.network_id, e.date) for e in events), 4),
        status,
    )


async def replace_participants(
    connection: asyncpg.Connection,
    events: Sequence[scheduling.DevelopmentDayDelivered]
    | Sequence[scheduling.DevelopmentDayCorrected],
) -> None:
    await connection.execute(
        "DELETE FROM participant WHERE day_id = ANY ($1::uuid[])", [e.day_id for e in events]
    )
    await connection.execute(
        """
        INSERT INTO participant (day_id, person_id, role)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])
        ON CONFLICT (day_id, person_id) DO NOTHING
        """,
        *columns(((e.day_id, p.person_id, p.role) for e in events for p in e.participants), 3),
    )


async def reschedule_development_days(
    connection: asyncpg.Connection, events: Sequence[scheduling.DevelopmentDayRescheduled]
) -> None:
    await connection.execute(
        """
        UPDATE development_day AS d
           SET date = e.date
          FROM unnest($1::uuid[], $2::date[]) AS e (day_id, date)
         WHERE d.day_id = e.day_id
        """,
        *columns(((e.day_id, e.date) for e in events), 2),
    )


async def cancel_development_days(connection: asyncpg.Connection, day_ids: Sequence[UUID]) -> None:
    await connection.execute(
        "UPDATE development_day SET status = 'cancelled' WHERE day_id = ANY ($1::uuid[])", day_ids
    )
    await connection.execute("DELETE FROM participant WHERE day_id = ANY ($1::uuid[])", day_ids)


# cpd


async def put_credits(
    connection: asyncpg.Connection,
    events: Sequence[cpd.CpdCredited] | Sequence[cpd.CpdRevoked],
    *,
    revoked: bool,
) -> None:
    await connection.execute(
        """
        INSERT INTO credit (credit_id, person_id, hours, strand, source, source_id, school_id,
                            earned_on, revoked)
        SELECT e.*, $9
          FROM unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::text[], $5::text[], $6::uuid[],
                      $7::uuid[], $8::date[]) AS e
        ON CONFLICT (credit_id) DO UPDATE SET revoked = excluded.revoked
        """,
        *columns(
            (
                (
                    e.credit_id, e.person_id, e.hours, e.strand, e.source, e.source_id,
                    e.school_id, e.earned_on,
                )
                for e in events
            ),
            8,
        ),
        revoked,
    )  # fmt: skip
