"""What the bodies and queries of every API have in common: nothing unknown, and dates as dates."""

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
)


class Body(BaseModel):
    """A body that a client sends: a field that nobody knows is refused, as it is most likely one
    that is misspelt, and would be left out without a word."""

    model_config = ConfigDict(extra="forbid")


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Write one line of text, without control characters.")
    return text


def _written_as_date(value: object) -> object:
    if type(value) is date or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise ValueError("Write a date as year, month and day, such as 2026-09-01.")


def _written_as_moment(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-", value)):
        return value
    raise ValueError("Write a moment with its zone, such as 2026-09-01T09:00:00Z.")


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_on_one_line),
]
"""A title, a place: one line of text that says something."""

# pydantic by itself takes numbers for seconds since 1970, and a moment for its day.
Day = Annotated[date, BeforeValidator(_written_as_date)]
"""A date, ISO 8601."""
Moment = Annotated[AwareDatetime, BeforeValidator(_written_as_moment)]
"""A moment with its zone, ISO 8601."""
