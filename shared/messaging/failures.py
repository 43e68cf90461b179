"""Which failures are of a message and which of the world around it, and how they are told."""

import time
from collections.abc import Callable, Iterable

import asyncpg
from asyncpg.exceptions import PostgresError

# Classes of SQLSTATE that say nothing about the message: connection, transaction state, who may
# come in, which database, a deadlock's or a serialisation's victim, resources, a lock that is
# held, operator intervention, system.
_WORLD = ("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX")

# A full or read-only disk, a lost server and a running shutdown come as these.
_WORLD_TYPES = (asyncpg.InternalClientError, OSError, TimeoutError, MemoryError)


class FaultIsOurs(Exception):  # noqa: N818 - reads as a claim
    """Not the messages are at fault: nothing is parked, the consumer stops."""


def is_about_data(error: BaseException) -> bool:
    """Whether the message, or our handling of it, is at fault: then it can be parked.

    Errors of connection, space and shutdown are not: then the consumer waits.
    """
    if isinstance(error, PostgresError):
        return not (error.sqlstate or "XX").startswith(_WORLD)
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)  # "invalid input for query argument"
    return isinstance(error, Exception) and not isinstance(error, _WORLD_TYPES)


def is_ours(error: BaseException) -> bool:
    """Whether it is surely no message's fault: our SQL does not fit the schema, or our rights."""
    return isinstance(error, PostgresError) and (error.sqlstate or "").startswith("42")


def signature(error: BaseException) -> str:
    """What two alike failures have in common."""
    constraint = getattr(error, "constraint_name", None)
    return f"{type(error).__name__}{f' ({constraint})' if constraint else ''}"


AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server died while a connection was made or in use
)
"""What the database raises while it is away or in trouble."""


class Readable:
    """When an event of each type could be read last, which shows that its model is right."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def note(self, types: Iterable[str]) -> None:
        """Events of these types could be read just now."""
        self._last |= dict.fromkeys(types, self._clock())

    def seconds_since(self, event_type: str) -> float:
        """Infinite where none could be read as yet."""
        return self._clock() - self._last.get(event_type, float("-inf"))
