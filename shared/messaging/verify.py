"""Verifying: what the journals say, what is on the topics, and what every inbox has taken.

A lost last event of a key has no successor to betray it, so everything is compared: by hand all of
it, hourly what has come since the last time. Memory is flat: a bit for each position of the
journal, and some thousand records at a time.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from shared.events import TOPICS, Topic, topics_of
from shared.messaging.decoding import read_head
from shared.messaging.positions import Partition
from shared.messaging.records import Entry, Record
from shared.messaging.topics import opened
from shared.settings import Settings

LISTED = 1000
AT_A_TIME = 5000

LOST = "lost from Kafka"
UNKNOWN = "unknown to the journal"
NOT_TAKEN = "not taken"
CONTRADICTING = "taken with another id"
AHEAD = "taken, unknown to the journal"

WAY_OUT = {
    LOST: "aspire republish {journal}",
    UNKNOWN: "aspire reconcile {journal}",
    NOT_TAKEN: "aspire parked list {where}; then see docs/operations.md, Verifying",
    CONTRADICTING: "see docs/operations.md, Verifying: two facts have one sequence",
    AHEAD: "see docs/operations.md, Verifying: the journal of {journal} is older than its events",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One event on which two places disagree, and the command that ends it."""

    kind: str
    where: str
    topic: str
    key: str
    sequence: int
    id: UUID | None

    @property
    def way_out(self) -> str:
        return WAY_OUT[self.kind].format(journal=TOPICS[self.topic].service, where=self.where)


@dataclass(slots=True)
class Verified:
    """What was compared, and the differences: all are counted, the first thousand listed."""

    records: int = 0
    keys: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def summary(self) -> str | None:
        """The differences in words; None where there are none."""
        return (
            ", ".join(f"{number:,} events {kind}" for kind, number in self.counts.items()) or None
        )

    def note(self, difference: Difference) -> None:
        self.counts[difference.kind] += 1
        if len(self.differences) < LISTED:
            self.differences.append(difference)


@dataclass(slots=True)
class Window:
    """Where a comparison begins, and after it where the next one goes on."""

    offsets: dict[Partition, int] = field(default_factory=dict)
    position: int = 0
    """Of the journal: events up to it are compared, but those that were `waiting` to be sent."""
    waiting: list[int] = field(default_factory=list)


async def verify(
    pools: Mapping[str, asyncpg.Pool],
    reads: Mapping[str, Sequence[Topic]],
    settings: Settings,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> Verified:
    """Compares the journals and inboxes of these services' databases with the topics, wholly.

    `reads` are the topics that each service's inbox is of. Events that are still on their way, in
    an outbox or before a consumer, are no difference. `tell` hears how many records of how many
    are read.

    Raises:
        KafkaError: Kafka does not answer.
    """
    verified = Verified()
    journals = {name: _Journal(name, pool, Window()) for name, pool in pools.items()}
    inboxes = [_Inbox(name, pool, reads.get(name, ())) for name, pool in pools.items()]
    wanted = {topic for name in pools for topic in (*topics_of(name), *reads.get(name, ()))}
    await _read(wanted, {}, list(journals.values()), inboxes, settings, verified, tell)
    for journal in journals.values():
        await journal.note_lost(verified)
    for inbox in inboxes:
        await inbox.compare_with(journals, verified)
    return verified


async def verify_since(
    window: Window, service: str, reads: Sequence[Topic], pool: asyncpg.Pool, settings: Settings
) -> tuple[Verified, Window]:
    """Compares what has come since, in one service's journal and inbox; answers the next window.

    Raises:
        KafkaError: Kafka does not answer.
    """
    verified = Verified()
    journal, inbox = _Journal(service, pool, window), _Inbox(service, pool, reads)
    wanted = {*topics_of(service), *reads}
    ends = await _read(wanted, window.offsets, [journal], [inbox], settings, verified)
    await journal.note_lost(verified)
    return verified, Window(
        {of: min(end, inbox.passed(of, end)) for of, end in ends.items()},
        journal.last,
        sorted(journal.waiting),
    )


async def _read(
    wanted: Collection[Topic],
    since: Mapping[Partition, int],
    journals: Sequence["_Journal"],
    inboxes: Sequence["_Inbox"],
    settings: Settings,
    verified: Verified,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> dict[Partition, int]:
    """Compares all records; then those that were on their way when it began."""
    places: list[_Journal | _Inbox] = [*journals, *inboxes]
    async with opened(settings, list(wanted)) as topics:
        # In this order: what the journals have from here on is not before the topics' ends.
        ends = topics.ends
        for each in places:
            await each.begin()
        begins = {of: min(since.get(of, 0), end) for of, end in ends.items()}
        total = sum(ends.values()) - sum(begins.values())
        async for records in topics.read(begins):
            verified.records += len(records)
            tell(verified.records, total)
            entries = _readable(records)
            for each in places:
                await each.compare(entries, verified)
    for journal in journals:
        await journal.note_waiting()
    async with opened(settings, list(wanted)) as topics:
        async for records in topics.read(ends):
            for journal in journals:
                await journal.compare(_readable(records), verified)
    tell(total, total)
    return ends


class _Journal:
    """A journal; what of it is met on the topics is marked by its position."""

    def __init__(self, service: str, pool: asyncpg.Pool, window: Window) -> None:
        self.service = service
        self.pool = pool
        self.last = window.position
        self.waiting: set[int] = set()
        self._first = window.position
        self._earlier = set(window.waiting)
        """Positions before the first that were not sent yet the last time."""
        self._met = bytearray()
        self._topics = {topic.name for topic in topics_of(service)}
        self._compacted = [topic.name for topic in topics_of(service) if topic.compacted]

    async def begin(self) -> None:
        """What is appended from here on is left for the next time."""
        self.last = await self.pool.fetchval(
            "SELECT coalesce(max(position), $1) FROM event", self._first
        )
        self._met = bytearray((self.last - self._first) // 8 + 1)

    async def note_waiting(self) -> None:
        """What is in the outbox now is left for the next time, too."""
        rows = await self.pool.fetch("SELECT position FROM outbox WHERE position <= $1", self.last)
        self.waiting = {row["position"] for row in rows}

    def _meet(self, position: int) -> None:
        self._earlier.discard(position)
        if self._first < position <= self.last:
            at = position - self._first
            self._met[at // 8] |= 1 << at % 8

    def _is_met(self, position: int) -> bool:
        at = position - self._first
        return position in self.waiting or bool(self._met[at // 8] >> at % 8 & 1)

    async def compare(self, entries: Sequence[Entry], verified: Verified) -> None:
        """Marks what is in the journal, and notes what it lacks."""
        mine = [entry for entry in entries if entry.record.topic in self._topics]
        rows = await self.pool.fetch(
            """
            SELECT r.number, e.position, coalesce(s.sequence, 0) AS head
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
                   WITH ORDINALITY AS r (id, topic, key, sequence, number)
              LEFT JOIN event AS e
                ON (e.id, e.topic, e.key, e.sequence) = (r.id, r.topic, r.key, r.sequence)
              LEFT JOIN stream AS s ON (s.topic, s.key) = (r.topic, r.key)
            """,
            [entry.id for entry in mine],
            [entry.record.topic for entry in mine],
            [entry.key for entry in mine],
            [entry.sequence for entry in mine],
        )
        for row in rows:
            entry, position = mine[row["number"] - 1], row["position"]
            if position is None:
                # Earlier versions on a compacted topic are deleted when a person is erased.
                if not (entry.record.topic in self._compacted and entry.sequence <= row["head"]):
                    verified.note(_difference(UNKNOWN, self.service, entry))
            else:
                self._meet(position)

    async def note_lost(self, verified: Verified) -> None:
        """Notes what was met nowhere, unless it waits in the outbox or counts no more."""
        for position in sorted(self._earlier - self.waiting):
            await self._note_missing([position], verified)
        after = self._first
        while rows := await self._piece(after):
            after = rows[-1]["position"]
            absent = [row["position"] for row in rows if not self._is_met(row["position"])]
            await self._note_missing(absent, verified)

    async def _note_missing(self, positions: Sequence[int], verified: Verified) -> None:
        for row in await self._still_missing(positions):
            verified.note(Difference(LOST, self.service, **row))

    async def _piece(self, after: int) -> list[asyncpg.Record]:
        return await self.pool.fetch(
            "SELECT position FROM event WHERE position > $1 AND position <= $2"
            " ORDER BY position LIMIT $3",
            after,
            self.last,
            AT_A_TIME,
        )

    async def _still_missing(self, positions: Sequence[int]) -> list[asyncpg.Record]:
        if not positions:
            return []
        return await self.pool.fetch(
            """
            SELECT e.topic, e.key, e.sequence, e.id
              FROM event AS e
              JOIN stream AS s USING (topic, key)
             WHERE e.position = ANY ($1)
               AND (e.topic <> ALL ($2) OR e.sequence = s.sequence)
               AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.position = e.position)
             ORDER BY e.position
            """,
            positions,
            self._compacted,
        )


class _Inbox:
    """How far a service has come with the keys of the topics that it reads."""

    def __init__(self, service: str, pool: asyncpg.Pool, topics: Sequence[Topic]) -> None:
        self.service = service
        self.pool = pool
        self._topics = {topic.name for topic in topics}
        self._taken: dict[Partition, int] = {}

    async def begin(self) -> None:
        """What comes after its positions as they are now is on its way."""
        rows = await self.pool.fetch('SELECT topic, partition, "offset" FROM position')
        self._taken = {(row["topic"], row["partition"]): row["offset"] for row in rows}

    def passed(self, of: Partition, end: int) -> int:
        """The offset up to which it has come; the end of a topic that it does not read."""
        return self._taken.get(of, -1) + 1 if of[0] in self._topics else end

    async def compare(self, entries: Sequence[Entry], verified: Verified) -> None:
        """Notes events that were passed without having been taken, set aside or parked."""
        newest: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            record = entry.record
            taken = self._taken.get((record.topic, record.partition), -1)
            if record.topic in self._topics and record.offset <= taken:
                of = (record.topic, entry.key)
                if of not in newest or newest[of].sequence < entry.sequence:
                    newest[of] = entry
        wanted = list(newest.values())
        rows = await self.pool.fetch(
            """
            SELECT r.number, i.sequence = r.sequence AND i.last_id <> r.id AS contradicts
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
                   WITH ORDINALITY AS r (id, topic, key, sequence, number)
              LEFT JOIN inbox AS i USING (topic, key)
             WHERE (coalesce(i.sequence, 0) < r.sequence
                    AND NOT EXISTS (SELECT FROM set_aside AS a
                                     WHERE (a.topic, a.key, a.sequence)
                                           = (r.topic, r.key, r.sequence)))
                OR (i.sequence = r.sequence AND i.last_id <> r.id)
            """,
            [entry.id for entry in wanted],
            [entry.record.topic for entry in wanted],
            [entry.key for entry in wanted],
            [entry.sequence for entry in wanted],
        )
        for row in rows:
            kind = CONTRADICTING if row["contradicts"] else NOT_TAKEN
            verified.note(_difference(kind, self.service, wanted[row["number"] - 1]))

    async def compare_with(self, journals: Mapping[str, _Journal], verified: Verified) -> None:
        """Notes what it has taken that the journal does not know, though nothing else shows it."""
        async for rows in self._pieces():
            verified.keys += len(rows)
            for service, journal in journals.items():
                mine = [row for row in rows if TOPICS[row["topic"]].service == service]
                for row in await _unknown_heads(journal.pool, mine):
                    verified.note(Difference(AHEAD, self.service, **row))

    async def _pieces(self) -> AsyncIterator[list[asyncpg.Record]]:
        after = ("", "")
        while rows := await self.pool.fetch(
            """
            SELECT topic, key, sequence, last_id AS id
              FROM inbox
             WHERE (topic, key) > ($1, $2)
             ORDER BY topic, key
             LIMIT $3
            """,
            *after,
            AT_A_TIME,
        ):
            after = (rows[-1]["topic"], rows[-1]["key"])
            yield [row for row in rows if row["topic"] in TOPICS]


async def _unknown_heads(
    pool: asyncpg.Pool, rows: Sequence[asyncpg.Record]
) -> list[asyncpg.Record]:
    return await pool.fetch(
        """
        SELECT r.topic, r.key, r.sequence, r.id
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[])
               AS r (topic, key, sequence, id)
          LEFT JOIN stream AS s USING (topic, key)
         WHERE r.sequence > coalesce(s.sequence, 0)
         ORDER BY r.topic, r.key
        """,
        [row["topic"] for row in rows],
        [row["key"] for row in rows],
        [row["sequence"] for row in rows],
        [row["id"] for row in rows],
    )


def _readable(records: Sequence[Record]) -> list[Entry]:
    entries = [read_head(record) for record in records]
    return [e for e in entries if isinstance(e, Entry) and e.id is not None and e.fault is None]


def _difference(kind: str, where: str, entry: Entry) -> Difference:
    return Difference(kind, where, entry.record.topic, entry.key, entry.sequence, entry.id)
