"""Posting to addresses that trusts have named: on public addresses only, and not for ever."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import httpcore
import httpx

from services.integration.domain.webhooks import Answer, is_public

SECONDS: Final = 15.0
"""For everything: looking the name up, connecting, and the answer."""
CONNECTING_SECONDS: Final = 5.0
"""Of them for the connection, and as long again for TLS."""
MOST_READ: Final = 4096
"""Bytes of an answer's body."""
MOST_KEPT: Final = 1000
"""Characters of it."""
LOOKED_UP_AT_ONCE: Final = 64
"""Names: one whose server is silent holds up no other."""


class NotPublic(httpcore.ConnectError):
    """A name means an address inside a network."""


class Post:
    """Sends by POST. Redirects are not followed: they are a failure as any other.

    The address is checked where the connection is made, so it is the one that is connected to,
    whatever the name meant before.
    """

    def __init__(self, *, inside: bool, most_connections: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=most_connections,
            max_keepalive_connections=most_connections,
            keepalive_expiry=30,
            network_backend=None if inside else _Public(),
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Post"]:
        """Its connections end after it."""
        async with self._pool:
            yield self

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What was answered; never raises for what the other side does."""
        began = time.monotonic()
        answer: dict[str, Any] = {}
        trouble = None
        try:
            async with asyncio.timeout(SECONDS):
                await self._send(url, headers, body, answer)
        except TimeoutError:
            trouble = f"no answer within {SECONDS:g} seconds"
        except httpcore.TimeoutException:
            trouble = f"no connection within {CONNECTING_SECONDS:g} seconds"
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as bad:
            trouble = _in_words(bad)
        if "status" in answer:  # whatever became of the rest
            trouble = None
        took = timedelta(seconds=time.monotonic() - began)
        return Answer(**answer, trouble=trouble, took=took)

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, answer: dict[str, Any]
    ) -> None:
        host = httpx.URL(url).netloc.decode()
        asked = [*headers.items(), ("host", host), ("content-length", str(len(body)))]
        limits = {"timeout": {"connect": CONNECTING_SECONDS}}
        async with self._pool.stream(
            "POST", url, headers=asked, content=body, extensions=limits
        ) as response:
            answer["status"] = response.status
            answer["retry_after"] = _retry_after(response.headers)
            answer["body"] = ""
            read = b""
            async for part in response.aiter_stream():
                read += part[: MOST_READ - len(read)]
                answer["body"] = read.decode("utf-8", "replace").replace("\0", "")[:MOST_KEPT]
                if len(read) >= MOST_READ:
                    break


class _Public(httpcore.AsyncNetworkBackend):
    """Connects to a name only where all its addresses are public ones."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._resolving = ThreadPoolExecutor(LOOKED_UP_AT_ONCE, "resolving")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._resolving, look_up)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} means no address") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if inside := [each for each in addresses if not is_public(each)]:
            raise NotPublic(f"{host} means {inside[0]}, which is inside a network")
        return addresses

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise NotPublic("a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def _in_words(error: BaseException) -> str:
    for each in _causes(error):
        match each:
            case ssl.SSLCertVerificationError(verify_message=message):
                return f"its certificate is not accepted: {message}"
            case ssl.SSLError():
                return "TLS fails: it does not speak it as we do"
            case ConnectionRefusedError():
                return "nothing listens there"
    if isinstance(error, httpcore.ConnectError):
        return str(error) or "no connection can be made"
    return f"the connection broke off ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    """RFC 9110: seconds, or a date."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            text = value.decode("ascii", "replace").strip()
            with suppress(ValueError, OverflowError):
                if text.isdigit():
                    return timedelta(seconds=int(text[:9]))
                return parsedate_to_datetime(text).replace(tzinfo=UTC) - datetime.now(UTC)
    return None
