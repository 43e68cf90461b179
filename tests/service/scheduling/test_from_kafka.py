"""What membership publishes arrives over Kafka, and a day is held with it."""

from typing import Any
from uuid import uuid4

import httpx

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.scheduling.world import NOW, World, register


async def test_a_network_a_school_and_a_leader_of_membership_meet_on_a_day(
    start: Start, issuer: LocalIssuer, topics: list[str]
) -> None:
    clock = FixedClock(NOW)
    async with (
        start("membership", parts=("api", "relay"), clock=clock) as membership,
        start("scheduling", clock=clock) as scheduling,
    ):
        office = World(
            membership.pool, membership.client, issuer=issuer, clock=clock, dsn=membership.dsn
        )
        school_id = await imported_school(membership.client, office)
        network = await office.post(
            "/networks",
            {"name": "Solent", "region": "South East", "established_on": "2025-09-01"},
            expect=201,
        )
        network_id = network["network_id"]
        await office.post(
            "/memberships",
            {
                "school_id": school_id,
                "network_id": network_id,
                "pathway": "partner_schools",
                "joined_on": "2026-09-01",
                "starting_point": {"framework": "not_inspected"},
            },
            expect=201,
        )
        post = {"school_id": school_id, "role": "headteacher", "appointed_on": "2026-09-01"}
        person = await office.post("/people", {"name": "Ann Other", "post": post}, expect=201)

        days = World(
            scheduling.pool, scheduling.client, issuer=issuer, clock=clock, dsn=scheduling.dsn
        )

        async def known() -> bool:
            paths = (f"networks/{network_id}", f"people/{person['person_id']}")
            answers = [await days.client.get(f"/{path}", headers=days.token()) for path in paths]
            school = await days.client.get(f"/schools/{school_id}", headers=days.token())
            return all(each.status_code == 200 for each in (*answers, school)) and bool(
                school.json()["membership"]
            )

        await eventually(known, what="scheduling knows the network, the school and the person")
        day = await days.day(network_id)
        place = await days.place(day, person["person_id"], school_id)
        held = await days.post(f"/network-days/{day['day_id']}/hold", register([place]))
        assert held["status"] == "held"


async def imported_school(client: httpx.AsyncClient, office: World) -> Any:
    answer = await client.post(
        "/register-imports",
        content=(
            "URN,LA (code),LA (name),EstablishmentNumber,EstablishmentName,"
            "EstablishmentStatus (name),GOR (name)\n"
            '100123,850,Hampshire,2001,"Oakfield Primary School",Open,South East\n'
        ),
        headers={
            **office.token(),
            "Content-Type": "text/csv",
            "Idempotency-Key": str(uuid4()),
        },
    )
    assert answer.status_code == 200, answer.text
    (school,) = await office.items("/schools?urn=100123")
    return school["school_id"]
