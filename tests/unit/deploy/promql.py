"""What a PromQL expression asks for, and what the platform has, as Prometheus names it."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
OF_PROMETHEUS: Final = {
    "up": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity"},
}
OF_EVERY_SERIES: Final = {"job", "instance", "service_name", "le", "error_type"}
_WORDS: Final = {"and", "or", "unless", "bool", "offset"}
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) \(([^)]*)\)")
_MATCHERS: Final = re.compile(r"(\w*)\{([^}]*)\}")


@cache
def known() -> dict[str, set[str]]:
    """Every metric with its own labels."""
    matrix = tomllib.loads((ROOT / "docs" / "signals.toml").read_text("utf-8"))["metric"]
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for metric in matrix:
        labels = {label.replace(".", "_") for label in metric["labels"]}
        for suffix in ("", "_bucket", "_count", "_sum"):
            found[metric["prometheus"] + suffix] = labels
    return found


def faults(expression: str) -> Iterator[str]:
    """Metrics that there are not, and labels that none of the metrics that are asked for has."""
    metrics = known()
    bare = re.sub(r'"[^"]*"', '""', expression)
    asked = set(_names(bare))
    yield from (f"no metric {name}" for name in sorted(asked - metrics.keys()))
    of_asked = OF_EVERY_SERIES.union(*(metrics.get(name, set()) for name in asked))
    for labels in _GROUPING.findall(bare):
        for label in re.findall(r"\w+", labels):
            if label not in of_asked:
                yield f"no label {label}"
    for name, matchers in _MATCHERS.findall(bare):
        for label in re.findall(r'(\w+)\s*[!=]~?\s*"', matchers):
            if label not in OF_EVERY_SERIES | metrics.get(name, set()):
                yield f"no label {label} of {name}"


def _names(bare: str) -> Iterator[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", _GROUPING.sub("", bare))
    for name, called in re.findall(r"(?<![\w.$])([a-zA-Z_]\w*)\s*(\()?", bare):
        if not called and name not in _WORDS:
            yield name
