"""A rush of schools that join and leave, and what the journal says of it in the end."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import asyncpg

from tests.service.crowd import Crowd
from tests.service.membership.office import GOOD

JOINS, LEAVES, CORRECTIONS = "SchoolJoined", "SchoolLeft", "MembershipCorrected"


@dataclass
class JoiningRush:
    """Joins, departures and withdrawn mistakes of a few schools in a few networks."""

    pool: asyncpg.Pool
    crowd: Crowd
    schools: Sequence[str]
    networks: Sequence[str]
    memberships: list[str] = field(default_factory=list)
    acknowledged: Counter[str] = field(default_factory=Counter)

    async def join(self, school: int, network: int, joined_on: str, copies: int = 1) -> None:
        body = {
            "school_id": self.schools[school % len(self.schools)],
            "network_id": self.networks[network % len(self.networks)],
            "pathway": "partner_schools",
            "joined_on": joined_on,
            "starting_point": GOOD,
        }
        status, answer = await self.crowd.send("/memberships", body, copies)
        assert status in (201, 409), answer
        if status == 201:
            self.acknowledged[JOINS] += 1
            self.memberships.append(answer["membership_id"])

    async def leave(self, membership: int, left_on: str, copies: int = 1) -> None:
        body = {"left_on": left_on, "reason": "other"}
        await self._change(LEAVES, membership, "leave", body, copies)

    async def withdraw(self, membership: int, copies: int = 1) -> None:
        """It should never have been recorded."""
        body = {"wrong": ["void"], "void": True}
        await self._change(CORRECTIONS, membership, "correction", body, copies)

    async def check(self) -> None:
        """No school was ever in the programme twice, by its events in their order; and what was
        acknowledged happened once, and nothing else did."""
        periods: dict[str, dict[str, tuple[str, str]]] = {each: {} for each in self.schools}
        happened = Counter[str]()
        for name, body in await self._events():
            of_school = periods[body["school_id"]]
            happened[name] += 1
            match name:
                case "SchoolJoined":
                    joined = (body["joined_on"], str(date.max))
                    assert not any(_overlap(joined, other) for other in of_school.values()), "twice"
                    of_school[body["membership_id"]] = joined
                case "SchoolLeft":
                    begin, _ = of_school[body["membership_id"]]
                    of_school[body["membership_id"]] = (begin, body["left_on"])
                case "MembershipCorrected":
                    del of_school[body["membership_id"]]
        assert happened == +self.acknowledged
        open_ones = await self.pool.fetch(
            "SELECT membership_id FROM membership WHERE ended_on IS NULL AND NOT void"
        )
        assert {str(row["membership_id"]) for row in open_ones} == {
            membership_id
            for of_school in periods.values()
            for membership_id, (_, end) in of_school.items()
            if end == str(date.max)
        }

    async def _change(
        self, event: str, membership: int, act: str, body: dict[str, Any], copies: int
    ) -> None:
        if not self.memberships:
            return
        path = f"/memberships/{self.memberships[membership % len(self.memberships)]}/{act}"
        status, answer = await self.crowd.send(path, body, copies)
        assert status in (200, 409, 422), answer
        self.acknowledged[event] += status == 200

    async def _events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.pool.fetch(
            """
            SELECT split_part(type, '.', 4) AS name, payload
              FROM event
             WHERE key = ANY ($1)
               AND split_part(type, '.', 4) = ANY ($2)
             ORDER BY key, sequence
            """,
            self.schools,
            [JOINS, LEAVES, CORRECTIONS],
        )
        return [(row["name"], json.loads(row["payload"])) for row in rows]


def _overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
