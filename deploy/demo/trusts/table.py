"""What trusts' systems know at the end of the year, on the terminal."""

from collections.abc import Iterable
from decimal import Decimal

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from deploy.cli.figures import titled_table
from deploy.cli.terminal import out
from deploy.demo.trusts.system import System
from shared.events.vocabulary import Attendance


def print_trusts(systems: Iterable[tuple[str, System]]) -> None:
    """Names and systems of trusts, each of which knows exactly what is its own."""
    table = titled_table("Trusts’ systems")
    table.add_column("by", no_wrap=True)
    for name in ("staff", "events", "came", "visits", "hours"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, system in systems:
        known = system.records.known()
        attended = sum(Attendance(mark).present for mark in known.attendance.values())
        table.add_row(
            name,
            system.way,
            f"{len(known.staff):,}",
            f"{system.records.told:,}",
            f"{attended:,}",
            f"{len(known.visits):,}",
            f"{sum(known.hours.values(), Decimal(0)):,.2f}",
        )
    words = Text("Each was told exactly what is its own, and reported the staff.", style="dim")
    out.print(Padding(Group(table, Text(), words), (0, 0, 1, 2)))
