"""Writes docs/capacity.md."""

from pathlib import Path

from benchmarks.capacity.measured import Measured
from benchmarks.capacity.page import page

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"

if __name__ == "__main__":
    PAGE.write_text(page(Measured.read()), encoding="utf-8")
