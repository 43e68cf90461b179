"""What was measured: the rows of `make bench` and `make scale` that the page stands on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

RESULTS: Final = Path(__file__).parents[1] / "results"
BENCH: Final = "2026-11-29-f184253.json"
SCALE: Final = "2026-11-28-2df0929-scaling.json"
"""Name newer ones here, then `make capacity`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one thing."""

    process: float
    postgres: float


@dataclass(frozen=True)
class Measured:
    """Costs and rates by what was done, sizes in bytes, and the scaling table."""

    rows: dict[str, Any]
    scale: dict[str, Any]

    @classmethod
    def read(cls) -> Self:
        """The files that the page names."""
        rows = json.loads((RESULTS / BENCH).read_text())["rows"]
        return cls(
            {each["what"]: each for each in reversed(rows)},
            json.loads((RESULTS / SCALE).read_text()),
        )

    def cost(self, what: str) -> Cost:
        """Of one thing of that row."""
        process, postgres = self._row(what)["ours"]["cpu_seconds_per_100_000"]
        return Cost(process / 1e5, postgres / 1e5)

    def rate(self, what: str) -> float:
        """Things a second, on the two cores of the benchmark."""
        return float(self._row(what)["ours"]["median"])

    def event(self, rate: float) -> Cost:
        """An event from its append to its effect in one other service; it is dearer alone than
        among others, and beyond the highest rate that was measured taken to cost as much as there.
        """
        near = 200 if rate <= 200 else 500
        return self.cost(f"commit to effect in another service, {near} events/s, p50")

    def size(self, what: str) -> float:
        """Bytes."""
        return float(self.scale["bytes"][what])

    def _row(self, what: str) -> Any:
        return next(row for name, row in self.rows.items() if name.startswith(what))
