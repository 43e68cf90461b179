"""Clients of the public APIs that note in the ledger what they were told of each command."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any, Protocol, Self

import httpx

from shared.web import LocalIssuer
from tests.chaos.ledger import Command, Ledger, Outcome

SECONDS_TO_ANSWER = 6.0
MOST_ATTEMPTS = 15
PERSISTENT = 0.75
"""How many of the clients send a command again that was not answered; the others leave it."""
HASTY = 0.05
"""How many send it twice at once."""


class Where(Protocol):
    """What a client has been told: where the services are, and who gives it a token."""

    issuer: LocalIssuer

    def apis(self, service: str) -> list[str]:
        """The addresses of a service's replicas."""


class Clients:
    """Sends commands until they are answered, or given up. Use as `async with`."""

    def __init__(
        self,
        platform: Where,
        ledger: Ledger,
        random: Random,
        seconds_to_answer: float = SECONDS_TO_ANSWER,
    ) -> None:
        self._platform = platform
        self._ledger = ledger
        self._random = random
        self._client = httpx.AsyncClient(
            trust_env=False,
            timeout=seconds_to_answer,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self._office = platform.issuer.issue("office", "chaos-office")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, service: str, path: str, **query: Any) -> Any:
        """What is there, or None where there is no answer."""
        headers = {"Authorization": f"Bearer {self._office}"}
        try:
            answer = await self._client.get(
                self._address(service) + path, headers=headers, params=query
            )
        except httpx.HTTPError:
            return None
        return answer.json() if answer.is_success else None

    async def send(self, command: Command) -> None:
        """Send a command, under one key however often, and settle it in the ledger."""
        headers = self._headers(command)
        persistent = self._random.random() < PERSISTENT
        copies = 2 if self._random.random() < HASTY else 1
        self._ledger.open(command)
        while True:
            addresses = [self._address(command.service) for _ in range(copies)]
            attempts = [self._attempt(command, headers, each) for each in addresses]
            for answer in await asyncio.gather(*attempts):
                noted(command, answer)
            if command.status is not None or not persistent or command.attempts >= MOST_ATTEMPTS:
                break
            await asyncio.sleep(self._random.uniform(0.2, 3))
        self._ledger.settle(command, outcome(command))

    def _headers(self, command: Command) -> dict[str, str]:
        token = self._platform.issuer.issue("office", command.subject, lifetime=timedelta(hours=6))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": command.key}

    async def _attempt(
        self, command: Command, headers: Mapping[str, str], address: str
    ) -> httpx.Response | None:
        """The answer; None where there was none, or one that leaves open what happened."""
        command.attempts += 1
        body: dict[str, Any] = (
            {"content": command.body}
            if isinstance(command.body, bytes)
            else {"json": command.body or {}}
        )
        try:
            answer = await self._client.request(
                command.method,
                address + command.path,
                headers=dict(headers),
                **body,
            )
        except httpx.HTTPError:
            return None
        return None if answer.is_server_error else answer

    def _address(self, service: str) -> str:
        return self._random.choice(self._platform.apis(service))


def noted(command: Command, answer: httpx.Response | None) -> None:
    """The command knows what it was told, or that it was not."""
    if answer is None:
        command.unanswered += 1
        return
    acknowledged = command.status is not None and command.status < 400
    if not acknowledged:
        command.status, command.answer = answer.status_code, answer.json()


def outcome(command: Command) -> Outcome:
    """What its client knows of it in the end."""
    if command.status is not None and command.status < 400:
        return Outcome.ACKNOWLEDGED
    # An attempt that nobody answered may still be carried out after a later one was refused.
    if command.status is None or command.unanswered or command.attempts > 1:
        return Outcome.UNKNOWN
    return Outcome.REFUSED
