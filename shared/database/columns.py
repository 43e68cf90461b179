"""Rows as PostgreSQL's `unnest` takes them."""

from collections.abc import Iterable, Sequence


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """One array a column, `width` of them, also where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
