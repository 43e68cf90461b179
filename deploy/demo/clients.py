"""The clients of the play: schools, advisers, the office and leaders, each with an own token."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID, uuid4

import httpx

from deploy.embedded.trouble import Trouble
from shared.web import LocalIssuer

AT_ONCE: Final = 12
"""Requests under way at a time: enough to keep four services busy on two processors."""
ATTEMPTS: Final = 6
SECONDS_TO_ARRIVE: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.5
AGAIN: Final = frozenset({429, 502, 503, 504})

Json = Any


class Unexpected(Trouble):
    """A service answered otherwise than the play needs."""


class Clients:
    """Speaks to the services as whoever the token names. Use as `async with`."""

    def __init__(self, urls: Mapping[str, str], issuer: LocalIssuer) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._clients = {
            service: httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False)
            for service, url in urls.items()
        }
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._issuer = issuer
        self.requests = 0
        self.adviser = lru_cache(maxsize=None)(self._adviser)
        self.school = lru_cache(maxsize=None)(self._school)
        self.office = issuer.issue("office", "demo-office")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _adviser(self, person_id: str, network_id: str) -> str:
        """A token of an adviser of one network."""
        return self._issuer.issue(
            "adviser", f"adviser-{person_id}", networks=[UUID(network_id)], person=UUID(person_id)
        )

    def _school(self, school_id: str) -> str:
        """A token of a school's user."""
        return self._issuer.issue("school", f"school-{school_id}", schools=[UUID(school_id)])

    def trust(self, trust_id: str) -> str:
        """A token of a trust's own people."""
        return self._issuer.issue("trust", f"trust-{trust_id}", groups=[UUID(trust_id)])

    def url(self, service: str) -> str:
        return str(self._clients[service].base_url)

    def participant(self, person_id: str) -> str:
        """A token of a leader for oneself."""
        return self._issuer.issue("participant", f"person-{person_id}", person=UUID(person_id))

    async def post(self, service: str, path: str, token: str, **body: Any) -> Json:
        """A command, sent again under the same key until it is answered. Raises Unexpected."""
        return await self._tell("POST", service, path, token, body)

    async def put(self, service: str, path: str, token: str, **body: Any) -> Json:
        """As `post`, for what is replaced as a whole."""
        return await self._tell("PUT", service, path, token, body)

    async def _tell(
        self, method: str, service: str, path: str, token: str, body: Mapping[str, Any]
    ) -> Json:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
        answer = await self._send(service, method, path, headers=headers, json=body)
        if not answer.is_success:
            raise _unexpected(service, answer)
        return answer.json()

    async def find(self, service: str, path: str, **query: Any) -> Json | None:
        """What is there, as the office sees it; None where it is not there (yet)."""
        headers = {"Authorization": f"Bearer {self.office}"}
        answer = await self._send(service, "GET", path, headers=headers, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise _unexpected(service, answer)
        return answer.json()

    async def every(self, service: str, path: str, **query: Any) -> list[Json]:
        """All items of a list, page by page."""
        items: list[Json] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.find(service, path, limit=1000, **query, **cursor)
            if page is None:
                raise Unexpected(f"{service} has no list at {path}.")
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = {"cursor": page["next"]}

    async def until(self, service: str, path: str, holds: Callable[[Json], Any], what: str) -> Json:
        """Ask until something is there and `holds` of it: an event has arrived. Raises Unexpected
        when that takes more than a minute."""
        deadline = time.monotonic() + SECONDS_TO_ARRIVE
        pause = FIRST_PAUSE_SECONDS
        while True:
            found = await self.find(service, path)
            if found is not None and holds(found):
                return found
            if time.monotonic() > deadline:
                raise Unexpected(
                    f"{service} has not learned within {SECONDS_TO_ARRIVE:.0f} s {what} "
                    f"({path}). `aspire status` shows how its consumer is."
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _send(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            async with self._turn:
                self.requests += 1
                try:
                    answer = await self._clients[service].request(method, path, **request)
                    if answer.status_code not in AGAIN or attempt == ATTEMPTS:
                        return answer
                except httpx.TransportError as error:
                    if attempt == ATTEMPTS:
                        raise Unexpected(
                            f"{service} does not answer {method} {path}: {error!r}. Its log is in "
                            "ASPIRE_HOME/log."
                        ) from error
            await asyncio.sleep(pause)
            pause *= 3
        raise AssertionError("the last attempt returns or raises")


async def each(works: Iterable[Any], done: Callable[[], None]) -> None:
    """Do all of it side by side, `done` after each; the first failure ends the rest."""

    async def counted(work: Any) -> None:
        await work
        done()

    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(counted(work))


def _unexpected(service: str, answer: httpx.Response) -> Unexpected:
    try:
        problem = answer.json()
        words = f"{problem['title']}: {problem.get('detail', '')}"
    except (ValueError, KeyError, TypeError):
        words = answer.text[:300]
    request = answer.request
    return Unexpected(
        f"{service} answered {answer.status_code} to {request.method} {request.url.path}: {words}"
    )
