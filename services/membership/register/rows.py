"""The rows of a register: each is a school as the register has it, or the reason why not."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from io import TextIOWrapper
from typing import Final, NamedTuple

from services.membership.domain.register import RefusedRow, RegisterRow
from services.membership.register.columns import (
    CLOSE_DATE,
    NEEDED,
    OPEN_DATE,
    STATUS,
    Columns,
    Unreadable,
    columns_of,
    day,
)
from services.membership.register.file import NoRegister, RegisterCutOff, RegisterText
from services.membership.register.urns import Urns

MOST_LINES: Final = 20
"""A record whose quotation mark is still open after so many lines is a fault in its first line."""
LONGEST_LINE: Final = 1024 * 1024
"""In characters, so that a file without line ends does not fill the memory."""


class _Named(NamedTuple):
    """A record of which we know whose it is."""

    line: int
    urn: int
    is_closed: bool
    record: Sequence[str]


class Rows:
    """A register's rows, read from its beginning as often as they are asked for.

    An empty line is no row. A URN that came before is refused, with the line of its own.
    """

    def __init__(self, text: RegisterText) -> None:
        self._text = text

    def survey(self) -> tuple[int, Urns]:
        """How many rows there are, and which URNs they have as closed.

        Raises NoRegister or RegisterCutOff.
        """
        count, closed = 0, Urns()
        for _, row in self._named():
            count += 1
            if isinstance(row, _Named) and row.is_closed:
                closed.add(row.urn)
        return count, closed

    def of(self, *, closed: bool) -> Iterator[RegisterRow | RefusedRow]:
        """The closed schools or the others, and with those what is no school at all."""
        for columns, row in self._named():
            if isinstance(row, RefusedRow):
                if not closed:
                    yield row
            elif row.is_closed == closed:
                yield _row(row, columns)

    def _named(self) -> Iterator[tuple[Columns, _Named | RefusedRow]]:
        self._text.file.seek(0)
        # What neither encoding knows becomes U+FFFD, and the row that holds it is refused.
        lines = TextIOWrapper(self._text.file, self._text.encoding, errors="replace", newline="")
        try:
            columns = _header(lines)
            seen = Urns()
            for line, record, is_broken in _records(lines):
                if is_broken and (isinstance(record, str) or len(record) < columns.width):
                    raise RegisterCutOff(
                        f"The register ends in the middle of line {line}. Nothing was imported; "
                        "fetch it again and send it whole."
                    )
                if isinstance(record, str):
                    yield columns, RefusedRow(line, record)
                else:
                    yield columns, _name(line, record, columns, seen)
        finally:
            with suppress(ValueError):  # closed already, where the import was broken off
                lines.detach()


def _header(lines: TextIOWrapper) -> Columns:
    columns = columns_of(lines.readline(LONGEST_LINE))
    if columns.missing:
        raise NoRegister(
            f"The first line of the file lacks the column {' and '.join(columns.missing)}. A "
            f"register has a header with the names that GIAS uses, {' and '.join(NEEDED)} at least."
        )
    return columns


class _TooManyLines(Exception):  # noqa: N818 - reads as a claim
    pass


class _Lines:
    """The lines of a file as csv.reader takes them, with their numbers, and a way back."""

    def __init__(self, lines: TextIOWrapper) -> None:
        self._lines = lines
        self._again: list[str] = []
        self._record: list[str] = []
        self.number = 1
        self.last = ""

    def begin_record(self) -> None:
        self._record = []

    def go_back(self) -> None:
        """To the line after the one on which the record began."""
        self._again = self._record[1:] + self._again
        self.number -= len(self._record) - 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._record) == MOST_LINES:
            raise _TooManyLines
        line = self._again.pop(0) if self._again else self._lines.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self._record.append(line)
        self.last = line
        return line


def _records(lines: TextIOWrapper) -> Iterator[tuple[int, list[str] | str, bool]]:
    """Line, record (or the reason why it is none), and whether the file breaks off in it."""
    source = _Lines(lines)
    reader = csv.reader(source, strict=True)
    while True:
        source.begin_record()
        line = source.number + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooManyLines) as error:
            is_end = "unexpected end" in str(error) and not source.last.endswith(("\n", "\r"))
            source.go_back()
            yield line, "its quotation marks do not match, or it is too long", is_end
            continue
        if record:
            yield line, record, not source.last.endswith(("\n", "\r"))


def _name(line: int, record: Sequence[str], columns: Columns, seen: Urns) -> _Named | RefusedRow:
    places = columns.places
    if len(record) != columns.width:
        return RefusedRow(line, f"it has {len(record)} columns instead of {columns.width}")
    urn = record[places["URN"]].strip()
    if not (urn.isascii() and urn.isdecimal() and len(urn) == 6 and urn[0] != "0"):
        return RefusedRow(line, f"URN is no number of six digits: “{urn[:40]}”")
    number = int(urn)
    if number in seen:
        return RefusedRow(line, f"URN {urn} stands in the file twice; the first counts")
    seen.add(number)
    is_closed = STATUS in places and record[places[STATUS]].strip().casefold() == "closed"
    return _Named(line, number, is_closed, record)


def _row(named: _Named, columns: Columns) -> RegisterRow | RefusedRow:
    line, urn, is_closed, record = named
    if not record[columns.places["EstablishmentName"]].strip():
        return RefusedRow(line, f"URN {urn} has no EstablishmentName")
    try:
        details = _details(record, columns)
        opened_on = _day(OPEN_DATE, record, columns.places)
        closed_on = _day(CLOSE_DATE, record, columns.places)
    except Unreadable as fault:
        return RefusedRow(line, f"URN {urn}: {fault}")
    return RegisterRow(line, urn, details, is_closed, opened_on, closed_on)


def _details(record: Sequence[str], columns: Columns) -> dict[str, object]:
    details: dict[str, object] = {}
    for column, place, name, read in columns.details:
        value = record[place].strip()
        try:
            details[name] = read(value) if value else None
        except Unreadable as fault:
            raise Unreadable(f"{column} {fault}") from None
    return details


def _day(column: str, record: Sequence[str], places: Mapping[str, int]) -> date | None:
    value = record[places[column]].strip() if column in places else ""
    try:
        return day(value) if value else None
    except Unreadable as fault:
        raise Unreadable(f"{column} {fault}") from None
