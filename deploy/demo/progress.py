"""Progress by phases: bars for whoever watches, a line for each phase in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


class Bars:
    """The phases so far, each with its bar. Use as `with`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    @contextmanager
    def phase(self, name: str, steps: int | None) -> Iterator[Callable[..., None]]:
        """A phase of so many steps; call what it yields after each, or with a number of them, and
        with `of` where there are more of them by now."""
        began, count = time.monotonic(), 0
        task = self._progress.add_task(name, total=steps)

        def done(number: int = 1, *, of: int | None = None) -> None:
            nonlocal count
            count += number
            self._progress.update(task, advance=number, total=of)

        yield done
        self._progress.update(task, total=count, completed=count)
        if not self._console.is_terminal:
            self._console.print(f"{name}: {count:,} in {time.monotonic() - began:.1f} s")
