"""Trusts and schools as membership has told of them, the office, and trusts' systems."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx

from services.integration.api.reading import BATCHED, STRUCTURED
from services.integration.effects import effects
from shared.events import Event, Received
from shared.events import membership as said
from shared.events.vocabulary import GroupKind
from shared.messaging.connections import acquire
from shared.messaging.journal import append, identified
from shared.web import LocalIssuer
from tests.conftest import Started

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
_IDS = UUID("1f7e9a70-0000-4000-8000-000000000000")


def named(name: str) -> UUID:
    return uuid5(_IDS, name)


def trust(name: str, kind: GroupKind = GroupKind.TRUST) -> said.GroupRegistered:
    return said.GroupRegistered(group_id=named(name), name=name, kind=kind)


def school(name: str, urn: int) -> said.SchoolRegistered:
    details = said.SchoolDetails(urn=urn, name=name)
    return said.SchoolRegistered(school_id=named(name), details=details)


def joined(trust: str, school: str, on: date = date(2020, 9, 1)) -> said.SchoolJoinedGroup:
    return said.SchoolJoinedGroup(group_id=named(trust), school_id=named(school), joined_on=on)


def left(trust: str, school: str, on: date) -> said.SchoolLeftGroup:
    return said.SchoolLeftGroup(group_id=named(trust), school_id=named(school), left_on=on)


def urn_changed(school: str, old: int, new: int, on: date) -> said.SchoolUrnChanged:
    return said.SchoolUrnChanged(school_id=named(school), old_urn=old, new_urn=new, changed_on=on)


@dataclass
class World:
    """Integration, what is said to it, and who asks it."""

    integration: Started
    issuer: LocalIssuer
    secrets: dict[str, str] = field(default_factory=dict)
    _sequences: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def say(self, *events: Event) -> None:
        """Events happen elsewhere, and take effect here."""
        async with acquire(self.integration.pool) as connection, connection.transaction():
            for event in events:
                self._sequences[event.key] += 1
                effect = effects.of(event.type)
                assert effect is not None
                caused = await effect(connection, [self._received(event)])
                await append(connection, identified(caused or ()), "effect")

    def _received(self, event: Event) -> Received[Any]:
        sequence = self._sequences[event.key]
        return Received(
            id=uuid5(_IDS, f"{event.type}/{event.key}/{sequence}"), topic=event.topic.name,
            key=event.key, sequence=sequence, time=NOW, data=event, partition=0, offset=sequence,
        )  # fmt: skip

    async def office(
        self, method: str, path: str, body: Any = None, role: str = "office", key: str = "",
        **scope: Any,
    ) -> httpx.Response:  # fmt: skip
        token = self.issuer.issue(role, f"a {role}", **scope)
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or uuid4().hex}
        return await self.integration.client.request(method, path, json=body, headers=headers)

    async def connected(self, name: str) -> str:
        """The secret of a trust that is connected now."""
        answer = await self.office("POST", connection(name))
        assert answer.status_code == 201, answer.text
        self.secrets[name] = str(answer.json()["secret"])
        return self.secrets[name]

    async def signed_in(self, name: str, secret: str) -> int:
        """The status with which a trust's systems are answered."""
        answer = await self.integration.client.get(
            "/mis/connection", auth=httpx.BasicAuth(str(named(name)), secret)
        )
        return answer.status_code

    async def ask(self, where: str, name: str = "Solent", **params: Any) -> httpx.Response:
        """A trust's systems ask by its secret."""
        auth = httpx.BasicAuth(str(named(name)), self.secrets[name])
        return await self.integration.client.get(where, params=params or None, auth=auth)

    async def tell(
        self, body: Any, name: str = "Solent", secret: str | None = None, mode: str = STRUCTURED
    ) -> httpx.Response:
        """A trust's systems send an event, or a list of them, by the secret of the trust."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.integration.client.post(
            "/mis/events",
            content=content,
            headers={"Content-Type": BATCHED if isinstance(body, list) else mode},
            auth=httpx.BasicAuth(str(named(name)), secret or self.secrets[name]),
        )

    async def told(self, *events: Any, name: str = "Solent") -> list[str]:
        """What became of each event of a batch."""
        answer = await self.tell(list(events), name)
        assert answer.status_code == 200, answer.text
        return [each["outcome"] for each in answer.json()["events"]]

    async def facts(self, *topics: str) -> list[tuple[str, Any]]:
        """The journal's events of topics, or of what was reported: short type and payload."""
        chosen = topics or ("aspire.mis", "aspire.mis.people")
        rows = await self.integration.journal("topic", "type", "payload")
        return [
            (row["type"].split(".")[3], json.loads(row["payload"]) if row["payload"] else None)
            for row in rows
            if row["topic"] in chosen
        ]


def connection(name: str) -> str:
    return f"/trusts/{named(name)}/connection"


SOURCE = "/mis/solent"


def staff_reported(external_id: str = "E1", **changes: Any) -> dict[str, Any]:
    """The data of a report; `first` and `last` stand for `from` and `to`."""
    data = {
        "external_id": external_id,
        "name": "Zoë Secret",
        "school_urn": 100001,
        "role_code": "HOD",
        "role_title": "Head of department",
        "first": "2026-09-01",
        "work_email": "zoe@secret.example",
    } | changes
    names = {"first": "from", "last": "to"}
    return {names.get(name, name): value for name, value in data.items() if value is not None}


def event(kind: str, data: Any, id: str = "1", **attributes: Any) -> dict[str, Any]:  # noqa: A002
    """A CloudEvent in JSON; an attribute that is None is left out."""
    whole = {
        "specversion": "1.0",
        "type": f"uk.aspire.mis.{kind}",
        "source": SOURCE,
        "id": id,
        "data": data,
    } | attributes
    return {name: value for name, value in whole.items() if value is not None}
