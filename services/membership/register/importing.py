"""The import: the file is read once, to see that it is whole, then again to go in batch by batch.

Each batch is a transaction with its events as the last statement, so a crash in between loses
nothing: the same file sent again does what is left. The open schools come first, then the closed
ones, then the rows that waited for a LAESTAB: so the order of the file does not matter.

While PostgreSQL takes a batch the next one is read and decided, by what is known without any lock.
Under its locks it is decided again only if that has changed. A batch without a change needs none,
and one that only registers needs no second look: the numbers that it takes are unique.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Final

import asyncpg

from services.membership.domain.register import Decided, Known, RefusedRow, RegisterRow, decide
from services.membership.register.file import RegisterText
from services.membership.register.rows import Rows
from services.membership.register.urns import Urns
from services.membership.store import register as store
from services.membership.store.schools import taken
from shared.messaging import Transaction

BATCH_ROWS: Final = 1000
MOST_WAITING: Final = 5000
"""Rows that may wait for a LAESTAB; more than that are refused at once, so that memory is flat."""
MOST_REFUSED: Final = 1000
"""Refused rows that a report names; it counts them all."""
ATTEMPTS: Final = 3

Batch = tuple[Sequence[RegisterRow], Sequence[RefusedRow]]
"""Rows that can be decided, and those that cannot."""
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
    rows = Rows(text)
    count, closed = await asyncio.to_thread(rows.survey)
    importing = _Importing(begin, today, progress, closed)
    report = importing.report
    report.rows = count
    await progress(report)
    await importing.take_all(_batches_of(rows.of(closed=False)), may_wait=True)
    if closed:
        await importing.take_all(_batches_of(rows.of(closed=True)), may_wait=True)
    await importing.take_all(_batches_of(iter(importing.waiting)), may_wait=False)
    report.refused.sort(key=lambda row: row.line)
    return report


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """A batch, and what it changes as far as can be told without locks."""

    rows: Sequence[RegisterRow]
    may_wait: bool
    known: Known
    decided: Decided


class _Importing:
    def __init__(self, begin: Begin, today: date, progress: Progress, closed: Urns) -> None:
        self._begin = begin
        self._today = today
        self._progress = progress
        self._closed = closed
        self.report = Report()
        self.waiting: list[RegisterRow] = []

    async def take_all(self, batches: Iterator[Batch], *, may_wait: bool) -> None:
        ahead = asyncio.create_task(self._next(batches, may_wait=may_wait))
        try:
            while (foreseen := await ahead) is not None:
                ahead = asyncio.create_task(self._next(batches, may_wait=may_wait))
                await self._take(foreseen)
                await self._progress(self.report)
        finally:
            # The file is closed after this, so the thread that reads it has to be done with it.
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, batches: Iterator[Batch], *, may_wait: bool) -> _Foreseen | None:
        batch = await asyncio.to_thread(next, batches, None)
        if batch is None:
            return None
        rows, refused = batch
        for row in refused:
            self.report.refuse(row)
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
                decided = await self._write(foreseen)
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

    async def _write(self, foreseen: _Foreseen) -> Decided:
        """What only registers is guarded by unique numbers, and looked at again if one is taken."""
        if not (foreseen.decided.changed or foreseen.decided.refused):
            with suppress(asyncpg.UniqueViolationError):
                return await self._in_one_transaction(foreseen, look_again=False)
        return await self._in_one_transaction(foreseen, look_again=True)

    async def _in_one_transaction(self, foreseen: _Foreseen, *, look_again: bool) -> Decided:
        decided = foreseen.decided
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._begin() as tx:
                    await store.take_turn(tx.connection)
                    if look_again:
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


def _batches_of(rows: Iterator[RegisterRow | RefusedRow]) -> Iterator[Batch]:
    """Of BATCH_ROWS, those that are refused among them; the last may have less."""
    while some := list(islice(rows, BATCH_ROWS)):
        refused = [row for row in some if isinstance(row, RefusedRow)]
        yield [row for row in some if isinstance(row, RegisterRow)], refused
