"""One school's way through all processes: from its joining to its place in the report, with a
kill -9 on the way."""

import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from shared.clock import ProgrammeYear
from shared.messaging import security
from shared.web.asking import asking
from tests.conftest import eventually
from tests.system.adding_up import add_up, as_reported, facts
from tests.system.commands import Aspire

REGISTER = (
    '"URN","LA (code)","LA (name)","EstablishmentNumber","EstablishmentName",'
    '"TypeOfEstablishment (name)","EstablishmentStatus (name)","PhaseOfEducation (name)",'
    '"NumberOfPupils","Town","Postcode","GOR (name)"\r\n'
    '"199991","202","Camden","9001","Saint Zoë’s Primary School","Community school","Open",'
    '"Primary","210","London","NW1 1AA","London"\r\n'
    '"199992","202","Camden","9002","Hill Road School","Community school","Open","Primary",'
    '"180","London","NW1 1AB","London"\r\n'
).encode("cp1252")


class Client:
    """A client of the four services, with a token of a role."""

    def __init__(self, addresses: Mapping[str, str], token: str) -> None:
        self.services = {
            name: httpx.AsyncClient(
                base_url=address,
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
            )
            for name, address in addresses.items()
        }

    async def post(self, service: str, path: str, body: Any) -> Any:
        headers = {"Idempotency-Key": str(uuid4())}
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await self.services[service].post(path, headers=headers, **content)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def get(self, service: str, path: str) -> Any:
        answer = await self.services[service].get(path)
        return answer.json() if answer.is_success else None

    async def close(self) -> None:
        for client in self.services.values():
            await client.aclose()


async def follow(aspire: Aspire) -> None:
    """On the platform that `aspire up` runs. Everything that is on its topics has to be of ours."""
    status = aspire.json("status")
    addresses = {name: each["address"] for name, each in status["services"].items()}
    office = Client(addresses, aspire("token", "--role", "office").stdout.strip())
    try:
        await _follow(office, status, security.options(aspire.state.kafka_settings))
    finally:
        await office.close()


async def _follow(office: Client, status: Any, kafka: Mapping[str, Any]) -> None:
    today = datetime.now(UTC).date()
    year = ProgrammeYear.of(today)
    school, network, person = await _joins(office, str(year.first_day))
    # Whoever is killed is started again, and goes on where it was.
    os.kill(status["services"]["scheduling"]["pid"], signal.SIGKILL)
    held_on = str(max(year.first_day, today - timedelta(days=1)))
    await _learns(office, school, network, person, held_on)

    async def credited() -> Any:
        record = await office.get("cpd", f"/people/{person}/record?year={year}")
        return record if record and float(record["hours"]) else None

    record = await eventually(credited, what="the hours are credited")
    assert float(record["hours"]) == 5.5

    async def reported() -> Any:
        report = await office.get("reporting", f"/reports/{year}/schools/{school}")
        return report if report and "5.5" in str(report) else None

    await eventually(reported, what="the school's report has the hours")
    national = await office.get("reporting", f"/reports/{year}")
    from_topics = add_up(await facts(kafka), str(year.first_day), str(year.last_day), str(today))
    assert as_reported(national) == from_topics
    assert from_topics["leaders"] == {"middle_leader": 1}
    ready = [await office.get(name, "/health/ready") for name in office.services]
    assert {each["status"] for each in ready} == {"ready"}


async def _joins(office: Client, joined: str) -> tuple[str, str, str]:
    """The school with its leader, in a network; answers the ids of school, network and leader."""
    imported = await office.post("membership", "/register-imports", REGISTER)
    assert imported["registered"] == 2
    school = (await office.get("membership", "/schools?urn=199991"))["items"][0]
    network = await office.post(
        "membership",
        "/networks",
        {"name": "Haringey", "region": "London", "established_on": joined},
    )
    await office.post(
        "membership",
        "/memberships",
        {
            "urn": 199991,
            "network_id": network["network_id"],
            "pathway": "partner_schools",
            "joined_on": joined,
            "starting_point": {"framework": "overall_grade", "judgement": "good"},
        },
    )
    leader = await office.post(
        "membership", "/people", {"name": "Ada Reader", "email": "ada@school.example"}
    )
    person, place = leader["person_id"], f"/people/{leader['person_id']}/posts"
    await office.post(
        "membership",
        place,
        {"school_id": school["school_id"], "role": "middle_leader", "appointed_on": joined},
    )
    return school["school_id"], network["network_id"], person


async def _learns(office: Client, school: str, network: str, person: str, held_on: str) -> None:
    """The leader attends a Network Day, once scheduling knows who and where that is."""

    async def known() -> Any:
        try:
            with asking():
                seen = await office.get("scheduling", f"/people/{person}")
                member = await office.get("scheduling", f"/schools/{school}")
        except httpx.HTTPError:
            return None
        return seen and seen["posts"] and member and member["membership"]

    await eventually(known, within_seconds=60, what="scheduling knows the leader")
    day = await office.post(
        "scheduling",
        "/network-days",
        {
            "title": "Reading well",
            "network_ids": [network],
            "date": held_on,
            "venue": "Town Hall",
            "places": 1,
            "strand": "leadership",
            "hours": "5.5",
        },
    )
    booked = await office.post(
        "scheduling",
        f"/network-days/{day['day_id']}/places",
        {"person_id": person, "school_id": school},
    )
    await office.post(
        "scheduling",
        f"/network-days/{day['day_id']}/hold",
        {"register": [{"place_id": booked["place_id"], "attendance": "attended"}]},
    )
