"""What of an error may be in a log line: where it was and of what kind, not whose data it met."""

import re
import traceback
from collections.abc import Iterator
from typing import Final

from asyncpg.exceptions import PostgresError
from pydantic import ValidationError

LEFT_OUT: Final = "REDACTED"

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w.-]+|(?<=Bearer )\S+|(?<=Basic )\S+")
_ADDRESS: Final = re.compile(r"[^\s@\"'<>(),;:/=?&]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")


def plain(text: str) -> str:
    """The text without e-mail addresses and tokens, wherever they came from."""
    return _ADDRESS.sub(LEFT_OUT, _TOKEN.sub(LEFT_OUT, text))


def told(error: BaseException) -> str:
    """One line: the error's kind and message, without the values in it.

    PostgreSQL's details have the values of a row, and pydantic's messages those of a model. Others
    quote what they could not read. What PostgreSQL quotes of statements and tables (42) is ours.
    """
    kind = type(error).__name__
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        what = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in faults)
        return f"{kind}: {error.title}: {what}"[:1000]
    if isinstance(error, PostgresError):
        where = getattr(error, "constraint_name", None) or getattr(error, "table_name", None)
        kind += f" ({where})" if where else ""
        message = str(error.args[0])
        if (error.sqlstate or "").startswith("42"):
            return f"{kind}: {message}"[:1000]
        return f"{kind}: {_unquoted(message)}"[:1000]
    return f"{kind}: {_unquoted(str(error))}"[:1000]


def traced(error: BaseException) -> str:
    """The traceback with its causes, each error as `told`."""
    return "".join(_lines(error))


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "\nAfter that:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{told(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield "\nOf these:\n\n"
            yield from _lines(each)


def _unquoted(message: str) -> str:
    return _QUOTED.sub("…", message)
