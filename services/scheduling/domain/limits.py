"""Which dates and hours a day may have at all."""

import datetime
from decimal import Decimal

from shared.clock import ProgrammeYear
from shared.problems import FieldError, Refused

QUARTER = Decimal("0.25")
MOST_HOURS = Decimal(12)
MOST_PLACES = 2_000  # a register of so many entries still fits an event of 512 KiB
MOST_PARTICIPANTS = 500
YEARS_BACK = {"office": 2}
YEARS_BACK_OF_OTHERS = 1
YEARS_AHEAD = 2


class HoursRefused(Refused):
    status = 422
    title = "These hours cannot be"


class UnlikelyDate(Refused):
    status = 422
    title = "This date cannot be"


class DayNotYetCome(Refused):
    status = 409
    title = "The day has not come yet"


def check_hours(hours: Decimal) -> None:
    """Refuses hours that are not quarter hours between a quarter and twelve."""
    if not hours.is_finite() or not QUARTER <= hours <= MOST_HOURS or hours % QUARTER:
        raise HoursRefused(
            f"A day's CPD hours are whole quarter hours from {QUARTER} to {MOST_HOURS}, "
            f"not {hours}. Give hours such as 1.5 or 5.",
            errors=[FieldError("#/hours", "quarter hours from 0.25 to 12")],
        )


def check_date(day: datetime.date, today: datetime.date, role: str) -> None:
    """Refuses dates that are too far back for `role`, or too far ahead for anybody.

    Registers are recorded after the day, so days may be entered late: by the office within the
    two programme years before this one, by others within the last.
    """
    this_year = ProgrammeYear.of(today).first_day.year
    back = YEARS_BACK.get(role, YEARS_BACK_OF_OTHERS)
    earliest = datetime.date(this_year - back, 9, 1)
    latest = datetime.date(this_year + 1 + YEARS_AHEAD, 8, 31)
    if not earliest <= day <= latest:
        raise UnlikelyDate(
            f"A day is dated from {earliest} to {latest}, not {day}. Check the year.",
            errors=[FieldError("#/date", f"from {earliest} to {latest}")],
        )


def check_has_come(day: datetime.date, today: datetime.date, act: str) -> None:
    """Refuses to record as done what is still to come."""
    if day > today:
        raise DayNotYetCome(
            f"The day is on {day} and today is {today}: it can be {act} from that date on. "
            "Reschedule it if the date is wrong."
        )
