"""A sandbox as its developer has it, and a real trust's leader."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from shared.events import membership as said
from shared.messaging.connections import acquire
from tests.service.integration.neighbours import feed_all
from tests.service.integration.world import (
    World,
    event,
    named,
    staff_reported,
)

CloudEvent = dict[str, Any]


ZOE = said.PersonProfile(person_id=named("Zoë"), name="Zoë Secret", email="zoe@secret.example")


@dataclass
class Sandbox:
    """As its developer has it."""

    world: World
    made: dict[str, Any]
    secret: str

    @classmethod
    async def make(cls, world: World) -> "Sandbox":
        answer = await world.office("POST", "/sandboxes")
        assert answer.status_code == 201, answer.text
        return cls(world, answer.json()["sandbox"], answer.json()["secret"])

    @property
    def id(self) -> str:
        return str(self.made["trust_id"])

    @property
    def auth(self) -> httpx.BasicAuth:
        return httpx.BasicAuth(self.id, self.secret)

    @property
    def urns(self) -> list[int]:
        return [each["urn"] for each in self.made["schools"]]

    def person(self, name: str) -> dict[str, Any]:
        [found] = [each for each in self.made["people"] if each["name"].startswith(name)]
        return dict(found)

    async def ask(self, where: str) -> httpx.Response:
        return await self.world.integration.client.get(where, auth=self.auth)

    async def post(self, where: str, body: Any) -> httpx.Response:
        return await self.world.integration.client.post(
            where, json=body, auth=self.auth, headers={"Idempotency-Key": uuid4().hex}
        )

    async def send(self, where: str, file: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/zip", "Idempotency-Key": uuid4().hex}
        return await self.world.integration.client.post(
            where, content=file, auth=self.auth, headers=headers
        )

    async def do(self, act: str) -> dict[str, Any]:
        answer = await self.world.office("POST", f"/sandboxes/{self.id}/{act}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tell(self, *events: Any) -> list[Any]:
        """What became of each: the outcome, or why it was refused."""
        answer = await self.world.integration.client.post(
            "/mis/events", content=json.dumps(events), auth=self.auth,
            headers={"Content-Type": "application/cloudevents-batch+json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return [
            each["refusal"]["type"].split("/")[-1] if each["refusal"] else each["outcome"]
            for each in answer.json()["events"]
        ]

    async def report(self, external_id: str = "E1", **changes: Any) -> list[Any]:
        data = staff_reported(external_id, **{"school_urn": self.urns[0]} | changes)
        return await self.tell(event("StaffReported.v1", data, uuid4().hex))

    async def feed(self, after: str | None = None) -> tuple[list[CloudEvent], str]:
        """What is behind the cursor, and the cursor behind that."""
        await fed(self.world)
        where = "/mis/feed?limit=1000" + (f"&after={after}" if after else "")
        answer = await self.ask(where)
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["Feed-Cursor"]


async def fed(world: World) -> None:
    async with acquire(world.integration.pool) as connection:
        await feed_all(connection)


def kind(event: CloudEvent) -> str:
    return str(event["type"].split(".")[3])


def kinds(events: list[CloudEvent]) -> list[str]:
    return [kind(each) for each in events]
