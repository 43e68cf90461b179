"""The import: the file is read through once to see that it is whole, then goes in batch by batch.

Each batch is a transaction with its events as the last statement, so a crash in between loses
nothing: the same file sent again does what is left. The open schools come first, then the closed
ones, then the rows that waited for a LAESTAB: so the order of the file does not matter.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Final

import asyncpg

from services.membership.domain.register import Decided, RefusedRow, RegisterRow, decide
from services.membership.domain.school import FIRST_URN, LAST_URN
from services.membership.register.file import RegisterText
from services.membership.register.rows import rows_of
from services.membership.store import register as store
from services.membership.store.schools import taken
from shared.messaging import Transaction

BATCH_ROWS: Final = 1000
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
    importing = _Importing(begin, today)
    closed = await asyncio.to_thread(importing.look_through, text)
    await progress(importing.report)
    for closed_ones in (False, True):
        async with aclosing(_batches(text, closed_ones=closed_ones)) as batches:
            async for batch in batches:
                await importing.take(batch, closed, may_wait=True)
                await progress(importing.report)
    waiting = importing.waiting
    for start in range(0, len(waiting), BATCH_ROWS):
        await importing.take(waiting[start : start + BATCH_ROWS], closed, may_wait=False)
        await progress(importing.report)
    importing.report.refused.sort(key=lambda row: row.line)
    return importing.report


class ClosedUrns:
    """The URNs that a file has as closed, a bit each."""

    def __init__(self) -> None:
        self._bits = bytearray((LAST_URN - FIRST_URN) // 8 + 1)

    def add(self, urn: int) -> None:
        place, bit = divmod(urn - FIRST_URN, 8)
        self._bits[place] |= 1 << bit

    def __contains__(self, urn: int) -> bool:
        place, bit = divmod(urn - FIRST_URN, 8)
        return bool(self._bits[place] & 1 << bit)


class _Importing:
    def __init__(self, begin: Begin, today: date) -> None:
        self._begin = begin
        self._today = today
        self.report = Report()
        self.waiting: list[RegisterRow] = []

    def look_through(self, text: RegisterText) -> ClosedUrns:
        """Counts the rows, and refuses those that cannot be read: once, in this pass."""
        closed = ClosedUrns()
        for row in rows_of(text):
            self.report.rows += 1
            if isinstance(row, RefusedRow):
                self.report.refuse(row)
            elif row.is_closed:
                closed.add(row.urn)
        return closed

    async def take(
        self, rows: Sequence[RegisterRow], closed: ClosedUrns, *, may_wait: bool
    ) -> None:
        """One batch, or two halves of it where a number in it was taken meanwhile."""
        may_wait = may_wait and len(self.waiting) < MOST_WAITING
        try:
            decided = await self._in_one_transaction(rows, closed, may_wait=may_wait)
        except asyncpg.UniqueViolationError as error:
            if len(rows) == 1:
                reason = f"URN {rows[0].urn}: {taken(error).detail}"
                self.report.refuse(RefusedRow(rows[0].line, reason))
                return
            middle = len(rows) // 2
            await self.take(rows[:middle], closed, may_wait=may_wait)
            await self.take(rows[middle:], closed, may_wait=may_wait)
            return
        self.report.add(decided)
        self.waiting += decided.waiting

    async def _in_one_transaction(
        self, rows: Sequence[RegisterRow], closed: ClosedUrns, *, may_wait: bool
    ) -> Decided:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._begin() as tx:
                    decided = await self._decide(tx.connection, rows, closed, may_wait=may_wait)
                    await store.save(tx.connection, decided)
                    tx.record(*decided.events)
                return decided
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _decide(
        self,
        connection: asyncpg.Connection,
        rows: Sequence[RegisterRow],
        closed: ClosedUrns,
        *,
        may_wait: bool,
    ) -> Decided:
        """Decides without locks first: mostly nothing has changed. Then under the locks of what
        would be changed, until these are all of it."""
        await store.take_turn(connection)
        locked: frozenset[object] = frozenset()
        while True:
            known = await store.known(connection, rows)
            decided = decide(
                rows, known, closes=closed.__contains__, today=self._today, may_wait=may_wait
            )
            if locked >= decided.changed.keys():
                return decided
            locked = frozenset({*locked, *decided.changed})
            await store.lock(connection, list(decided.changed))


async def _batches(
    text: RegisterText, *, closed_ones: bool
) -> AsyncGenerator[list[RegisterRow], None]:
    """Read in a thread, one batch ahead, so that PostgreSQL and other requests go on meanwhile."""
    rows = (row for row in rows_of(text, closed_ones) if isinstance(row, RegisterRow))

    def read() -> asyncio.Task[list[RegisterRow]]:
        return asyncio.create_task(asyncio.to_thread(list, islice(rows, BATCH_ROWS)))

    ahead = read()
    try:
        while batch := await ahead:
            ahead = read()
            yield batch
    finally:
        # The file is closed after this, so the thread has to be done with it.
        await asyncio.wait([ahead])
