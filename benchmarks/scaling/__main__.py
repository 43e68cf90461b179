"""`make scale`: one table and one JSON file; 1 where something is missed."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Bench
from benchmarks.report import keep
from benchmarks.scaling.consuming import PARTITIONS, changing, standing
from benchmarks.scaling.restarting import Restarted, restarting
from benchmarks.scaling.result import Result
from benchmarks.scaling.sizing import sizing
from tests.infra import EmbeddedServer, Infra

PARTS = ("consumers", "restart", "sizes")


async def main() -> int:
    """Measures against servers of its own; answers 1 where something wanted is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="of coming and going; 5")
    parser.add_argument("--seconds", type=float, default=30, help="for each number; 30")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    asked = parser.parse_args()
    console = Console(width=max(110, Console().width))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leaders yet
    results: list[Result] = []
    sizes: dict[str, float] = {}
    async with Infra() as infra:
        admin = await asyncpg.connect(infra.admin_dsn)
        bench = Bench(infra, admin)
        if asked.only in (None, "sizes"):
            assert isinstance(infra.broker, EmbeddedServer)  # whose files can be looked at
            sizes = await sizing(bench, infra.broker.folder)
        if asked.only in (None, "consumers"):
            results = await standing(bench, asked.seconds, console.print)
            of_one = results[0].measured
            results.append(await changing(bench, asked.minutes * 60, of_one, console.print))
        await admin.close()
    restarted = await restarting(console.print) if asked.only in (None, "restart") else None
    console.print(_table(results, restarted, sizes))
    found = {
        "seconds": asked.seconds,
        "minutes": asked.minutes,
        "partitions": PARTITIONS,
        "consumers": [each.written() for each in results],
        "bytes": {name: round(size, 1) for name, size in sizes.items()},
        "restart": restarted.written() if restarted else None,
    }
    console.print(f"Written to {keep(found, '-scaling')}")
    for each in restarted.errors + restarted.differences if restarted else []:
        console.print(f"[red]Restart[/]: {each}")
    missed = [each for each in (*results, restarted) if each is not None and not each.reached]
    return 1 if missed else 0


def _table(results: list[Result], restarted: Restarted | None, sizes: Mapping[str, float]) -> Table:
    shown = Table(title=f"{PARTITIONS} partitions, {os.cpu_count()} cores, load "
                  f"{os.getloadavg()[0]:.1f}")  # fmt: skip
    shown.add_column("what", overflow="fold")
    for heading in ("measured", "linear", "ratio", "wanted"):
        shown.add_column(heading, justify="right")
    for each in results:
        ratio = f"{each.ratio:.2f}"
        shown.add_row(
            each.what,
            f"{each.measured:.1f}",
            f"{each.linear:.1f}",
            ratio if each.reached else f"[bold red]{ratio}[/]",
            f"≥ {each.wanted:g}",
        )
    for name, size in sizes.items():
        shown.add_row(f"bytes: {name.replace('_', ' ')}", f"{size:.0f}")
    if restarted is not None:
        what = (
            f"{restarted.replicas} replicas restarted in {restarted.seconds:.0f} s under "
            f"{restarted.commands:,} commands, {restarted.sent_again} sent again: errors, "
            "differences"
        )
        found = f"{len(restarted.errors)}, {len(restarted.differences)}"
        shown.add_row(what, found, "", "", "0, 0")
    return shown


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
