"""Asking other servers with httpx on uvloop."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx


@contextmanager
def asking() -> Iterator[None]:
    """Around a request: raises httpx.ConnectError where the other end hung up at once.

    Of such a connection anyio asks the socket, which uvloop does not know any more: AttributeError.
    """
    try:
        yield
    except AttributeError as error:
        raise httpx.ConnectError("the other end hung up at once") from error
