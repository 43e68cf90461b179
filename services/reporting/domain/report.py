"""The report of a programme year: which figures there are, and what they mean.

Every breakdown lists all of its values in the order of the programme's lists, so the same facts
are the same bytes.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from shared.events.vocabulary import Framework, Judgement, Pathway, Region, Role, Strand

Hours = Annotated[Decimal, PlainSerializer(lambda hours: f"{hours:.2f}", return_type=str)]
"""Decimal hours with two places, as text."""

Rate = Annotated[str, Field(pattern=r"^[01]\.[0-9]{4}$", examples=["0.9250"])]
"""A share of 1 with four places, as text."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Scope(Part):
    """What a report is about. `id` is the region's name, or the network's or school's id."""

    kind: Literal["national", "region", "network", "school"]
    id: str | None
    name: str

    @property
    def label(self) -> str:
        """One word and the id, as the CSV has it: it names the scope for a program."""
        return self.kind if self.id is None else f"{self.kind} {self.id}"


ENGLAND: Final = Scope(kind="national", id=None, name="England")


class Networks(Part):
    """Established by the year's last day, or today, and not closed before its first."""

    total: int
    newly_established: int
    by_region: dict[Region, int]


class MemberSchools(Part):
    """Schools with a membership, active or paused, on any day; `joined`: it began in the year.

    By the pathway and the network's region that the school was in last.
    """

    total: int
    joined: int
    by_pathway: dict[Pathway, int]
    by_region: dict[Region, int]


class StartingPoints(Part):
    """Schools that joined, by one framework's judgements, which compare with no other's."""

    total: int
    by_judgement: dict[Judgement, int]


class Leaders(Part):
    """People who came to a held Network Day or are named in a delivered Development Day, once each,
    by the role on the last of these days (the most senior, if they had two on it)."""

    total: int
    senior_and_middle: int
    by_role: dict[Role, int]


class NetworkDays(Part):
    """Network Days dated in the year, as they stand."""

    held: int
    scheduled: int
    cancelled: int


class Places(Part):
    """The places on the registers of held days. `rate` is attended and late over all of them;
    null where there are none."""

    places: int
    attended: int
    late: int
    excused: int
    absent: int
    rate: Rate | None


class CpdHours(Part):
    """Hours credited less revoked, by the date on which they were earned."""

    total: Hours
    by_strand: dict[Strand, Hours]


class Month(Part):
    """One month of the year, named like 2026-09."""

    month: str
    network_days_held: int
    days_in_schools: int
    cpd_hours: Hours
    attendance: Places


class Report(Part):
    """The figures of a programme year, for all of England or a part of it."""

    year: str
    first_day: date
    last_day: date
    scope: Scope
    networks: Networks
    member_schools: MemberSchools
    starting_points: dict[Framework, StartingPoints]
    leaders: Leaders
    network_days: NetworkDays
    attendance: Places
    days_in_schools: int
    cpd_hours: CpdHours
    by_month: list[Month]
