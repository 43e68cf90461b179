"""Parked records: what an operator sees of them, and what may be done with them.

Replaying and discarding move the key's inbox row as a batch does, so that a consumer at work on
the same key starts over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.events import TOPICS
from shared.messaging import faults, inbox, journal
from shared.messaging.connections import acquire
from shared.messaging.decoding import decode
from shared.messaging.effects import Effects
from shared.messaging.inbox import OVERTAKEN
from shared.messaging.plan import KeyPlan, KeyState
from shared.messaging.records import Entry, Record, Unreadable, trace_id
from shared.messaging.waves import Waves

MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked record as operators are shown it; `value` is None where it may be personal."""

    parked_id: int
    topic: str
    partition: int
    offset: int
    key: str | None
    sequence: int | None
    event_id: UUID | None
    type: str | None
    reason: str
    since: datetime
    trace_id: str | None = None
    value: str | None = None


class NothingParked(Exception):  # noqa: N818 - reads as a claim
    """There is no such parked record, or nothing parked for that key."""


class NotFirst(Exception):  # noqa: N818 - reads as a claim
    """Another record of its key goes first, or it has no key, so it cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records took effect, and those that failed again, with the reasons."""

    applied: int
    failed: Sequence[tuple[int | None, str]]


async def parked(connection: asyncpg.Connection) -> list[Parked]:
    """The parked records, by topic, key and sequence; at most 1,000."""
    rows = await connection.fetch(
        """
        SELECT parked_id, topic, partition, "offset", key, sequence, event_id, headers, reason,
               since
          FROM parked
         ORDER BY topic, key NULLS FIRST, sequence, parked_id
         LIMIT $1
        """,
        MAX_LISTED,
    )
    return [_shown(row) for row in rows]


async def page(
    connection: asyncpg.Connection,
    *,
    topic: str | None,
    key: str | None,
    since: datetime | None,
    after: int,
    limit: int,
) -> list[Parked]:
    """Parked records by their number, beginning behind `after`; what is None excludes none."""
    rows = await connection.fetch(
        """
        SELECT parked_id, topic, partition, "offset", key, sequence, event_id, headers, reason,
               since
          FROM parked
         WHERE parked_id > $1
           AND ($2::text IS NULL OR topic = $2)
           AND ($3::text IS NULL OR key = $3)
           AND ($4::timestamptz IS NULL OR since >= $4)
         ORDER BY parked_id
         LIMIT $5
        """,
        after, topic, key, since, limit,
    )  # fmt: skip
    return [_shown(row) for row in rows]


async def show(connection: asyncpg.Connection, parked_id: int) -> Parked:
    """One parked record with its value; the value of a personal topic is not shown.

    Raises:
        NothingParked: there is none with that number.
    """
    row = await connection.fetchrow("SELECT * FROM parked WHERE parked_id = $1", parked_id)
    if row is None:
        raise NothingParked(f"There is no parked record number {parked_id}.")
    return _shown(row, with_value=True)


async def replay(
    pool: asyncpg.Pool, service: str, effects: Effects, topic: str, key: str, actor: str
) -> Replayed:
    """Applies a key's parked records in order, up to the first that fails again; it is kept who
    had that done.

    Raises:
        NothingParked: the key has none.
    """
    while True:
        try:
            async with acquire(pool) as connection, connection.transaction():
                return await _replay(connection, service, effects, topic, key, actor)
        except OVERTAKEN:
            continue


async def replay_from(
    connection: asyncpg.Connection, service: str, effects: Effects, parked_id: int, actor: str
) -> Replayed:
    """Applies a record, which has to be the first that is parked of its key, and what is parked
    behind it, in order, up to the first that fails again; inside the caller's transaction.

    Raises:
        NothingParked: there is none with that number.
        NotFirst: one before it is still parked, or it has no key; the message says which.
        Overtaken: a batch has moved the key meanwhile; begin a new transaction.
    """
    row = await connection.fetchrow(
        """
        SELECT p.topic, p.key, first.parked_id, first.sequence
          FROM parked AS p
          LEFT JOIN LATERAL (SELECT parked_id, sequence
                               FROM parked AS f
                              WHERE (f.topic, f.key) = (p.topic, p.key)
                              ORDER BY sequence
                              LIMIT 1) AS first ON true
         WHERE p.parked_id = $1
        """,
        parked_id,
    )
    if row is None:
        raise NothingParked(f"There is no parked record number {parked_id}.")
    if row["key"] is None:
        raise NotFirst(
            f"Record {parked_id} has no readable key or sequence, so it has no place in any order: "
            "it can only be discarded."
        )
    if row["parked_id"] != parked_id:
        raise NotFirst(
            f"Record {parked_id} comes after another one of its key that is still parked. Replay "
            f"number {row['parked_id']} first, which is sequence {row['sequence']}: what is parked "
            "behind it takes effect with it."
        )
    return await _replay(connection, service, effects, row["topic"], row["key"], actor)


async def discard(pool: asyncpg.Pool, parked_id: int, actor: str, because: str) -> Parked:
    """As `discard_within`, in a transaction of its own."""
    while True:
        try:
            async with acquire(pool) as connection, connection.transaction():
                return await discard_within(connection, parked_id, actor, because)
        except OVERTAKEN:
            continue


async def discard_within(
    connection: asyncpg.Connection, parked_id: int, actor: str, because: str
) -> Parked:
    """Does without a parked record for good; the decision is kept, and a rebuild keeps to it.

    Later records of its key stay parked until they are replayed.

    Raises:
        NothingParked: there is none with that number.
        Overtaken: a batch has moved the key meanwhile; begin a new transaction.
    """
    # The key first, then what is parked of it, as replays and batches do: else they would wait for
    # each other in a circle.
    place = await connection.fetchrow(
        "SELECT topic, key FROM parked WHERE parked_id = $1", parked_id
    )
    if place is not None and place["key"] is not None:
        await _touch(connection, place["topic"], place["key"])
    row = await connection.fetchrow(
        "DELETE FROM parked WHERE parked_id = $1 RETURNING *", parked_id
    )
    if row is None:
        raise NothingParked(f"There is no parked record number {parked_id}.")
    if row["key"] is not None:
        await connection.execute(
            """
            INSERT INTO discarded (topic, key, sequence, event_id, reason, discarded_by)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (topic, key, sequence) DO UPDATE
               SET event_id = excluded.event_id, reason = excluded.reason,
                   discarded_by = excluded.discarded_by, discarded_at = now()
            """,
            row["topic"], row["key"], row["sequence"], row["event_id"], because, actor,
        )  # fmt: skip
    await faults.reach("after_discard_before_commit")
    return _shown(row)


async def _replay(
    connection: asyncpg.Connection,
    service: str,
    effects: Effects,
    topic: str,
    key: str,
    actor: str,
) -> Replayed:
    await _touch(connection, topic, key)
    rows = await connection.fetch(
        "SELECT * FROM parked WHERE topic = $1 AND key = $2 ORDER BY sequence", topic, key
    )
    if not rows:
        raise NothingParked(f"Nothing is parked for the key {key} of {topic}.")
    numbers = {row["sequence"]: row["parked_id"] for row in rows}
    ready: list[Entry] = []
    failed: list[tuple[int | None, str]] = []
    for row in rows:
        entry = decode(_record(row), effects.types)
        if isinstance(entry, Unreadable) or entry.fault is not None:
            failed.append((row["sequence"], row["reason"]))
            break
        ready.append(entry)
    waves = Waves(connection, effects, careful=True)
    await waves.apply([ready])
    failed += [(each.entry.sequence, each.reason) for each in waves.failed if
               isinstance(each.entry, Entry)]  # fmt: skip
    left = {sequence for sequence, _ in failed}
    done = [entry.sequence for entry in ready if entry.sequence not in left]
    await connection.execute(
        "DELETE FROM parked WHERE parked_id = ANY ($1)", [numbers[each] for each in done]
    )
    await connection.execute(
        """
        INSERT INTO replay (topic, key, applied, failed, replayed_by) VALUES ($1, $2, $3, $4, $5)
        """,
        topic, key, done, failed[0][0] if failed else None, actor,
    )  # fmt: skip
    await journal.append(connection, journal.identified(waves.caused), f"service:{service}")
    await faults.reach("after_replay_before_commit")
    return Replayed(len(done), failed)


async def _touch(connection: asyncpg.Connection, topic: str, key: str) -> None:
    """Moves the key's version, so that nobody else acts on what they read before."""
    known = await inbox.read(connection, [(topic, key)])
    state = known.states.get((topic, key), KeyState())
    unmoved = KeyPlan(state.sequence, state.last_id, unsettled=True)
    await inbox.claim(connection, [((topic, key), state, unmoved)])
    await faults.reach("after_claim_before_effects")


def _record(row: asyncpg.Record) -> Record:
    return Record(
        row["topic"],
        row["partition"],
        row["offset"],
        row["raw_key"],
        inbox.read_headers(row["headers"]),
        row["value"],
    )


def _shown(row: asyncpg.Record, with_value: bool = False) -> Parked:
    headers = dict(inbox.read_headers(row["headers"]))
    topic = TOPICS.get(row["topic"])
    personal = topic is None or topic.compacted
    return Parked(
        parked_id=row["parked_id"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        key=row["key"],
        sequence=row["sequence"],
        event_id=row["event_id"],
        type=headers.get("ce_type", b"").decode("utf-8", "replace") or None,
        reason=row["reason"],
        since=row["since"],
        trace_id=trace_id(headers.get("traceparent")),
        value=(row["value"] or b"").decode("utf-8", "replace")
        if with_value and not personal
        else None,
    )
