"""The terms of a programme year, and the days on which schools are open in them."""

from dataclasses import dataclass
from datetime import date, timedelta

from shared.clock import ProgrammeYear


@dataclass(frozen=True)
class Term:
    """A term with its school days, in order. Memberships change between terms, in this play."""

    name: str
    begins: date
    """The first day on which a change between the terms holds."""
    days: tuple[date, ...]


def terms_of(year: ProgrammeYear) -> tuple[Term, Term, Term]:
    """Autumn, spring and summer, as most authorities have them."""
    first, second = year.first_year, year.first_year + 1
    return (
        _term("Autumn", date(first, 9, 7), date(first, 12, 17), date(first, 10, 25)),
        _term("Spring", date(second, 1, 5), date(second, 3, 27), date(second, 2, 15)),
        _term("Summer", date(second, 4, 14), date(second, 7, 17), date(second, 5, 24)),
    )


def _term(name: str, first: date, last: date, half_term: date) -> Term:
    """Weekdays from first to last without the week after `half_term`."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    off = {half_term + timedelta(days=n) for n in range(8)}
    return Term(name, first, tuple(day for day in days if day.weekday() < 5 and day not in off))
