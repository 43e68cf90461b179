"""From counts to figures: the store counts, here it is added up, exactly."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from services.reporting.domain.report import (
    CpdHours,
    Leaders,
    MemberSchools,
    Month,
    NetworkDays,
    Networks,
    Places,
    Report,
    Scope,
    StartingPoints,
)
from shared.clock import ProgrammeYear
from shared.events.vocabulary import (
    JUDGEMENTS_OF,
    Attendance,
    Framework,
    Pathway,
    Region,
    Role,
    Strand,
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the store has counted; a month is its first day, a region None while unknown."""

    networks: list[tuple[str, int, int]] = field(default_factory=list)
    """(region, all, newly established)"""
    member_schools: list[tuple[str, str | None, int]] = field(default_factory=list)
    """(pathway, region, schools)"""
    joined: list[tuple[str, str | None, int]] = field(default_factory=list)
    """(framework, judgement, schools)"""
    leaders: list[tuple[str, int]] = field(default_factory=list)
    """(role, people)"""
    network_days: list[tuple[str, date, int]] = field(default_factory=list)
    """(status, month, days)"""
    places: list[tuple[str, date, int]] = field(default_factory=list)
    """(attendance, month, places)"""
    days_in_schools: list[tuple[date, int]] = field(default_factory=list)
    """(month, days)"""
    hours: list[tuple[str, date, Decimal]] = field(default_factory=list)
    """(strand, month, hours)"""


def report_of(year: ProgrammeYear, scope: Scope, facts: Facts) -> Report:
    """The report that the counts make."""
    return Report(
        year=str(year),
        first_day=year.first_day,
        last_day=year.last_day,
        scope=scope,
        networks=_networks(facts),
        member_schools=_member_schools(facts),
        starting_points=_starting_points(facts),
        leaders=_leaders(facts),
        network_days=NetworkDays(
            **{
                status: sum(n for s, _, n in facts.network_days if s == status)
                for status in NetworkDays.model_fields
            }
        ),
        attendance=_places((a, n) for a, _, n in facts.places),
        days_in_schools=sum(n for _, n in facts.days_in_schools),
        cpd_hours=_cpd_hours(facts),
        by_month=[_month(first, facts) for first in months_of(year)],
    )


K = TypeVar("K", bound=str)
N = TypeVar("N", int, Decimal)


def _added(names: Iterable[K], counts: Iterable[tuple[str | None, N]], zero: N) -> dict[K, N]:
    """The sum for each of the names, in their order."""
    sums = dict.fromkeys(names, zero)
    for name, count in counts:
        if name in sums:
            sums[name] += count
    return sums


def months_of(year: ProgrammeYear) -> list[date]:
    """The first days of the twelve months from September."""
    first = year.first_year
    return [date(first, month, 1) for month in range(9, 13)] + [
        date(first + 1, month, 1) for month in range(1, 9)
    ]


def rate(part: int, whole: int) -> str | None:
    """The share with four places, rounded half up, exactly; None of nothing."""
    if whole == 0:
        return None
    return str((Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"), ROUND_HALF_UP))


def _networks(facts: Facts) -> Networks:
    return Networks(
        total=sum(n for _, n, _ in facts.networks),
        newly_established=sum(new for _, _, new in facts.networks),
        by_region=_added(Region, ((region, n) for region, n, _ in facts.networks), 0),
    )


def _member_schools(facts: Facts) -> MemberSchools:
    return MemberSchools(
        total=sum(n for _, _, n in facts.member_schools),
        joined=sum(n for _, _, n in facts.joined),
        by_pathway=_added(Pathway, ((p, n) for p, _, n in facts.member_schools), 0),
        by_region=_added(Region, ((region, n) for _, region, n in facts.member_schools), 0),
    )


def _starting_points(facts: Facts) -> dict[Framework, StartingPoints]:
    return {
        framework: StartingPoints(
            total=sum(n for f, _, n in facts.joined if f == framework),
            by_judgement=_added(
                judgements, ((j, n) for f, j, n in facts.joined if f == framework), 0
            ),
        )
        for framework, judgements in JUDGEMENTS_OF.items()
    }


def _leaders(facts: Facts) -> Leaders:
    by_role = _added(Role, facts.leaders, 0)
    return Leaders(
        total=sum(by_role.values()),
        senior_and_middle=by_role[Role.SENIOR_LEADER] + by_role[Role.MIDDLE_LEADER],
        by_role=by_role,
    )


def _places(counts: Iterable[tuple[str, int]]) -> Places:
    by = _added(Attendance, counts, 0)
    places = sum(by.values())
    present = sum(n for attendance, n in by.items() if attendance.present)
    return Places(
        places=places, rate=rate(present, places), **{str(name): n for name, n in by.items()}
    )


def _cpd_hours(facts: Facts) -> CpdHours:
    by_strand = _added(Strand, ((strand, hours) for strand, _, hours in facts.hours), Decimal(0))
    return CpdHours(total=sum(by_strand.values(), Decimal(0)), by_strand=by_strand)


def _month(first: date, facts: Facts) -> Month:
    return Month(
        month=f"{first:%Y-%m}",
        network_days_held=sum(
            n for status, month, n in facts.network_days if month == first and status == "held"
        ),
        days_in_schools=sum(n for month, n in facts.days_in_schools if month == first),
        cpd_hours=sum((h for _, month, h in facts.hours if month == first), Decimal(0)),
        attendance=_places((a, n) for a, month, n in facts.places if month == first),
    )
