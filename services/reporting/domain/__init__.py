"""Reporting decides nothing: it counts, adds up, and lays out. No I/O here."""

from services.reporting.domain.asked import (
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
from services.reporting.domain.rows import Row, Table, csv_of, label, percent, rows, tables

__all__ = [
    "ENGLAND",
    "Choices",
    "Facts",
    "NetworkChoice",
    "NothingToReport",
    "Report",
    "Row",
    "SchoolChoice",
    "Scope",
    "Table",
    "YearNotReported",
    "csv_of",
    "label",
    "months_of",
    "percent",
    "rate",
    "region_named",
    "report_of",
    "rows",
    "tables",
    "year_named",
    "years_between",
]
