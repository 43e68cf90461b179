"""`make bench`: prints one table of rates and of ratios to their references."""

import asyncio

from rich.console import Console
from rich.table import Table

from benchmarks.consuming import consuming
from benchmarks.importing import importing
from benchmarks.measure import Measured
from tests.infra import Infra


async def main() -> None:
    """Measures everything against servers of its own."""
    async with Infra() as infra:
        rows = [*await importing(infra), *await consuming(infra)]
    Console().print(table(rows))


def table(rows: list[Measured]) -> Table:
    """What was measured, the better of ours and its reference left to the reader's eye."""
    shown = Table(title="Rates on this machine, now")
    for heading, justify in (
        ("what", "left"), ("rate", "right"), ("reference", "left"), ("its rate", "right"),
        ("ratio", "right"),
    ):  # fmt: skip
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        shown.add_row(
            row.what,
            f"{row.rate:,.0f} {row.unit}",
            row.reference,
            f"{row.reference_rate:,.0f} {row.unit}",
            f"{row.rate / row.reference_rate:.2f}",
        )
    return shown


if __name__ == "__main__":
    asyncio.run(main())
