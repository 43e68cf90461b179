"""All processes, from a school's joining to its place in the report, with a kill -9 on the way."""

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from deploy.cli.starting import start
from deploy.embedded.instance import Instance
from deploy.embedded.state import InstanceState
from shared.clock import ProgrammeYear
from shared.web import LocalIssuer
from tests.conftest import eventually
from tests.system.adding_up import add_up, as_reported, facts

REGISTER = (
    '"URN","LA (code)","LA (name)","EstablishmentNumber","EstablishmentName",'
    '"TypeOfEstablishment (name)","EstablishmentStatus (name)","PhaseOfEducation (name)",'
    '"NumberOfPupils","Town","Postcode","GOR (name)"\r\n'
    '"100001","202","Camden","2001","Saint Zoë’s Primary School","Community school","Open",'
    '"Primary","210","London","NW1 1AA","London"\r\n'
    '"100002","202","Camden","2002","Hill Road School","Community school","Open","Primary",'
    '"180","London","NW1 1AB","London"\r\n'
).encode("cp1252")


class Client:
    """A client of the four services, with a token of a role."""

    def __init__(self, instance: Instance, token: str) -> None:
        addresses = instance.addresses()
        self.services = {
            name: httpx.AsyncClient(
                base_url=addresses[name],
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
            )
            for name in instance.services
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


@pytest_asyncio.fixture
async def instance() -> AsyncIterator[Instance]:
    # Not under tmp_path, which other accounts, such as PostgreSQL's, may not enter.
    with TemporaryDirectory(prefix="aspire-story-") as home:
        async with Instance(Path(home)) as running:
            await start(running, lambda _: None)
            yield running


@pytest_asyncio.fixture
async def office(instance: Instance) -> AsyncIterator[Client]:
    token = LocalIssuer(instance.home / "issuer").issue("office", "office@test")
    client = Client(instance, token)
    yield client
    await client.close()


async def test_a_school_joins_learns_and_is_in_the_report(
    instance: Instance, office: Client
) -> None:
    today = datetime.now(UTC).date()
    year = ProgrammeYear.of(today)
    joined = str(year.first_day)
    held_on = str(max(year.first_day, today - timedelta(days=1)))

    imported = await office.post("membership", "/register-imports", REGISTER)
    assert imported["registered"] == 2
    school = (await office.get("membership", "/schools?urn=100001"))["items"][0]
    network = await office.post(
        "membership",
        "/networks",
        {"name": "Camden", "region": "London", "established_on": joined},
    )
    await office.post(
        "membership",
        "/memberships",
        {
            "urn": 100001,
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

    # Whoever is killed is started again, and goes on where it was.
    state = InstanceState.read(instance.home)
    assert state is not None
    [scheduling] = [child for child in state.children if child.name == "scheduling"]
    os.kill(scheduling.pid, signal.SIGKILL)

    async def known() -> Any:
        try:
            seen = await office.get("scheduling", f"/people/{person}")
            member = await office.get("scheduling", f"/schools/{school['school_id']}")
        except httpx.HTTPError:
            return None
        return seen and seen["posts"] and member and member["membership"]

    await eventually(known, within_seconds=60, what="scheduling knows the leader")
    day = await office.post(
        "scheduling",
        "/network-days",
        {
            "title": "Reading well",
            "network_ids": [network["network_id"]],
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
        {"person_id": person, "school_id": school["school_id"]},
    )
    await office.post(
        "scheduling",
        f"/network-days/{day['day_id']}/hold",
        {"register": [{"place_id": booked["place_id"], "attendance": "attended"}]},
    )

    async def credited() -> Any:
        record = await office.get("cpd", f"/people/{person}/record?year={year}")
        return record if record and float(record["hours"]) else None

    record = await eventually(credited, what="the hours are credited")
    assert float(record["hours"]) == 5.5

    async def reported() -> Any:
        report = await office.get("reporting", f"/reports/{year}/schools/{school['school_id']}")
        return report if report and "5.5" in str(report) else None

    await eventually(reported, what="the school's report has the hours")
    national = await office.get("reporting", f"/reports/{year}")
    from_topics = add_up(
        await facts(instance.kafka), str(year.first_day), str(year.last_day), str(today)
    )
    assert as_reported(national) == from_topics
    assert from_topics["leaders"] == {"middle_leader": 1}
    ready = [await office.get(name, "/health/ready") for name in instance.services]
    assert [each["status"] for each in ready] == ["ready"] * 4
