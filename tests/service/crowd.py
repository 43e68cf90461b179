"""Many clients at once at several replicas of a service: one effect and one answer for each key."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

NOTHING_HAPPENED = "DELETE FROM outbox; DELETE FROM event; DELETE FROM stream"
"""No TRUNCATE: a service that looks at its outbox meanwhile would lock them in another order."""


@dataclass
class Crowd:
    """`headers` say who everybody is. Replicas are asked in turn."""

    replicas: Sequence[httpx.AsyncClient]
    headers: dict[str, str]
    _turn: "itertools.count[int]" = field(default_factory=itertools.count)

    async def send(self, path: str, body: Any, copies: int = 1) -> tuple[int, Any]:
        """Status and answer of a command, sent in copies at once under one Idempotency-Key.

        Accepted, it is answered alike to all who come after. A refusal leaves nothing, so a copy
        of what was refused may be accepted a moment later.
        """
        key = str(uuid4())
        answers = await asyncio.gather(*(self._once(path, body, key) for _ in range(copies)))
        failed = [each.text for each in answers if each.status_code >= 500]
        assert not failed, failed
        accepted = [each for each in answers if each.is_success]
        assert len({(each.status_code, each.content) for each in accepted}) <= 1
        replayed = sum("Idempotency-Replayed" in each.headers for each in accepted)
        assert replayed == max(len(accepted) - 1, 0), "a command was done twice"
        told = (accepted or answers)[0]
        return told.status_code, told.json()

    async def _once(self, path: str, body: Any, key: str) -> httpx.Response:
        replica = self.replicas[next(self._turn) % len(self.replicas)]
        return await replica.post(
            path,
            content=json.dumps(body, default=str),
            headers={**self.headers, "Idempotency-Key": key, "Content-Type": "application/json"},
        )
