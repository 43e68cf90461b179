"""Reporting decides nothing: it counts, adds up, and lays out. No I/O here."""

from services.reporting.domain.asked import (
    BeingWorkedOut,
    Choices,
    NetworkChoice,
    NothingToReport,
    SchoolChoice,
    YearNotReported,
    region_named,
    year_named,
    years_between,
)
from services.reporting.domain.figures import Facts, months_of, rate, report_of
from services.reporting.domain.report import ENGLAND, Report, Scope
from services.reporting.domain.rows import Row, csv_of, rows

__all__ = [
    "ENGLAND",
    "BeingWorkedOut",
    "Choices",
    "Facts",
    "NetworkChoice",
    "NothingToReport",
    "Report",
    "Row",
    "SchoolChoice",
    "Scope",
    "YearNotReported",
    "csv_of",
    "months_of",
    "rate",
    "region_named",
    "report_of",
    "rows",
    "year_named",
    "years_between",
]
