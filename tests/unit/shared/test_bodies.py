"""A body's unknown fields are refused, and its dates and lines of text are what they look like."""

import datetime

import pytest
from pydantic import ValidationError

from shared.web import Body, Day, Line, Moment


class Planned(Body):
    date: Day = datetime.date(2026, 9, 1)
    at: Moment | None = None
    venue: Line = "Town Hall"


def test_dates_moments_and_lines_are_read() -> None:
    planned = Planned.model_validate(
        {"date": "2026-11-05", "at": "2026-11-05T09:30:00Z", "venue": " Guildhall "}
    )
    assert planned.date == datetime.date(2026, 11, 5)
    assert planned.at == datetime.datetime(2026, 11, 5, 9, 30, tzinfo=datetime.UTC)
    assert planned.venue == "Guildhall"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("date", 1_756_684_800, "such as 2026-09-01"),
        ("date", "1756684800", "such as 2026-09-01"),
        ("date", "2026-09-01T00:00:00Z", "such as 2026-09-01"),
        ("date", "2026-9-1", "such as 2026-09-01"),
        ("date", "2026-02-30", "day value"),
        ("at", 1_756_684_800, "with its zone"),
        ("at", "2026", "with its zone"),
        ("venue", "Town\nHall", "one line"),
        ("venue", " ", "at least 1 character"),
        ("vneue", "Guildhall", "not permitted"),
    ],
)
def test_what_is_something_else_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Planned.model_validate({field: value})
