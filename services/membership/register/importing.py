"""The import: the file is read once, to see that it is whole, then goes in batch by batch.

Each batch is a transaction with its events as the last statement, so a crash in between loses
nothing: the same file sent again does what is left. The open schools come first, then the closed
ones, then the rows that waited for a LAESTAB: so the order of the file does not matter.

While PostgreSQL takes a batch the next one is decided, by what is known without any lock. Under
its locks it is decided again only if that has changed; a batch without a change needs none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import asyncpg

from services.membership.domain.register import Decided, Known, RefusedRow, RegisterRow, decide
from services.membership.register.file import RegisterText
from services.membership.register.rows import rows_of
from services.membership.register.shelf import BATCH_ROWS, Shelf
from services.membership.register.urns import Urns
from services.membership.store import register as store
from services.membership.store.schools import taken
from shared.messaging import Transaction

MOST_WAITING: Final = 5000
"""Rows that may wait for a LAESTAB; more than that are refused at once, so that memory is flat."""
MOST_REFUSED: Final = 1000
"""Refused rows that a report names; it counts them all."""
ATTEMPTS: Final = 3

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
"""Opens a transaction that appends what was recorded and commits."""


@dataclass(slots=True)
class Report:
    """What an import did. Each row is counted once; `rows` is the sum of the other counts."""

    rows: int = 0
    registered: int = 0
    changed: int = 0
    closed: int = 0
    unchanged: int = 0
    refused_count: int = 0
    refused: list[RefusedRow] = field(default_factory=list)

    def add(self, decided: Decided) -> None:
        self.registered += decided.registered_count
        self.changed += decided.changed_count
        self.closed += decided.closed_count
        self.unchanged += decided.unchanged_count
        for row in decided.refused:
            self.refuse(row)

    def refuse(self, row: RefusedRow) -> None:
        self.refused_count += 1
        if len(self.refused) < MOST_REFUSED:
            self.refused.append(row)

    @property
    def done(self) -> int:
        return self.registered + self.changed + self.closed + self.unchanged + self.refused_count


Progress = Callable[[Report], Awaitable[None]]


async def import_register(
    text: RegisterText, begin: Begin, today: date, progress: Progress
) -> Report:
    """Imports a whole register. Raises NoRegister or RegisterCutOff, before anything goes in.

    Safe beside other imports and commands, and safe to be broken off and begun again.
    """
    importing = _Importing(begin, today, progress)
    with Shelf() as open_ones, Shelf() as closed_ones:
        await asyncio.to_thread(importing.read, text, open_ones, closed_ones)
        await progress(importing.report)
        await importing.take_all(open_ones.batches(), may_wait=True)
        await importing.take_all(closed_ones.batches(), may_wait=True)
    await importing.take_all(_batches_of(importing.waiting), may_wait=False)
    importing.report.refused.sort(key=lambda row: row.line)
    return importing.report


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """A batch, and what it changes as far as can be told without locks."""

    rows: Sequence[RegisterRow]
    may_wait: bool
    known: Known
    decided: Decided


class _Importing:
    def __init__(self, begin: Begin, today: date, progress: Progress) -> None:
        self._begin = begin
        self._today = today
        self._progress = progress
        self._closed = Urns()
        self.report = Report()
        self.waiting: list[RegisterRow] = []

    def read(self, text: RegisterText, open_ones: Shelf, closed_ones: Shelf) -> None:
        """Counts the rows, refuses those that are none, and shelves the others."""
        for row in rows_of(text):
            self.report.rows += 1
            if isinstance(row, RefusedRow):
                self.report.refuse(row)
            elif row.is_closed:
                self._closed.add(row.urn)
                closed_ones.put(row)
            else:
                open_ones.put(row)

    async def take_all(self, batches: Iterator[Sequence[RegisterRow]], *, may_wait: bool) -> None:
        ahead = asyncio.create_task(self._next(batches, may_wait=may_wait))
        try:
            while (foreseen := await ahead) is not None:
                ahead = asyncio.create_task(self._next(batches, may_wait=may_wait))
                await self._take(foreseen)
                await self._progress(self.report)
        finally:
            # The shelf is closed after this, so the thread that reads it has to be done with it.
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(
        self, batches: Iterator[Sequence[RegisterRow]], *, may_wait: bool
    ) -> _Foreseen | None:
        rows = await asyncio.to_thread(next, batches, None)
        if rows is None:
            return None
        may_wait = may_wait and len(self.waiting) < MOST_WAITING
        return await self._foresee(rows, may_wait=may_wait)

    async def _foresee(self, rows: Sequence[RegisterRow], *, may_wait: bool) -> _Foreseen:
        async with self._begin() as tx:
            known = await store.known(tx.connection, rows)
        # In a thread, so that the statements of the batch before and other requests go on.
        decided = await asyncio.to_thread(self._decide, rows, known, may_wait)
        return _Foreseen(rows, may_wait, known, decided)

    def _decide(self, rows: Sequence[RegisterRow], known: Known, may_wait: bool) -> Decided:
        return decide(
            rows, known, closes=self._closed.__contains__, today=self._today, may_wait=may_wait
        )

    async def _take(self, foreseen: _Foreseen) -> None:
        """One batch, or two halves of it where a number in it was taken meanwhile."""
        rows, decided = foreseen.rows, foreseen.decided
        try:
            if decided.events or decided.refused:
                decided = await self._in_one_transaction(foreseen)
        except asyncpg.UniqueViolationError as error:
            if len(rows) == 1:
                reason = f"URN {rows[0].urn}: {taken(error).detail}"
                self.report.refuse(RefusedRow(rows[0].line, reason))
                return
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                await self._take(await self._foresee(half, may_wait=foreseen.may_wait))
            return
        self.report.add(decided)
        self.waiting += decided.waiting

    async def _in_one_transaction(self, foreseen: _Foreseen) -> Decided:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._begin() as tx:
                    decided = await self._settle(tx.connection, foreseen)
                    await store.save(tx.connection, decided)
                    tx.record(*decided.events)
                return decided
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _settle(self, connection: asyncpg.Connection, foreseen: _Foreseen) -> Decided:
        """What was foreseen if it still holds, else decided anew; with all that it changes locked,
        and no other import between."""
        known, decided = foreseen.known, foreseen.decided
        locked: frozenset[object] = frozenset()
        await store.take_turn(connection)
        while True:
            if decided.changed:
                locked = frozenset({*locked, *decided.changed})
                await store.lock(connection, list(decided.changed))
            now = await store.known(connection, foreseen.rows)
            if now != known:
                known = now
                decided = self._decide(foreseen.rows, known, foreseen.may_wait)
            if locked >= decided.changed.keys():
                return decided


def _batches_of(rows: Sequence[RegisterRow]) -> Iterator[Sequence[RegisterRow]]:
    return (rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS))
