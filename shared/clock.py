"""What time it is, in UTC for machines and in London for people, and in which programme year."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")


class Clock(Protocol):
    """Where a service reads the time, so that a test can set it."""

    def now(self) -> datetime:
        """The instant, aware and in UTC."""
        ...

    def today(self) -> date:
        """The date that a calendar on a wall in London shows."""
        ...


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def today(self) -> date:
        return london_date(self.now())


class FixedClock:
    """A clock that stands still until it is moved; for tests."""

    def __init__(self, instant: datetime) -> None:
        self.set(instant)

    def now(self) -> datetime:
        return self._instant

    def today(self) -> date:
        return london_date(self._instant)

    def set(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError(f"{instant} has no time zone; give an aware datetime, e.g. with UTC.")
        self._instant = instant.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        self._instant += by


def london_date(instant: datetime) -> date:
    """The London date of an aware instant."""
    return instant.astimezone(LONDON).date()


_YEAR_NAME: Final = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True, order=True)
class ProgrammeYear:
    """1 September to 31 August, named by its two years: 2026-27 starts on 1 September 2026."""

    first_year: int

    def __post_init__(self) -> None:
        if not 1900 <= self.first_year <= 2999:
            raise ValueError(
                f"A programme year begins between 1900 and 2999, not in {self.first_year}."
            )

    @classmethod
    def of(cls, day: date) -> "ProgrammeYear":
        """The year that a (London) date falls in."""
        return cls(day.year if day.month >= 9 else day.year - 1)

    @classmethod
    def parse(cls, name: str) -> "ProgrammeYear":
        """Read a name like ``2026-27``; ValueError says what is wrong with another."""
        match = _YEAR_NAME.fullmatch(name)
        if match is None:
            raise ValueError(
                f"“{name}” is not a programme year: write the two years it spans, like 2026-27."
            )
        year = cls(int(match[1]))
        if str(year) != name:
            raise ValueError(
                f"“{name}” is not a programme year: the one that begins in {match[1]} is {year}."
            )
        return year

    @property
    def first_day(self) -> date:
        return date(self.first_year, 9, 1)

    @property
    def last_day(self) -> date:
        return date(self.first_year + 1, 8, 31)

    def __contains__(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def next(self) -> "ProgrammeYear":
        return ProgrammeYear(self.first_year + 1)

    def previous(self) -> "ProgrammeYear":
        return ProgrammeYear(self.first_year - 1)

    def __str__(self) -> str:
        return f"{self.first_year}-{(self.first_year + 1) % 100:02d}"
