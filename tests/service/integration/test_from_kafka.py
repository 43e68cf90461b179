"""What membership publishes arrives over Kafka, and a trust is connected with it."""

from typing import Any

import httpx

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.world import NOW
from tests.service.membership.office import Office


async def test_a_trust_of_membership_is_connected_and_told_on_kafka(
    start: Start, issuer: LocalIssuer, topics: list[str]
) -> None:
    clock = FixedClock(NOW)
    async with (
        start("membership", parts=("api", "relay"), clock=clock) as membership,
        start("integration", clock=clock) as integration,
    ):
        office = Office(membership.pool, membership.client, issuer)
        school = await office.school(100001)
        trust = await office.do("/groups", {"name": "Solent Trust", "kind": "trust"})
        path = f"/groups/{trust['group_id']}/schools"
        await office.do(path, {"school_id": school["school_id"], "joined_on": "2026-09-01"})
        here = Office(integration.pool, integration.client, issuer)
        connection = f"/trusts/{trust['group_id']}/connection"

        async def seen() -> Any:
            found = await here.say("GET", connection)
            return found.status_code == 200 and found.json()["schools"]

        assert await eventually(seen) == [{"school_id": school["school_id"], "urn": 100001}]
        secret = (await here.do(connection))["secret"]
        answer = await integration.client.get(
            "/mis/connection", auth=httpx.BasicAuth(trust["group_id"], secret)
        )
        assert answer.json()["name"] == "Solent Trust"

        async def sent() -> bool:
            return not await integration.pool.fetchval("SELECT count(*) FROM outbox")

        await eventually(sent, what="TrustConnected is on Kafka")
