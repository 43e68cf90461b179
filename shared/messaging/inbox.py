"""The inbox in the database: how far each key has come, what is set aside, what is parked."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from shared.messaging import arrays, faults
from shared.messaging.connections import milliseconds
from shared.messaging.plan import Discarded, KeyPlan, KeyState
from shared.messaging.records import Entry, Headers, Record, Unreadable
from shared.messaging.stops import Stop, Stopped

Key = tuple[str, str]
"""Topic and key."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of the keys of a batch."""

    states: dict[Key, KeyState]
    waiting: dict[Key, list[Record]]
    discarded: dict[Key, Discarded]


class Overtaken(Exception):  # noqa: N818 - reads as a claim
    """Another replica has moved a key in the meantime: read again and start over."""


OVERTAKEN = (Overtaken, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""After these the transaction is begun again."""


async def read(connection: asyncpg.Connection, keys: Iterable[Key]) -> Known:
    """Reads the state of `keys` in three statements, however many there are."""
    keys = list(keys)
    topics, names = [topic for topic, _ in keys], [key for _, key in keys]
    rows = await connection.fetch(
        """
        SELECT i.topic, i.key, i.sequence, i.last_id, i.version,
               EXISTS (SELECT FROM parked AS p WHERE p.topic = i.topic AND p.key = i.key) AS held
          FROM unnest($1::text[], $2::text[]) AS k (topic, key)
          JOIN inbox AS i USING (topic, key)
        """,
        topics,
        names,
    )
    states = {
        (row["topic"], row["key"]): KeyState(
            row["sequence"], row["last_id"], row["version"], row["held"]
        )
        for row in rows
    }
    waiting: dict[Key, list[Record]] = {}
    for row in await connection.fetch(
        """
        SELECT s.topic, s.key, s.partition, s."offset", s.headers, s.value
          FROM unnest($1::text[], $2::text[]) AS k (topic, key)
          JOIN set_aside AS s USING (topic, key)
        """,
        topics,
        names,
    ):
        waiting.setdefault((row["topic"], row["key"]), []).append(
            Record(
                row["topic"],
                row["partition"],
                row["offset"],
                row["key"].encode(),
                read_headers(row["headers"]),
                row["value"],
            )
        )
    discarded: dict[Key, Discarded] = {}
    for row in await connection.fetch(
        """
        SELECT d.topic, d.key, d.sequence, d.event_id
          FROM unnest($1::text[], $2::text[]) AS k (topic, key)
          JOIN discarded AS d USING (topic, key)
        """,
        topics,
        names,
    ):
        key = (row["topic"], row["key"])
        discarded[key] = discarded.get(key, frozenset()) | {(row["sequence"], row["event_id"])}
    return Known(states, waiting, discarded)


async def begin(
    connection: asyncpg.Connection,
    straight: Mapping[Key, Sequence[Entry]],
    part: str,
    limit_seconds: float,
    *,
    many: bool,
) -> Collection[Key]:
    """Begins a batch's transaction: claims keys, unread, that stand just before the first of their
    given events.

    They now stand at the last. Answers them: not those that stand elsewhere, have something parked
    or set aside, or had an event discarded that may be among these. They are in the order of their
    index, which saves PostgreSQL a fifth of the work, and two replicas a deadlock.

    The same statement has PostgreSQL end the transaction after `limit_seconds`, for a stopped
    process must not hold its locks, and has the statements of a batch with `many` records planned
    for their arguments.

    Raises:
        Overtaken: another replica has begun one of the keys at the same time.
        Stopped: the part is to stand still.
    """
    keys = sorted(straight)
    try:
        row = await connection.fetchrow(
            # A timer that runs already is not set anew, so it is ended first.
            """
            SELECT CASE WHEN cardinality(advanced) < $6 THEN advanced END AS some,
                   part, reason, stopped_at
              FROM (SELECT set_config('transaction_timeout', '0', true),
                           set_config('transaction_timeout', $7, true),
                           set_config('plan_cache_mode', $8, true),
                           part, reason, stopped_at,
                           CASE WHEN part IS NULL THEN
                               advance_inbox($1::text::text[], $2::text::text[], $3::text::bigint[],
                                             $4::text::bigint[], $5::text::uuid[])
                           END AS advanced
                      FROM (SELECT) AS one
                      LEFT JOIN stop ON part = $9 AND resumed_at IS NULL) AS begun
            """,
            arrays.of_texts(topic for topic, _ in keys),
            arrays.of_texts(key for _, key in keys),
            arrays.of_plain(straight[key][0].sequence for key in keys),
            arrays.of_plain(straight[key][-1].sequence for key in keys),
            arrays.of_plain(straight[key][-1].id or "NULL" for key in keys),
            len(keys),
            milliseconds(limit_seconds),
            "force_custom_plan" if many else "auto",
            part,
        )
    except asyncpg.UniqueViolationError as error:
        raise Overtaken from error
    assert row is not None
    if row["part"] is not None:
        raise Stopped(Stop(row["part"], row["reason"], row["stopped_at"]))
    return straight.keys() if row["some"] is None else {keys[at - 1] for at in row["some"]}


async def claim(
    connection: asyncpg.Connection, plans: Sequence[tuple[Key, KeyState, KeyPlan]]
) -> None:
    """Moves the keys' rows by compare-and-set, in the order of their names.

    Raises:
        Overtaken: a row is no longer as it was read.
    """
    await faults.reach("after_read_before_claim")
    if not plans:
        return
    plans = sorted(plans, key=lambda each: each[0])
    claimed = await connection.fetch(
        """
        INSERT INTO inbox AS i (topic, key, sequence, last_id, version, unsettled)
        SELECT topic, key, sequence, last_id, version + 1, unsettled
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::bigint[], $6::boolean[])
               AS c (topic, key, sequence, last_id, version, unsettled)
         ORDER BY topic, key
        ON CONFLICT (topic, key) DO UPDATE
           SET sequence = excluded.sequence, last_id = excluded.last_id,
               version = excluded.version, unsettled = excluded.unsettled
         WHERE i.version = excluded.version - 1
        RETURNING 1
        """,
        [topic for (topic, _), _, _ in plans],
        [key for (_, key), _, _ in plans],
        [each.sequence for _, _, each in plans],
        [each.last_id for _, _, each in plans],
        [state.version for _, state, _ in plans],
        [each.unsettled for _, _, each in plans],
    )
    if len(claimed) != len(plans):
        raise Overtaken


async def set_aside(connection: asyncpg.Connection, entries: Sequence[Entry]) -> None:
    """Keeps events that came before one that they follow."""
    await connection.executemany(
        """
        INSERT INTO set_aside (topic, key, sequence, event_id, partition, "offset", headers, value)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        [
            (
                entry.record.topic,
                entry.key,
                entry.sequence,
                entry.id,
                entry.record.partition,
                entry.record.offset,
                written_headers(entry.record.headers),
                entry.record.value,
            )
            for entry in entries
        ],
    )


async def release(connection: asyncpg.Connection, sequences: Sequence[tuple[Key, int]]) -> None:
    """Forgets set-aside events that were applied or parked."""
    await connection.execute(
        """
        DELETE FROM set_aside AS s
         USING unnest($1::text[], $2::text[], $3::bigint[]) AS r (topic, key, sequence)
         WHERE (s.topic, s.key, s.sequence) = (r.topic, r.key, r.sequence)
        """,
        [topic for (topic, _), _ in sequences],
        [key for (_, key), _ in sequences],
        [sequence for _, sequence in sequences],
    )


@dataclass(frozen=True, slots=True)
class Parking:
    """A record to park, why, and the failure's signature, by which alike failures are counted."""

    entry: Entry | Unreadable
    reason: str
    failure: str


async def park(connection: asyncpg.Connection, parkings: Sequence[Parking]) -> None:
    """Parks records; one that is parked already stays as it is. Their keys are unsettled."""
    rows = []
    for parking in parkings:
        record = parking.entry.record
        named = parking.entry if isinstance(parking.entry, Entry) else None
        rows.append(
            (
                record.topic,
                record.partition,
                record.offset,
                named and named.key,
                named and named.sequence,
                named and named.id,
                written_headers(record.headers),
                record.key,
                record.value,
                storable(parking.reason),
                storable(parking.failure),
            )
        )
    await connection.executemany(
        """
        INSERT INTO parked (topic, partition, "offset", key, sequence, event_id, headers, raw_key,
                            value, reason, failure)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT DO NOTHING
        """,
        rows,
    )
    await connection.execute(
        """
        UPDATE inbox AS i
           SET unsettled = true
          FROM unnest($1::text[], $2::text[]) AS p (topic, key)
         WHERE (i.topic, i.key) = (p.topic, p.key)
           AND NOT unsettled
        """,
        [row[0] for row in rows],
        [row[3] for row in rows],
    )


def storable(text: str) -> str:
    """Text that PostgreSQL takes, whatever a message has put into it."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


async def lift_hold(connection: asyncpg.Connection, keys: Sequence[Key]) -> None:
    """Drops the parked records of compacted keys, whose place a later record takes."""
    await connection.execute(
        """
        DELETE FROM parked AS p
         USING unnest($1::text[], $2::text[]) AS k (topic, key)
         WHERE p.topic = k.topic AND p.key = k.key
        """,
        [topic for topic, _ in keys],
        [key for _, key in keys],
    )


def written_headers(headers: Headers) -> str:
    """Headers as JSON; Latin-1 maps every byte to one character and back."""
    return json.dumps([[name, (value or b"").decode("latin-1")] for name, value in headers])


def read_headers(written: str) -> Headers:
    return [(name, value.encode("latin-1")) for name, value in json.loads(written)]
