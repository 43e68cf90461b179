"""The dates that a request may name: a mistyped year is refused before anything is made of it."""

from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator

from shared.web import Day

FIRST_DAY: Final = date(2000, 9, 1)
FIRST_IN_OFFICE: Final = date(1950, 1, 1)
"""Schools, groups and posts are older than the programme."""
LAST_DAY: Final = date(2050, 8, 31)


def _in_programme(day: date) -> date:
    return _within(FIRST_DAY, day)


def _in_living_memory(day: date) -> date:
    return _within(FIRST_IN_OFFICE, day)


def _within(first: date, day: date) -> date:
    if not first <= day <= LAST_DAY:
        raise ValueError(f"{day} cannot be meant: give a date from {first} to {LAST_DAY}.")
    return day


ProgrammeDay = Annotated[Day, AfterValidator(_in_programme)]
"""Of a network, its advisers and memberships."""
AnyDay = Annotated[Day, AfterValidator(_in_living_memory)]
"""Of a school, a group or a post."""
