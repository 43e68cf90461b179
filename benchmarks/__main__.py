"""`make bench`: one table and one JSON file. What no clock changes gates; ratios are reported."""

import argparse
import logging
import sys
import time
from collections.abc import Awaitable, Callable

import asyncpg
import uvloop
from rich.console import Console

from benchmarks.appending import appending
from benchmarks.consuming import consuming
from benchmarks.growing import growing
from benchmarks.importing import importing
from benchmarks.latency import latency
from benchmarks.measure import COUNTING, Bench, Row
from benchmarks.rebuilding import rebuilding
from benchmarks.relaying import relaying
from benchmarks.remembering import remembering
from benchmarks.report import table, write
from benchmarks.rostering import rostering
from benchmarks.sending import sending
from benchmarks.serving import serving
from benchmarks.tracing import tracing
from shared.memory import tune
from tests.infra import Infra

GROUPS: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "consumer": consuming,
    "rebuild": rebuilding,
    "relay": relaying,
    "append": appending,
    "latency": latency,
    "http": serving,
    "import": importing,
    "growth": growing,
    "memory": remembering,
    "tracing": tracing,
    "webhooks": sending,
    "roster": rostering,
}


async def main() -> int:
    """Measures against servers of its own; answers 1 where a counter is beyond its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=_count, default=5, help="of each, alternating; default 5")
    parser.add_argument("--events", type=_count, default=240_000, help="to consume; 240,000")
    parser.add_argument(
        "--growth", type=_count, default=1_000_000, help="of answers and memory; 1,000,000"
    )
    parser.add_argument("--only", choices=GROUPS, action="append", help="this group alone")
    arguments = parser.parse_args()
    console, rows = Console(width=max(150, Console().width)), []
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leaders yet
    logging.getLogger("shared").setLevel(logging.ERROR)
    tune()
    async with Infra(COUNTING) as infra:
        admin = await asyncpg.connect(infra.admin_dsn)
        await admin.execute("CREATE EXTENSION pg_stat_statements")
        bench = Bench(infra, admin, arguments.runs, arguments.events, arguments.growth)
        for name in arguments.only or GROUPS:
            begun = time.perf_counter()
            rows += await GROUPS[name](bench)
            console.print(f"Measured: {name}, in {time.perf_counter() - begun:.0f} s")
        await admin.close()
    console.print(table(rows, bench.runs))
    console.print(f"Written to {write(rows, bench)}")
    exceeded = [each for row in rows for each in row.exceeded]
    for each in exceeded:
        console.print(f"[red]Exceeded[/]: {each}")
    return 1 if exceeded else 0


def _count(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise ValueError("it has to be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
