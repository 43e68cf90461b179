"""A report as rows, each figure once, and as CSV."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from services.reporting.domain.report import Part, Report


class Row(NamedTuple):
    """One figure: `breakdown` says of what, where it is not of all."""

    section: str
    figure: str
    breakdown: str
    value: str


def rows(report: Report) -> Iterator[Row]:
    """Every figure of a report once, in a fixed order."""
    yield Row("report", "year", "", report.year)
    yield Row("report", "name", "", report.scope.name)
    yield Row("networks", "total", "", str(report.networks.total))
    yield Row("networks", "newly_established", "", str(report.networks.newly_established))
    yield from _breakdown("networks", "by_region", report.networks.by_region)
    yield Row("member_schools", "total", "", str(report.member_schools.total))
    yield Row("member_schools", "joined", "", str(report.member_schools.joined))
    yield from _breakdown("member_schools", "by_pathway", report.member_schools.by_pathway)
    yield from _breakdown("member_schools", "by_region", report.member_schools.by_region)
    for framework, points in report.starting_points.items():
        yield Row("starting_points", framework, "", str(points.total))
        yield from _breakdown("starting_points", framework, points.by_judgement)
    yield Row("leaders", "total", "", str(report.leaders.total))
    yield Row("leaders", "senior_and_middle", "", str(report.leaders.senior_and_middle))
    yield from _breakdown("leaders", "by_role", report.leaders.by_role)
    yield from _fields("network_days", report.network_days)
    yield from _fields("attendance", report.attendance)
    yield Row("days_in_schools", "total", "", str(report.days_in_schools))
    yield Row("cpd_hours", "total", "", f"{report.cpd_hours.total:.2f}")
    for strand, hours in report.cpd_hours.by_strand.items():
        yield Row("cpd_hours", "by_strand", strand, f"{hours:.2f}")
    for month in report.by_month:
        yield Row("by_month", "network_days_held", month.month, str(month.network_days_held))
        yield Row("by_month", "days_in_schools", month.month, str(month.days_in_schools))
        yield Row("by_month", "cpd_hours", month.month, f"{month.cpd_hours:.2f}")
        for name, value in month.attendance:
            yield Row("by_month", f"attendance_{name}", month.month, _text(value))


COLUMNS: Final = ("scope", "section", "figure", "breakdown", "value")


def csv_of(report: Report) -> str:
    """One tidy table (RFC 4180): a line a figure, with the scope on each."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    lines.writerows((report.scope.label, *map(_harmless, row)) for row in rows(report))
    return text.getvalue()


def _harmless(cell: str) -> str:
    """A name that a spreadsheet would take for a formula is kept from being one."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _breakdown(section: str, figure: str, counts: Mapping[Any, int]) -> Iterator[Row]:
    for name, count in counts.items():
        yield Row(section, figure, name, str(count))


def _fields(section: str, part: Part) -> Iterator[Row]:
    for name, value in part:
        yield Row(section, name, "", _text(value))


def _text(value: object) -> str:
    return "" if value is None else str(value)
