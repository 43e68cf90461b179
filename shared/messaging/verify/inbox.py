"""Another side: an inbox, as far as its service has come with the topics that it reads."""

from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg

from shared.events import TOPICS, Topic
from shared.messaging.positions import Partition
from shared.messaging.records import Entry, Record
from shared.messaging.topics import Place, Topics
from shared.messaging.verify.differences import (
    AHEAD,
    CONTRADICTING,
    NOT_TAKEN,
    Difference,
    Verified,
)
from shared.messaging.verify.journal import Journal

AT_A_TIME = 5000


class Inbox:
    """How far a service has come with the keys of the topics that it reads."""

    def __init__(self, service: str, pool: asyncpg.Pool, topics: Sequence[Topic]) -> None:
        self.service = service
        self.pool = pool
        self._topics = {topic.name for topic in topics}
        self._taken: dict[Partition, Place] = {}

    async def begin(self) -> None:
        """What comes after its positions as they are now is on its way.

        Called before the topics are opened, so that each position is before its topic's end.
        """
        rows = await self.pool.fetch('SELECT topic, partition, "offset", event_id FROM position')
        self._taken = {
            (row["topic"], row["partition"]): (row["offset"], row["event_id"])
            for row in rows
            if row["topic"] in self._topics
        }

    async def find_place(self, topics: Topics) -> None:
        """Where another record is at its position, it will read from the beginning: as yet it has
        passed nothing."""
        self._taken = await topics.standing(self._taken)

    def has_passed(self, record: Record) -> bool:
        """Whether it has come beyond this record of a topic that it reads."""
        offset, _ = self._taken.get((record.topic, record.partition), (-1, None))
        return record.offset <= offset

    def has_before_it(self, record: Record) -> bool:
        """Whether it will still come to this record."""
        return record.topic in self._topics and not self.has_passed(record)

    async def compare(self, entries: Sequence[Entry], verified: Verified) -> None:
        """Notes events that were passed without having been taken, set aside or parked."""
        newest: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            if self.has_passed(entry.record):
                of = (entry.record.topic, entry.key)
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
            verified.note(Difference.of(kind, self.service, wanted[row["number"] - 1]))

    async def compare_with(self, journals: Mapping[str, Journal], verified: Verified) -> None:
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
