"""The journal compared with what is on Kafka, from the last record that the relay knows to be on.

Where Kafka ends before that record, or has another one in its place, it has lost a part, or is
another Kafka: the relay stops. Where it goes on with events that the journal lacks, the database is
an older one: nothing is appended, so no command is taken, and nothing is published.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from shared.events import EVENT_TYPES, TOPICS, topics_of
from shared.messaging import stops
from shared.messaging.connections import acquire
from shared.messaging.decoding import decode, read_head
from shared.messaging.positions import Partition
from shared.messaging.records import Entry, Record, identity
from shared.messaging.topics import Opened, Topics, opened
from shared.settings import Settings

log = logging.getLogger(__name__)

RELAY = "relay"
"""The part that stops where Kafka has lost something."""

API = "api"
"""The part that stops where the database has: it takes no command."""

RESUMABLE = ("consumer", RELAY)
"""The parts that an operator's word alone lets go on."""

EXAMPLES = 5
SURE_AFTER_SECONDS = 1

Checkpoint = dict[Partition, tuple[int, UUID]]


@dataclass(slots=True)
class Findings:
    """What Kafka has lost, partition by partition, how many of its events are unknown here, and
    where each partition ends."""

    lost: list[str] = field(default_factory=list)
    unknown: int = 0
    examples: list[str] = field(default_factory=list)
    last: Checkpoint = field(default_factory=dict)


async def settle(
    service: str,
    pool: asyncpg.Pool,
    settings: Settings,
    opening: Opened = opened,
    *,
    refilling: bool = False,
) -> Findings:
    """Compares, and stops what must not go on; where nothing is unknown, events may be appended.

    `refilling`: what Kafka has lost is being sent again, so it stops nothing.

    Raises:
        KafkaError: Kafka does not answer.
    """
    server = await pool.fetchrow("SELECT * FROM this_server()")
    findings = await compare(service, pool, settings, opening)
    if findings.lost and not refilling:
        # A broker that has just begun may know less for a moment.
        await asyncio.sleep(SURE_AFTER_SECONDS)
        findings = await compare(service, pool, settings, opening)
    for each in findings.lost:
        log.error("Kafka has lost something: %s", each)
    if findings.unknown:
        log.error(_unknown(service, findings))
    async with acquire(pool) as connection, connection.transaction():
        if findings.lost and not refilling:
            await stops.stop(connection, RELAY, _lost(service, findings))
        if findings.unknown:
            await connection.execute("UPDATE compared SET started_at = NULL")
            await stops.stop(connection, API, _unknown(service, findings))
        elif await stops.in_force(connection, API) is None:
            await trust(connection, server)
        if not findings.lost and not findings.unknown:
            await remember(connection, findings.last)
    return findings


async def trust(connection: asyncpg.Connection, server: asyncpg.Record | None = None) -> None:
    """From here on events are appended on this server: the journal lacks nothing."""
    await connection.execute(
        """
        INSERT INTO compared (started_at, journal, system, timeline) VALUES ($1, $2, $3, $4)
        ON CONFLICT (one) DO UPDATE
           SET started_at = excluded.started_at, journal = excluded.journal,
               system = excluded.system, timeline = excluded.timeline, trusted = false
        """,
        *(server or await connection.fetchrow("SELECT * FROM this_server()") or ()),
    )


async def trust_the_same_server(pool: asyncpg.Pool, sent: UUID | None) -> None:
    """While Kafka is away a server that only began anew is taken for what it was.

    Its system and timeline are the same, and it knows the event that was `sent` last, if that is
    known; only a copy of its disk that is put back could feign that. The comparison follows when
    Kafka is there again, before anything is sent.
    """
    await pool.execute(
        """
        UPDATE compared AS c
           SET started_at = s.started_at, trusted = true
          FROM this_server() AS s
         WHERE c.started_at <> s.started_at
           AND (c.journal, c.system, c.timeline) = (s.journal, s.system, s.timeline)
           AND ($1::uuid IS NULL OR EXISTS (SELECT FROM event AS e WHERE e.id = $1))
        """,
        sent,
    )


async def held(
    connection: asyncpg.Connection, *parts: str, trusting: bool = False
) -> tuple[str | None, bool]:
    """Why one of the parts is stopped, if one is; and whether the journal was compared here, or
    `trusting` what is trusted while Kafka is away."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT reason FROM stop
                 WHERE part = ANY ($1) AND resumed_at IS NULL ORDER BY part LIMIT 1) AS reason,
               is_compared($2) AS compared
        """,
        parts,
        trusting,
    )
    assert row is not None
    return row["reason"], row["compared"]


async def forget(connection: asyncpg.Connection) -> None:
    """Kafka is taken for what it is: the next comparison reads all of it."""
    await connection.execute("DELETE FROM checkpoint")


async def resume(connection: asyncpg.Connection, actor: str, because: str) -> list[str]:
    """Ends the stops of consumer and relay, and takes Kafka for what it is where the relay had
    stopped for it; answers which parts go on. Only reconciling ends that of the API."""
    if await stops.in_force(connection, RELAY):
        await forget(connection)
    return [part for part in RESUMABLE if await stops.resume(connection, part, actor, because)]


async def compare(
    service: str, pool: asyncpg.Pool, settings: Settings, opening: Opened = opened
) -> Findings:
    """Reads what is on Kafka beyond the checkpoint: little, unless Kafka is another one."""
    known = await checkpoint(pool, service)
    async with opening(settings, topics_of(service)) as topics:
        comparison = Comparison(pool, topics, known)
        findings = Findings(comparison.lost)
        async for entries in comparison.unknown():
            findings.unknown += len(entries)
            room = EXAMPLES - len(findings.examples)
            findings.examples += [
                f"{each.type} of {each.key}, sequence {each.sequence}" for each in entries[:room]
            ]
        findings.last = comparison.last
    return findings


async def checkpoint(pool: asyncpg.Pool, service: str) -> Checkpoint:
    """The last record of each partition that Kafka is known to have."""
    rows = await pool.fetch(
        'SELECT topic, partition, "offset", event_id FROM checkpoint WHERE topic = ANY ($1)',
        [topic.name for topic in topics_of(service)],
    )
    return {(row["topic"], row["partition"]): (row["offset"], row["event_id"]) for row in rows}


REMEMBER = """
INSERT INTO checkpoint AS c (topic, partition, "offset", event_id)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::uuid[])
ON CONFLICT (topic, partition) DO UPDATE
   SET "offset" = excluded."offset", event_id = excluded.event_id
 WHERE c."offset" < excluded."offset"
"""
"""Moves the checkpoint on; never backwards, for another relay may have noted a later one."""


def columns(last: Checkpoint) -> tuple[list[Any], ...]:
    """What `REMEMBER` takes, in an order in which two relays do not wait for each other."""
    rows = [(*of, *record) for of, record in sorted(last.items())]
    return tuple([row[column] for row in rows] for column in range(4))


async def remember(connection: asyncpg.Connection, last: Checkpoint) -> None:
    """Moves the checkpoint on."""
    await connection.execute(REMEMBER, *columns(last))


class Comparison:
    """Reads topics against a journal, each partition from its checkpoint on; from its beginning
    where it has none, or another record is there.

    After `unknown`, `lost` says what Kafka has lost, and `last` is the end of every partition.
    """

    def __init__(self, pool: asyncpg.Pool, topics: Topics, known: Checkpoint) -> None:
        self.lost: list[str] = []
        self.last: Checkpoint = {}
        self._pool = pool
        self._topics = topics
        self._known = known

    async def unknown(self) -> AsyncIterator[list[Entry]]:
        """The events that the journal lacks."""
        ends = self._topics.ends
        expected = {of: at for of, at in self._known.items() if at[0] < ends.get(of, 0)}
        for of, (offset, _) in sorted(self._known.items()):
            if of not in expected:
                end = ends.get(of, 0)
                self.lost.append(f"{of[0]} partition {of[1]} ends at {end}, {offset} was sent")
        others: set[Partition] = set()
        since = {of: expected[of][0] if of in expected else 0 for of in ends}
        async for records in self._topics.read(since):
            beyond: list[Record] = []
            for record in records:
                of = _of(record)
                at = expected.pop(of, None)
                if at is not None and not _stands(record, *at):
                    self.lost.append(f"{of[0]} partition {of[1]} has another event at {at[0]}")
                    others.add(of)
                elif (at is None or record.offset > at[0]) and of not in others:
                    beyond.append(record)
            if found := await self._lacking(beyond):
                yield found
        async for records in self._topics.read(dict.fromkeys(others, 0)):
            if found := await self._lacking(records):
                yield found

    async def _lacking(self, records: Sequence[Record]) -> list[Entry]:
        self.last |= {_of(record): (record.offset, identity(record)) for record in records}
        return await _lacking(self._pool, records)


def _of(record: Record) -> Partition:
    return record.topic, record.partition


def _stands(record: Record, offset: int, event_id: UUID) -> bool:
    """Whether the first record from `offset` on shows that the checkpoint's is still there."""
    if record.offset > offset and TOPICS[record.topic].compacted:
        return True  # a newer one of its key took its place
    return (record.offset, identity(record)) == (offset, event_id)


async def _lacking(pool: asyncpg.Pool, records: Sequence[Record]) -> list[Entry]:
    """Those that the journal does not know. What is no event of ours at all does not count.

    On a compacted topic only those beyond the key's newest: older versions of an erased person are
    deleted from the journal, and compaction has its time.
    """
    entries = [
        entry
        for record in records
        if isinstance(entry := read_head(record), Entry) and entry.id is not None
    ]
    rows = await pool.fetch(
        """
        SELECT r.number
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
               WITH ORDINALITY AS r (id, topic, key, sequence, number)
          LEFT JOIN stream AS s USING (topic, key)
         WHERE NOT EXISTS (SELECT FROM event AS e WHERE e.id = r.id)
           AND (r.topic <> ALL ($5) OR r.sequence > coalesce(s.sequence, 0))
         ORDER BY r.number
        """,
        [entry.id for entry in entries],
        [entry.record.topic for entry in entries],
        [entry.key for entry in entries],
        [entry.sequence for entry in entries],
        [topic.name for topic in TOPICS.values() if topic.compacted],
    )
    found = [entries[row["number"] - 1] for row in rows]
    # A fact is whole, as only the service itself sends it.
    whole = [decode(entry.record, frozenset(EVENT_TYPES)) for entry in found]
    return [entry for entry in whole if isinstance(entry, Entry) and entry.event is not None]


def _lost(service: str, findings: Findings) -> str:
    shown = "; ".join(findings.lost[:EXAMPLES])
    more = len(findings.lost) - EXAMPLES
    return (
        "Kafka has lost events that were on it, or is another Kafka (see ASPIRE_KAFKA): "
        f"{shown}{f'; and {more} more' if more > 0 else ''}. Nothing is sent until "
        f"`aspire republish {service}` has filled it from the journal."
    )


def _unknown(service: str, findings: Findings) -> str:
    shown = "; ".join(findings.examples)
    return (
        f"The topics hold {findings.unknown:,} events that the journal lacks, so this database is "
        f"older than it was: {shown}{' …' if findings.unknown > EXAMPLES else ''}. No command is "
        f"taken and nothing is published until `aspire reconcile {service}` has ended that."
    )
