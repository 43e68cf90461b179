"""What the others have said to cpd, and somebody who asks it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx

from services.cpd.effects import effects
from shared.events import Caused, Event, Received, membership, scheduling
from shared.events.vocabulary import Attendance, Role, Strand
from shared.messaging.connections import acquire
from shared.messaging.journal import append, identified
from shared.web import LocalIssuer
from tests.conftest import Started

_IDS = UUID("c0d00000-0000-4000-8000-000000000000")
HELD_ON = date(2026, 10, 8)


def named(name: str) -> UUID:
    return uuid5(_IDS, name)


def received(number: int, sequence: int, event: Event) -> Received[Any]:
    return Received(
        id=uuid5(_IDS, f"event {number}"),
        topic=event.topic.name,
        key=event.key,
        sequence=sequence,
        time=datetime(2026, 11, 1, tzinfo=UTC),
        data=event,
        partition=0,
        offset=number,
    )


async def take_in(connection: asyncpg.Connection, events: Sequence[Received[Any]]) -> list[Caused]:
    """Calls the effect of each event, one after the other; what they cause is in the journal."""
    caused: list[Caused] = []
    for event in events:
        effect = effects.of(event.data.type)
        if effect is not None:
            caused += await effect(connection, [event]) or []
    await append(connection, identified(caused), "effect")
    return caused


def held(
    day: str = "day", *register: tuple[str, Attendance], hours: str = "5.5"
) -> scheduling.NetworkDayHeld:
    return scheduling.NetworkDayHeld(
        day_id=named(day),
        network_ids=(named("network"),),
        date=HELD_ON,
        strand=Strand.LEADERSHIP,
        hours=Decimal(hours),
        entries=tuple(
            scheduling.RegisterEntry(
                place_id=named(f"{person} on {day}"),
                person_id=named(person),
                school_id=named("Ash"),
                role=Role.MIDDLE_LEADER,
                attendance=attendance,
            )
            for person, attendance in register
        ),
    )


def corrected(
    person: str, was: Attendance, attendance: Attendance, day: str = "day"
) -> scheduling.AttendanceCorrected:
    return scheduling.AttendanceCorrected(
        day_id=named(day),
        date=HELD_ON,
        strand=Strand.LEADERSHIP,
        hours=Decimal("5.5"),
        place_id=named(f"{person} on {day}"),
        person_id=named(person),
        school_id=named("Ash"),
        role=Role.MIDDLE_LEADER,
        was=was,
        attendance=attendance,
    )


def delivered(
    *people: str, day: str = "visit", hours: str = "2", event: type[Event] | None = None
) -> Any:
    return (event or scheduling.DevelopmentDayDelivered).model_validate(
        {
            "day_id": named(day),
            "school_id": named("Ash"),
            "network_id": named("network"),
            "adviser_id": named("adviser"),
            "date": HELD_ON,
            "strand": Strand.LEARNING_ENVIRONMENT,
            "hours": Decimal(hours),
            "participants": [
                {"person_id": named(person), "role": Role.MIDDLE_LEADER} for person in people
            ],
        }
    )


def appointed(person: str, school: str = "Ash") -> membership.LeaderAppointed:
    return membership.LeaderAppointed(
        person_id=named(person),
        post_id=named(f"{person} at {school}"),
        school_id=named(school),
        role=Role.MIDDLE_LEADER,
        appointed_on=date(2026, 9, 1),
    )


def left(person: str, day: date, school: str = "Ash") -> membership.LeaderLeft:
    return membership.LeaderLeft(
        person_id=named(person),
        post_id=named(f"{person} at {school}"),
        school_id=named(school),
        left_on=day,
    )


def merged(stays: str, merged_person: str) -> membership.PeopleMerged:
    return membership.PeopleMerged(person_id=named(stays), merged_person_id=named(merged_person))


@dataclass
class World:
    """Cpd, and what has been said to it."""

    cpd: Started
    issuer: LocalIssuer
    _said: int = 0
    _sequences: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def say(self, *events: Event) -> list[Event]:
        """Events happen elsewhere, and take effect here; answers what they cause."""
        arrived = []
        for event in events:
            self._said += 1
            self._sequences[event.key] += 1
            arrived.append(received(self._said, self._sequences[event.key], event))
        async with acquire(self.cpd.pool) as connection, connection.transaction():
            return [each.event for each in await take_in(connection, arrived)]

    def _headers(self, role: str, **scope: Any) -> dict[str, str]:
        token = self.issuer.issue(role, f"a {role}", **scope)
        return {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, role: str = "office", **scope: Any) -> httpx.Response:
        return await self.cpd.client.get(path, headers=self._headers(role, **scope))

    async def post(
        self, path: str, body: Any = None, role: str = "office", **scope: Any
    ) -> httpx.Response:
        headers = self._headers(role, **scope) | {"Idempotency-Key": str(uuid4())}
        return await self.cpd.client.post(path, json=body or {}, headers=headers)

    async def record(self, person: str, query: str = "") -> Any:
        answer = await self.get(f"/people/{named(person)}/record{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()
