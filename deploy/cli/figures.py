"""A report on the terminal: the figures that people ask for first, then what they consist of."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal import out

BAR: Final = 16
LABELS: Final = {
    "partner_schools": "Partner Schools",
    "connect": "Connect",
    "overall_grade": "Overall grade, until September 2024",
    "report_card": "Report card, since November 2025",
    "not_inspected": "Not inspected",
    "headteacher": "Headteachers",
    "senior_leader": "Senior leaders",
    "middle_leader": "Middle leaders",
    "other": "Other staff",
}


def print_figures(report: Mapping[str, Any]) -> None:
    """The whole report, as wide as the terminal allows."""
    out.print()
    out.print(_title(report))
    out.print(Padding(_first(report), (1, 0, 0, 2)))
    out.print(Columns([Padding(each, (1, 4, 0, 2)) for each in _parts(report)]))
    out.print(Padding(_months(report["by_month"]), (1, 0, 1, 2)))


def label(name: str) -> str:
    """What people read for a value of one of the programme's lists."""
    return LABELS.get(name) or (name[:1].upper() + name[1:]).replace("_", " ")


def percent(rate: str | None) -> str:
    """0.9250 is 92.5%; the rate of nothing is a dash."""
    return "–" if rate is None else f"{Decimal(rate) * 100:.1f}%"


def hours(value: str) -> str:
    """1234.50 is 1,234.50."""
    return f"{Decimal(value):,.2f}"


def _title(report: Mapping[str, Any]) -> Text:
    first, last = (date.fromisoformat(report[name]) for name in ("first_day", "last_day"))
    return Text.assemble(
        (f"  {report['scope']['name']}", "bold cyan"),
        (f"   programme year {report['year']}", "bold"),
        (f"   {_day(first)} to {_day(last)}", "dim"),
    )


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _first(report: Mapping[str, Any]) -> Table:
    networks, members, leaders = (
        report[name] for name in ("networks", "member_schools", "leaders")
    )
    days, attendance = report["network_days"], report["attendance"]
    graded = report["starting_points"]["overall_grade"]["by_judgement"]
    good = graded["outstanding"] + graded["good"]
    of_them = f"{good:,} of {sum(graded.values()):,} with an overall grade Outstanding or Good"
    table = titled_table()
    table.add_column(justify="left", no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for name, figure, note in (
        ("Networks", f"{networks['total']:,}", f"{networks['newly_established']:,} new this year"),
        ("Member schools", f"{members['total']:,}", f"{members['joined']:,} joined this year"),
        ("Starting points", f"{members['joined']:,}", of_them),
        (
            "Senior and middle leaders involved",
            f"{leaders['senior_and_middle']:,}",
            f"{leaders['total']:,} people in all",
        ),
        (
            "Network Days held",
            f"{days['held']:,}",
            f"{days['cancelled']:,} cancelled, {days['scheduled']:,} still scheduled",
        ),
        ("Attendance", percent(attendance["rate"]), f"of {attendance['places']:,} places"),
        ("Days in schools", f"{report['days_in_schools']:,}", ""),
        ("CPD hours", hours(report["cpd_hours"]["total"]), ""),
    ):
        table.add_row(name, figure, note)
    return table


def _parts(report: Mapping[str, Any]) -> Iterable[RenderableType]:
    members = report["member_schools"]
    yield _regions(report["networks"]["by_region"], members["by_region"])
    yield Group(
        _counts("Member schools by pathway", members["by_pathway"]),
        Text(),
        _counts("Leaders involved by role", report["leaders"]["by_role"]),
    )
    yield _starting_points(report["starting_points"])
    yield _attendance(report["attendance"])
    strands = report["cpd_hours"]["by_strand"]
    yield _figures("CPD hours by strand", {name: hours(each) for name, each in strands.items()})


def _regions(networks: Mapping[str, int], schools: Mapping[str, int]) -> Table:
    table = titled_table("By region")
    table.add_column("networks", justify="right")
    table.add_column("schools", justify="right")
    for region, count in networks.items():
        table.add_row(region, _figure(f"{count:,}"), _figure(f"{schools.get(region, 0):,}"))
    return table


def _starting_points(points: Mapping[str, Mapping[str, Any]]) -> Table:
    table = titled_table("Starting points of the schools that joined")
    table.add_column(justify="right")
    for framework, found in points.items():
        table.add_row(label(framework), _figure(f"{found['total']:,}"), style="bold")
        for judgement, count in found["by_judgement"].items():
            table.add_row(f"  {label(judgement)}", _figure(f"{count:,}"))
    return table


def _attendance(places: Mapping[str, Any]) -> Table:
    figures = {name: f"{places[name]:,}" for name in ("attended", "late", "excused", "absent")}
    figures |= {"places": f"{places['places']:,}", "rate": percent(places["rate"])}
    return _figures("Registers of held Network Days", figures)


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    return _figures(title, {name: f"{count:,}" for name, count in counts.items()})


def _figures(title: str, figures: Mapping[str, str]) -> Table:
    table = titled_table(title)
    table.add_column(justify="right")
    for name, figure in figures.items():
        table.add_row(label(name), _figure(figure))
    return table


def _months(months: Iterable[Mapping[str, Any]]) -> Table:
    rows = list(months)
    most = max((month["days_in_schools"] for month in rows), default=0)
    table = titled_table("By month")
    for name in ("Network Days", "attendance", "CPD hours", "days in schools"):
        table.add_column(name, justify="right")
    table.add_column(no_wrap=True, style="cyan")
    for month in rows:
        first = date.fromisoformat(f"{month['month']}-01")
        days = month["days_in_schools"]
        table.add_row(
            f"{first:%B %Y}",
            _figure(f"{month['network_days_held']:,}"),
            percent(month["attendance"]["rate"]),
            _figure(hours(month["cpd_hours"])),
            _figure(f"{days:,}"),
            "▇" * round(BAR * days / most) if most else "",
        )
    return table


def _figure(text: str) -> Text:
    return Text(text, style="dim" if text in ("0", "0.00") else "")


def titled_table(title: str | None = None) -> Table:
    """A table whose first column, already there, is headed by the title."""
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="dim",
        show_header=title is not None,
        show_edge=False,
        pad_edge=False,
    )
    table.padding = (0, 2, 0, 0)
    if title is not None:
        table.add_column(Text(title, style="bold not dim"), no_wrap=True)
    return table
