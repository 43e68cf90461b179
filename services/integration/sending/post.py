"""Posting to addresses that trusts have named: on public addresses only, and not for ever."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

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
IDLE_SECONDS: Final = 30.0
"""For which a connection is kept for the next delivery."""


class NotPublic(OSError):  # noqa: N818 - reads as a claim
    """A name means an address inside a network."""


class Post:
    """Sends by POST. Redirects are not followed: they are a failure as any other.

    The address is checked where the connection is made, so it is the one that is connected to,
    whatever the name meant before.
    """

    def __init__(self, *, inside: bool, most_connections: int) -> None:
        self._inside = inside
        self._most_connections = most_connections
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Post"]:
        """Its connections end after it."""
        connector = aiohttp.TCPConnector(
            limit=self._most_connections,
            resolver=_Resolver(),
            use_dns_cache=False,
            keepalive_timeout=IDLE_SECONDS,
            socket_factory=None if self._inside else _public_socket,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING_SECONDS),
        ) as self._session:
            yield self

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What was answered; never raises for what the other side does."""
        began = time.monotonic()
        answer: dict[str, Any] = {}
        trouble = None
        try:
            async with asyncio.timeout(SECONDS):
                await self._send(url, headers, body, answer)
        except aiohttp.ConnectionTimeoutError:
            trouble = f"no connection within {CONNECTING_SECONDS:g} seconds"
        except TimeoutError:
            trouble = f"no answer within {SECONDS:g} seconds"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            trouble = _in_words(error)
        if "status" in answer:  # whatever became of the rest
            trouble = None
        took = timedelta(seconds=time.monotonic() - began)
        return Answer(**answer, trouble=trouble, took=took)

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, answer: dict[str, Any]
    ) -> None:
        assert self._session is not None
        async with self._session.post(
            url, data=body, headers=headers, allow_redirects=False
        ) as response:
            answer["status"] = response.status
            answer["retry_after"] = _retry_after(response.headers.get("retry-after", ""))
            answer["body"] = ""
            read = b""
            while len(read) < MOST_READ:
                part = await response.content.read(MOST_READ - len(read))
                read += part
                answer["body"] = read.decode("utf-8", "replace").replace("\0", "")[:MOST_KEPT]
                if not part:
                    return
            response.close()  # nobody reads the rest


class _Resolver(AbstractResolver):
    """The system's, by threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKED_UP_AT_ONCE, "resolving")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError as error:
            raise OSError(f"{host} is no name") from error
        if not found:
            raise OSError(f"{host} means no address")
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=family, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for family, _, proto, _, address in found
        ]  # fmt: skip

    async def close(self) -> None:
        self._threads.shutdown(wait=False)


def _public_socket(address: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """For a connection to a public address. Raises NotPublic for another one."""
    family, kind, protocol, _, (host, *_rest) = address
    if not is_public(str(host)):
        raise NotPublic(f"it means {host}, which is inside a network")
    return socket.socket(family, kind, protocol)


def _in_words(error: BaseException) -> str:
    for each in _causes(error):
        match each:
            case NotPublic():
                return str(each)
            case aiohttp.ClientConnectorCertificateError(certificate_error=refused):
                why = getattr(refused, "verify_message", refused)
                return f"its certificate is not accepted: {why}"
            case ssl.SSLError():
                return "TLS fails: it does not speak it as we do"
            case aiohttp.ClientConnectorDNSError():
                return "its name means no address"
            case ConnectionRefusedError():
                return "nothing listens there"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection can be made ({error.os_error})"
    return f"the connection broke off ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(text: str) -> timedelta | None:
    """RFC 9110: seconds, or a date."""
    with suppress(ValueError, OverflowError):
        if text.strip().isdigit():
            return timedelta(seconds=int(text.strip()[:9]))
        return parsedate_to_datetime(text).replace(tzinfo=UTC) - datetime.now(UTC)
    return None
