"""Over Kafka: a trust is connected and reports somebody, membership appoints them, and the trust's
feed has it."""

import json
from typing import Any, Final
from uuid import UUID

import httpx

from services.integration.api.reading import STRUCTURED
from services.integration.domain.telling import Told
from services.integration.store import feed
from shared.clock import FixedClock
from shared.events.membership import LeaderAppointed
from shared.messaging.connections import acquire
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.world import NOW, event, staff_reported
from tests.service.membership.office import Office

APPOINTED: Final = [LeaderAppointed.type]


async def test_whom_a_trust_reports_is_appointed(
    start: Start, issuer: LocalIssuer, topics: list[str]
) -> None:
    clock = FixedClock(NOW)
    async with (
        start("membership", clock=clock) as membership,
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

        report = event("StaffReported.v1", staff_reported(first="2026-09-07"))
        answer = await integration.client.post(
            "/mis/events",
            content=json.dumps(report),
            headers={"Content-Type": STRUCTURED},
            auth=httpx.BasicAuth(trust["group_id"], secret),
        )
        assert answer.status_code == 200, answer.text

        async def appointed() -> Any:
            found = (await office.look("/reported-posts"))["items"]
            return [each for each in found if each["outcome"] == "appointed"]

        [post] = await eventually(appointed, what="membership has appointed the new person")
        person = await office.look(f"/people/{post['person_id']}")
        assert person["name"] == "Zoë Secret"
        assert [each["appointed_on"] for each in person["posts"]] == ["2026-09-07"]

        async def told() -> list[Told]:
            async with acquire(integration.pool) as connection:
                return await feed.after(connection, UUID(trust["group_id"]), 0, 100, APPOINTED)

        [appointment] = await eventually(told, what="the trust's feed has the appointment")
        assert appointment.data["person_id"] == post["person_id"]
