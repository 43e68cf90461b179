"""The columns of a register that are read, by their names in GIAS. No other is looked at.

So the columns with people's names (HeadFirstName, HeadLastName, PropsName and the like) never
get any further than the temporary file.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from shared.events.vocabulary import Region

NEEDED: Final = ("URN", "EstablishmentName")

STATUS: Final = "EstablishmentStatus (name)"
OPEN_DATE: Final = "OpenDate"
CLOSE_DATE: Final = "CloseDate"


class Unreadable(ValueError):  # noqa: N818 - reads as a claim
    """Why a value cannot be used, as the end of the sentence that begins with its column."""


def _text(value: str) -> str:
    if value.isprintable() and len(value) <= _LONGEST and "\ufffd" not in value:
        return value
    if len(value) > _LONGEST:
        raise Unreadable(f"has more than {_LONGEST} characters")
    if "\ufffd" in value:
        raise Unreadable("holds bytes that are neither UTF-8 nor Windows-1252")
    raise Unreadable("holds control characters")


_LONGEST: Final = 300


def _number(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 6):
        raise Unreadable(f"is no number: “{value[:40]}”")
    return int(value)


def _region(value: str) -> Region | None:
    folded = value.casefold()
    if folded in _NO_REGION:
        return None
    region = _REGIONS.get(folded)
    if region is None:
        raise Unreadable(f"names no region of England: “{value[:40]}”")
    return region


# Spellings differ: “Yorkshire and The Humber”. Schools in Wales and abroad have no region.
_REGIONS: Final = {region.casefold(): region for region in Region}
_NO_REGION: Final = frozenset({"not applicable", "not recorded", "wales (pseudo)"})


def day(value: str) -> date:
    """A date as GIAS writes it, dd-MM-yyyy; raises Unreadable."""
    match = re.fullmatch(r"([0-9]{2})[-/]([0-9]{2})[-/]([0-9]{4})", value)
    try:
        if match is None:
            raise ValueError
        return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        raise Unreadable(f"is no date like 31-08-2026: “{value[:40]}”") from None


DETAILS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "EstablishmentName": ("name", _text),
    "LA (code)": ("la_code", _text),
    "LA (name)": ("la_name", _text),
    "EstablishmentNumber": ("establishment_number", _text),
    "TypeOfEstablishment (name)": ("establishment_type", _text),
    "PhaseOfEducation (name)": ("phase", _text),
    "GOR (name)": ("region", _region),
    "Town": ("town", _text),
    "Postcode": ("postcode", _text),
    "NumberOfPupils": ("pupils", _number),
}
"""The detail of a school that each column fills, and how its text is read."""

_KNOWN: Final = {name.casefold(): name for name in (*DETAILS, "URN", STATUS, OPEN_DATE, CLOSE_DATE)}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns that we read stand in a file, and how many it has."""

    width: int
    places: Mapping[str, int]
    details: Sequence[tuple[str, int, str, Callable[[str], object]]]
    """Column, place, detail and how it is read, for each detail that the file has."""

    @property
    def missing(self) -> list[str]:
        return [name for name in NEEDED if name not in self.places]


def columns_of(header: str) -> Columns:
    """Reads a header line: the columns may be any, in any order. The first of a name counts."""
    try:
        names = next(csv.reader([header]), [])
    except csv.Error:
        names = []
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        known = _KNOWN.get(name.strip().casefold())
        if known is not None:
            places.setdefault(known, place)
    details = [
        (column, place, *DETAILS[column]) for column, place in places.items() if column in DETAILS
    ]
    return Columns(len(names), places, details)
