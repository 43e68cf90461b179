"""Posting to receivers that answer well, badly, slowly, or from where they may not be."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import trustme

from services.integration.domain.webhooks import Answer
from services.integration.sending import post as module
from services.integration.sending.post import MOST_KEPT, Post

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(
    talk: Talk, tls: ssl.SSLContext | None = None, *, hears: bool = True
) -> AsyncIterator[int]:
    """The port of one that reads a request's head, unless it hears nothing, and talks."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if hears:
                await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(answer: bytes) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return talk


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


async def ask(url: str, *, inside: bool = True) -> Answer:
    async with Post(inside=inside, most_connections=4).open() as post:
        return await post.send(url, {"content-type": "text/plain"}, b"an event")


async def asked(talk: Talk) -> Answer:
    async with receiver(talk) as port:
        return await ask(f"http://127.0.0.1:{port}/aspire")


async def test_what_is_answered_is_told() -> None:
    answer = await asked(saying(head("202 Accepted", "Content-Length: 2") + b"ok"))
    assert (answer.status, answer.body, answer.trouble) == (202, "ok", None)
    assert answer.taken


async def test_a_redirect_is_not_followed() -> None:
    answer = await asked(
        saying(head("307 Temporary Redirect", "Location: http://127.0.0.1:1/", "Content-Length: 0"))
    )
    assert answer.status == 307
    assert not answer.taken


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("120", 120, 120),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 86400 * 365, 86400 * 36500),
        ("9" * 40, 86400 * 365, 10**9),
    ],
)
async def test_an_answer_may_say_when_to_come_back(value: str, least: int, most: int) -> None:
    answer = await asked(
        saying(head("503 Service Unavailable", f"Retry-After: {value}", "Content-Length: 0"))
    )
    assert answer.retry_after is not None
    assert timedelta(seconds=least) <= answer.retry_after <= timedelta(seconds=most)


@pytest.mark.parametrize("value", ["soon", "", "-5", "Fri, 99 Dec"])
async def test_a_time_that_cannot_be_read_is_passed_over(value: str) -> None:
    answer = await asked(
        saying(head("503 Service Unavailable", f"Retry-After: {value}", "Content-Length: 0"))
    )
    assert (answer.status, answer.retry_after) == (503, None)


async def test_ten_megabytes_are_not_read() -> None:
    sent = 0

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head("500 Oops", f"Content-Length: {10 * 1024 * 1024}"))
        for _number in range(160):
            writer.write(b"\0x" * 32768)
            await writer.drain()
            sent += 65536

    answer = await asked(talk)
    assert answer.status == 500
    assert answer.body == "x" * len(answer.body)
    assert 0 < len(answer.body) <= MOST_KEPT
    assert sent < 10 * 1024 * 1024


async def test_one_that_never_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    answer = await asked(talk)
    assert (answer.status, answer.trouble) == (None, "no answer within 0.2 seconds")


async def test_one_whose_answer_never_ends_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", "Content-Length: 100") + b"so")
        await writer.drain()
        await reader.read()

    answer = await asked(talk)
    assert (answer.status, answer.body, answer.trouble) == (200, "so", None)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"", "broke off"),
        (b"HTTP/1.1 200", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "broke off"),
        (b"\xff\xfe\x00 200 OK\r\n\r\n", "broke off"),
    ],
)
async def test_what_is_no_answer_is_said_in_words(answer: bytes, trouble: str) -> None:
    found = await asked(saying(answer))
    assert found.status is None
    assert trouble in str(found.trouble)


async def test_nobody_there_is_said_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        answer = await ask(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert answer.trouble == "nothing listens there"


async def test_a_certificate_that_nobody_vouches_for_is_said_in_words() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with receiver(saying(b""), tls) as port:
        answer = await ask(f"https://127.0.0.1:{port}/")
    assert "its certificate is not accepted" in str(answer.trouble)


async def test_one_without_tls_is_said_in_words() -> None:
    async with receiver(saying(head("400 Bad Request")), hears=False) as port:
        answer = await ask(f"https://127.0.0.1:{port}/")
    assert answer.trouble == "TLS fails: it does not speak it as we do"


async def test_one_that_is_silent_in_tls_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTING_SECONDS", 0.2)

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with receiver(talk) as port:
        answer = await ask(f"https://127.0.0.1:{port}/")
    assert answer.trouble == "no connection within 0.2 seconds"


async def test_a_name_that_means_an_address_inside_is_not_connected_to() -> None:
    async with receiver(saying(head("200 OK", "Content-Length: 0"))) as port:
        answer = await ask(f"http://localhost:{port}/", inside=False)
    assert answer.status is None
    assert "is inside a network" in str(answer.trouble)


async def test_the_address_counts_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what the name meant before, and whatever the address is wrapped in."""
    found = [["10.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254", "fe80::1"], []]

    def look_up(host: str, port: int, *_: Any) -> list[Any]:
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (families[":" in each], socket.SOCK_STREAM, 6, "", (each, port))
            for each in found.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for expected in ("10.0.0.1, which is inside", "127.0.0.1, which is inside", "169.254.169.254"):
        answer = await ask("https://mis.example/", inside=False)
        assert expected in str(answer.trouble)
    answer = await ask("https://mis.example/", inside=False)
    assert answer.trouble is not None


async def test_a_number_that_means_an_address_inside_is_not_connected_to() -> None:
    for host in ("2130706433", "127.1", "0x7f.0.0.1", "[::1]", "127.0.0.1"):
        answer = await ask(f"http://{host}:9/", inside=False)
        assert answer.trouble not in (None, "nothing listens there"), host
