"""A figure beside what it would be if nothing were lost by being many."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """`measured` is a rate; `linear` what it were without any loss; `wanted` the least ratio."""

    what: str
    measured: float
    linear: float
    wanted: float

    @property
    def ratio(self) -> float:
        return self.measured / self.linear

    @property
    def reached(self) -> bool:
        return round(self.ratio, 2) >= self.wanted

    def written(self) -> dict[str, Any]:
        """For the JSON file."""
        rounded = {"measured": round(self.measured, 2), "linear": round(self.linear, 2)}
        return asdict(self) | rounded | {"ratio": round(self.ratio, 3), "reached": self.reached}
