"""What is written where: answers to stdout, everything else to stderr, colours only for people.

rich leaves colours out by itself where NO_COLOR is set or nobody watches.
"""

import json
import os
import sys
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from shared.clock import LONDON

WIDTH_UNSEEN: Final = 120
"""Columns of a table that goes into a file or a pipe, where no terminal has a width."""


class Terminal(Console):
    """rich's, but for who stops reading: the command ends as `invoke` says, and not with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    unseen = not stream.isatty() and "COLUMNS" not in os.environ
    return Terminal(stderr=stderr, width=WIDTH_UNSEEN if unseen else None, highlight=False)


out = _console(stderr=False)
err = _console(stderr=True)


def say(sentence: str) -> None:
    """Tell the person at the terminal; never part of an answer that a program reads."""
    err.print(Text(sentence), soft_wrap=True)


def moment(instant: datetime | str, form: str = "%d %b %Y %H:%M:%S") -> str:
    """An instant, or its text as a service answers it, by London's clocks: for people only."""
    given = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{given.astimezone(LONDON):{form}}"


def print_json(value: Any) -> None:
    """An answer for a program: indented JSON, and nothing else, on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_line(text: str) -> None:
    """A line that is to be copied or piped: never wrapped or coloured."""
    sys.stdout.write(text + "\n")
