"""Scheduling with a database of its own: membership's events in, HTTP in and out, the journal."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from services.scheduling.effects import effects
from shared.clock import Clock
from shared.events import Event, Received
from shared.events import membership as said
from shared.events.vocabulary import Framework, Pathway, Region, Role
from shared.messaging.connections import acquire
from shared.web import LocalIssuer

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
HELD_ON = date(2026, 11, 20)
JOINED = date(2026, 9, 1)
ENDS = date(2029, 8, 31)


@dataclass
class World:
    """What a test needs of the running service. `people` counts up to make no two alike."""

    pool: asyncpg.Pool
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: Clock
    dsn: str
    sequences: Counter[str] = field(default_factory=Counter)

    async def tell(self, *events: Event) -> None:
        """Membership's events, as the consumer would hand them over."""
        async with acquire(self.pool) as connection, connection.transaction():
            for event in events:
                self.sequences[event.key] += 1
                await take(connection, [received(event, self.sequences[event.key])])

    async def network(self, **changes: Any) -> UUID:
        event = network_established(**changes)
        await self.tell(event)
        return event.network_id

    async def school(self, network_id: UUID | None, **changes: Any) -> UUID:
        """A registered school, in the network if there is one."""
        school_id = uuid4()
        await self.tell(school_registered(school_id))
        if network_id is not None:
            await self.tell(school_joined(school_id, network_id, **changes))
        return school_id

    async def leader(
        self, school_id: UUID, role: Role = Role.MIDDLE_LEADER, **changes: Any
    ) -> UUID:
        person_id = uuid4()
        await self.tell(appointed(person_id, school_id, role, **changes))
        return person_id

    async def leaders(self, school_id: UUID, number: int) -> list[UUID]:
        """Told in one batch."""
        events = [appointed(uuid4(), school_id) for _ in range(number)]
        self.sequences.update(event.key for event in events)
        async with acquire(self.pool) as connection, connection.transaction():
            await take(connection, [received(event, 1) for event in events])
        return [event.person_id for event in events]

    async def adviser(self, network_id: UUID) -> UUID:
        person_id = uuid4()
        await self.tell(
            said.AdviserAssigned(network_id=network_id, person_id=person_id, assigned_on=JOINED)
        )
        return person_id

    async def day(self, *network_ids: UUID, **changes: Any) -> dict[str, Any]:
        """A Network Day that the office has scheduled."""
        day: dict[str, Any] = await self.post(
            "/network-days", day_body(*network_ids, **changes), expect=201
        )
        return day

    async def place(self, day: dict[str, Any], person_id: UUID, school_id: UUID) -> dict[str, Any]:
        body = {"person_id": person_id, "school_id": school_id}
        place: dict[str, Any] = await self.post(
            f"/network-days/{day['day_id']}/places", body, expect=201
        )
        return place

    async def post(
        self, path: str, body: dict[str, Any] | None = None, *, expect: int = 200, **who: Any
    ) -> Any:
        """The answer of a command; the office asks unless `role=` says who."""
        response = await self.client.post(
            path,
            content=json.dumps(body or {}, default=str),
            headers={
                **self.token(**who),
                "Idempotency-Key": str(uuid4()),
                "Content-Type": "application/json",
            },
        )
        assert response.status_code == expect, response.text
        return response.json()

    async def get(self, path: str, *, expect: int = 200, **who: Any) -> Any:
        response = await self.client.get(path, headers=self.token(**who))
        assert response.status_code == expect, response.text
        return response.json()

    async def items(self, path: str, **who: Any) -> list[Any]:
        items: list[Any] = (await self.get(path, **who))["items"]
        return items

    def token(self, role: str = "office", **scope: Any) -> dict[str, str]:
        token = self.issuer.issue(role, f"a-person-in-{role}", **scope)
        return {"Authorization": f"Bearer {token}"}

    async def events(self, key: Any) -> list[tuple[str, dict[str, Any]]]:
        """The journal of a key: each event's short type and payload."""
        rows = await self.pool.fetch(
            "SELECT type, payload FROM event WHERE key = $1 ORDER BY sequence", str(key)
        )
        return [(row["type"].split(".")[-2], json.loads(row["payload"])) for row in rows]

    async def types(self, key: Any) -> list[str]:
        return [name for name, _ in await self.events(key)]


_offsets = count()


def received(event: Event, sequence: int) -> Received[Any]:
    return Received(
        id=uuid4(),
        topic=event.topic.name,
        key=event.key,
        sequence=sequence,
        time=NOW,
        data=event,
        partition=0,
        offset=next(_offsets),
    )


async def take(connection: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
    """Calls the effect of events of one type."""
    effect = effects.of(events[0].data.type)
    assert effect is not None
    await effect(connection, events)


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


def day_body(*network_ids: UUID, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Leading a subject",
        "network_ids": network_ids,
        "date": HELD_ON,
        "venue": "Town Hall, Leeds",
        "places": 20,
        "strand": "leadership",
        "hours": "5",
        **changes,
    }


def register(places: Iterable[dict[str, Any]], attendance: str = "attended") -> dict[str, Any]:
    entries = [{"place_id": place["place_id"], "attendance": attendance} for place in places]
    return {"register": entries}


def network_established(network_id: UUID | None = None, **changes: Any) -> said.NetworkEstablished:
    facts: dict[str, Any] = {
        "network_id": network_id or uuid4(),
        "name": "Aire Valley",
        "region": Region.YORKSHIRE_AND_THE_HUMBER,
        "established_on": date(2024, 9, 1),
    }
    return said.NetworkEstablished(**{**facts, **changes})


def school_registered(school_id: UUID, urn: int = 100_001) -> said.SchoolRegistered:
    details = said.SchoolDetails(urn=urn, name="Oakfield Primary School")
    return said.SchoolRegistered(school_id=school_id, details=details)


def school_joined(school_id: UUID, network_id: UUID, **changes: Any) -> said.SchoolJoined:
    facts: dict[str, Any] = {
        "school_id": school_id,
        "membership_id": uuid4(),
        "network_id": network_id,
        "pathway": Pathway.PARTNER_SCHOOLS,
        "joined_on": JOINED,
        "ends_on": ENDS,
        "starting_point": said.StartingPoint(framework=Framework.NOT_INSPECTED),
    }
    return said.SchoolJoined(**{**facts, **changes})


def appointed(
    person_id: UUID, school_id: UUID, role: Role = Role.MIDDLE_LEADER, **changes: Any
) -> said.LeaderAppointed:
    facts: dict[str, Any] = {
        "person_id": person_id,
        "post_id": uuid4(),
        "school_id": school_id,
        "role": role,
        "appointed_on": date(2020, 9, 1),
    }
    return said.LeaderAppointed(**{**facts, **changes})
