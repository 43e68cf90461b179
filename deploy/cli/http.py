"""Asking services over HTTP: every answer that is no success becomes one clear line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from deploy.cli.trouble import CannotDo
from shared.settings import LOOPBACK


def client(url: str, token: str, *, seconds: float = 30) -> httpx.Client:
    """A client that speaks to one service as the bearer of a token. Raises CannotDo."""
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise CannotDo("What was given as a token is none: copy it whole, on one line.")
    return httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=seconds,
        trust_env=urlsplit(url).hostname not in LOOPBACK,
    )


@contextmanager
def in_words(service: str, url: str) -> Iterator[None]:
    """Has failures to reach the service raise CannotDo instead."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise CannotDo(
            f"{service} at {url} has not answered in time. `aspire status` shows how it is."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotDo(
            f"{service} at {url} does not answer ({error or type(error).__name__}). "
            "`aspire status` shows what runs."
        ) from error


def check(response: httpx.Response) -> httpx.Response:
    """The response, if it is a success; else CannotDo with what the problem (RFC 9457) says."""
    if response.is_success:
        return response
    raise CannotDo(problem_in_words(response))


def problem_in_words(response: httpx.Response) -> str:
    """Title, detail and faulty fields of a problem in one line."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or "title" not in problem:
        return f"{response.request.url} answered {response.status_code} {response.reason_phrase}."
    words = f"{problem['title']}: {problem.get('detail', '')}".strip(": ")
    if response.status_code == httpx.codes.UNAUTHORIZED:
        words += " Give one with --token or in ASPIRE_TOKEN."
    return words
