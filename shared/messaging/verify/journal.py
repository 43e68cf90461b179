"""One side: a journal, of which is marked what is met on the topics."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import asyncpg

from shared.events import TOMBSTONES_KEPT, topics_of
from shared.messaging.records import Entry
from shared.messaging.verify.differences import LOST, UNKNOWN, Difference, Verified

AT_A_TIME = 5000

POLL_SECONDS = 0.05

WRITERS_END_SECONDS = 120
"""A service's transactions are ended long before, after 60 at most."""

MARGIN = timedelta(days=1)
"""For clocks that differ: of the days for which Kafka keeps a tombstone."""


class Journal:
    """A journal; what of it is met on the topics is marked by its position."""

    def __init__(
        self, service: str, pool: asyncpg.Pool, first: int = 0, earlier: Iterable[int] = ()
    ) -> None:
        self.service = service
        self.pool = pool
        self.last = first
        self.waiting: set[int] = set()
        self._first = first
        self._earlier = set(earlier)
        """Positions before the first that were not sent yet the last time."""
        self._met = bytearray()
        self._topics = {topic.name for topic in topics_of(service)}
        self._compacted = [topic.name for topic in topics_of(service) if topic.compacted]

    async def begin(self) -> None:
        """What is appended from here on is left for the next time.

        Raises:
            TimeoutError: a transaction that appends does not end.
        """
        self.last = await self.pool.fetchval(
            "SELECT coalesce(max(position), $1) FROM event", self._first
        )
        self._met = bytearray((self.last - self._first) // 8 + 1)
        await self._await_writers()

    async def _await_writers(self) -> None:
        """A transaction may have a position below the last, and commit only now."""
        writing = await self._writers()
        until = time.monotonic() + WRITERS_END_SECONDS
        while writing:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"somebody has been appending to the journal of {self.service} for "
                    f"{WRITERS_END_SECONDS} s and does not commit"
                )
            await asyncio.sleep(POLL_SECONDS)
            writing &= await self._writers()

    async def _writers(self) -> set[str]:
        rows = await self.pool.fetch(
            """
            SELECT virtualtransaction
              FROM pg_locks
             WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND relation = 'event'::regclass
               AND mode = 'RowExclusiveLock'
               AND granted
            """
        )
        return {row["virtualtransaction"] for row in rows}

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
                    verified.note(Difference.of(UNKNOWN, self.service, entry))
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
               AND (e.topic <> ALL ($2)
                    OR (e.sequence = s.sequence
                        AND (e.payload IS NOT NULL OR e.recorded_at > now() - $3::interval)))
               AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.position = e.position)
             ORDER BY e.position
            """,
            positions,
            self._compacted,
            TOMBSTONES_KEPT - MARGIN,
        )
