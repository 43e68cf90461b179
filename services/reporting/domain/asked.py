"""What may be asked for: years, regions, and the choices that a token has."""

from datetime import date
from typing import Final
from uuid import UUID

from services.reporting.domain.report import Part
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Region
from shared.problems import Invalid, NotFound, Refused

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100


class YearNotReported(Invalid):
    title = "There is no report of such a year"


class NothingToReport(NotFound):
    title = "There is no such report"


class BeingWorkedOut(Refused):
    status = 503
    title = "The figures are being worked out"


def year_named(name: str) -> ProgrammeYear:
    """The programme year of a name like 2026-27; YearNotReported says what is wrong with it."""
    try:
        year = ProgrammeYear.parse(name)
    except ValueError as error:
        raise YearNotReported(str(error), errors=[("/path/year", str(error))]) from None
    if not FIRST_YEAR <= year.first_year <= LAST_YEAR:
        detail = (
            f"{year} is not reported: ask for a year from {ProgrammeYear(FIRST_YEAR)} "
            f"to {ProgrammeYear(LAST_YEAR)}."
        )
        raise YearNotReported(detail, errors=[("/path/year", detail)])
    return year


def region_named(name: str) -> Region:
    """A region by its name in any case, with spaces or hyphens."""
    wanted = name.casefold().replace("-", " ")
    for region in Region:
        if region.casefold() == wanted:
            return region
    raise NothingToReport(f"“{name}” is no region of England. There are: {', '.join(Region)}.")


class NetworkChoice(Part):
    network_id: UUID
    name: str
    region: Region


class SchoolChoice(Part):
    school_id: UUID
    name: str


class Choices(Part):
    """What the bearer of a token may ask reports of."""

    years: list[str]
    this_year: str
    national: bool
    regions: list[Region]
    networks: list[NetworkChoice]
    schools: list[SchoolChoice]


def years_between(first: date | None, last: date | None, today: date) -> list[str]:
    """The years in which anything happens, and this one, latest first.

    A date that somebody mistyped may be of no programme year at all: the nearest that is reported
    stands for it.
    """
    earliest = _nearest_year(min(today, first or today))
    latest = _nearest_year(max(today, last or today))
    return [str(ProgrammeYear(year)) for year in range(latest, earliest - 1, -1)]


def _nearest_year(day: date) -> int:
    opens, ends = ProgrammeYear(FIRST_YEAR).first_day, ProgrammeYear(LAST_YEAR).last_day
    return ProgrammeYear.of(min(max(day, opens), ends)).first_year
