"""What was measured, as a table for people and a JSON file for later."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measure import Bench, Row

RESULTS = Path(__file__).parent / "results"


def table(rows: list[Row], runs: int) -> Table:
    """Rates or times, ours beside the reference's, and what each thing took."""
    shown = Table(title=f"Medians of {runs} alternating runs on {os.cpu_count()} cores")
    for heading in ("what", "beside"):
        shown.add_column(heading, overflow="fold")
    for heading in (
        "ours", "reference", "ratio", "wanted", "CPU s per 100,000: own + PostgreSQL's",
        "SQL / commits / WAL bytes of each",
    ):  # fmt: skip
        shown.add_column(heading, justify="right")
    for row in rows:
        ours, theirs = row.cpu(row.ours), row.cpu(row.theirs)
        counts = row.counts(row.ours)
        digits = 1 if row.less_is_better else 0
        ratio = f"{row.ratio:.2f}"
        shown.add_row(
            row.what,
            row.reference,
            f"{row.value(row.ours):,.{digits}f} {row.unit}",
            f"{row.value(row.theirs):,.{digits}f}",
            ratio if row.reached else f"[bold red]{ratio}[/]",
            _wanted(row),
            f"{ours[0]:.2f} + {ours[1]:.2f} / {theirs[0]:.2f} + {theirs[1]:.2f}",
            f"{counts['statements']:.3f} / {counts['commits']:.4f} / {counts['wal_bytes']:.0f}",
        )
    return shown


def _wanted(row: Row) -> str:
    enough = "" if row.enough is None else f" or {row.enough:g} {row.unit}"
    return f"{'≤' if row.less_is_better else '≥'} {row.wanted:g}{enough}"


def write(rows: list[Row], bench: Bench) -> Path:
    """Keeps the figures, the single runs too, under the day and the commit."""
    given = {"runs": bench.runs, "events": bench.events, "growth": bench.growth}
    return keep(given | {"rows": [_written(row) for row in rows]})


def keep(found: dict[str, Any], suffix: str = "") -> Path:
    """Writes what was found into a file of the day and the commit, with the machine."""
    commit = _git("rev-parse", "--short", "HEAD") + ("-changed" if _git("status", "-s") else "")
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y-%m-%d}-{commit}{suffix}.json"
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }
    written = {"commit": commit, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "machine": machine, **found}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return path


def _written(row: Row) -> dict[str, Any]:
    sides = {"ours": row.ours, "reference": row.theirs}
    return {
        "what": row.what,
        "beside": row.reference,
        "unit": row.unit,
        "ratio": round(row.ratio, 3),
        "wanted": _wanted(row),
        "reached": row.reached,
        "limits": row.limits,
        **{
            side: {
                "median": round(row.value(runs), 2),
                "runs": [round(row.value([run]), 2) for run in runs],
                "cpu_seconds_per_100_000": [round(each, 3) for each in row.cpu(runs)],
                "for_each": {name: round(n, 4) for name, n in row.counts(runs).items()},
            }
            for side, runs in sides.items()
        },
    }


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return ran.stdout.strip()
