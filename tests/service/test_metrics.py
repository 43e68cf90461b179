"""Every metric of the signal matrix appears after real requests to real services, and neither it
nor a line of their logs says anything about a person."""

import asyncio
import json
import tomllib
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from shared.messaging.records import Outgoing
from shared.service import SERVICES, load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Database, eventually
from tests.service.membership.office import Office
from tests.service.processes import Process, process

MATRIX = Path(__file__).parents[2] / "docs" / "signals.toml"
TRACE = "ab" * 16
PERSONAL = ("zoe", "Zoë", "Secret", "@", "Bearer", "eyJ")
READING = ("scheduling", "cpd", "reporting", "integration")
Series = dict[str, dict[frozenset[tuple[str, str]], float]]


@pytest.mark.timeout(240)
async def test_every_metric_appears_and_nothing_personal_does(
    settings: Settings, topics: list[str], database: Database, issuer: LocalIssuer
) -> None:
    settings = settings.model_copy(update={"figures_seconds": 0.2})
    async with AsyncExitStack() as stack:
        databases = {name: await database(name) for name in SERVICES}
        started = await asyncio.gather(
            *(
                stack.enter_async_context(process(name, dsn, settings))
                for name, dsn in databases.items()
            )
        )
        services = dict(zip(databases, started, strict=True))
        pool = await stack.enter_async_context(asyncpg.create_pool(databases["membership"]))
        await drive(services, Office(pool, services["membership"].client, issuer))
        parked = await send_bad_records(settings)
        assert not await still_lacking(services, within_seconds=40)
        await assert_that_odd_requests_make_no_series(services["reporting"].client)
        texts = [(await each.client.get("/metrics")).text for each in started]
    for name, text in zip(services, texts, strict=True):
        working = series(text)["aspire_part_working"]
        assert {dict(of)["aspire_part"] for of in working} == set(load(name).parts)
    logs = "".join(line for each in started for line in each.log)
    for word in PERSONAL:
        assert word not in logs
        assert not [line for text in texts for line in text.splitlines() if word in line]
    lines = [json.loads(line) for line in logs.splitlines()]
    about = [line for line in lines if line.get("event_id") == str(parked)]
    assert {(line["service"], line["trace_id"]) for line in about} == {
        (service, TRACE) for service in READING
    }


async def drive(services: dict[str, Process], office: Office) -> None:
    """A person is appointed; a day is planned, learning entered and a trust connected, once that
    is known there."""
    london = {"name": "Camden", "region": "London", "established_on": "2026-01-01"}
    network = await until_created(office.client, "/networks", london, office)
    school = await office.school()
    person = await office.person(school, name="Zoë Secret")
    day = {
        "title": "Leading a subject", "network_ids": [network["network_id"]],
        "date": "2027-01-20", "venue": "Town Hall", "places": 20, "strand": "leadership",
        "hours": "5",
    }  # fmt: skip
    own = {"hours": "1.5", "strand": "leadership", "earned_on": "2026-10-01"}
    path = f"/people/{person['person_id']}/own-records"
    await until_created(services["scheduling"].client, "/network-days", day, office)
    await until_created(services["cpd"].client, path, own, office)
    trust = await office.do("/groups", {"name": "Solent Trust", "kind": "trust"})
    connection = f"/trusts/{trust['group_id']}/connection"
    made = await until_created(services["integration"].client, connection, {}, office)
    told = {"specversion": "1.0", "source": "/mis", "id": "1", "data": {"name": "Zoë Secret"},
            "type": "uk.aspire.mis.StaffReported.v1"}  # fmt: skip
    refused = await services["integration"].client.post(
        "/mis/events",
        json=told,
        headers={"Content-Type": "application/cloudevents+json"},
        auth=(trust["group_id"], made["secret"]),
    )
    assert refused.status_code == 422
    await office.do(
        f"/groups/{trust['group_id']}/schools",
        {"school_id": school["school_id"], "joined_on": "2026-09-01"},
    )
    told["data"] = {"external_id": "E1", "name": "Zoë Secret", "school_urn": 100001,
                    "role_code": "HOD", "from": "2026-09-01"}  # fmt: skip

    async def taken() -> bool:
        answer = await services["integration"].client.post(
            "/mis/events",
            json=told,
            headers={"Content-Type": "application/cloudevents+json"},
            auth=(trust["group_id"], made["secret"]),
        )
        return answer.status_code == 200

    webhook = {"url": "https://receiver.invalid/", "start": "beginning"}
    registered = await services["integration"].client.post(
        "/mis/webhooks",
        json=webhook,
        headers={"Idempotency-Key": uuid4().hex},
        auth=(trust["group_id"], made["secret"]),
    )
    assert registered.status_code == 201
    await eventually(taken, what="the report is taken once the school is known to be the trust's")
    for each in services.values():
        await ask_oddly(each.client, office)


async def until_created(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], office: Office
) -> dict[str, Any]:
    """A service takes commands once its relay has compared the journal with the topics."""

    async def created() -> httpx.Response | None:
        headers = {"Authorization": f"Bearer {office.token()}", "Idempotency-Key": uuid4().hex}
        answer = await client.post(path, json=body, headers=headers)
        return answer if answer.status_code == 201 else None

    answer: httpx.Response = await eventually(created, within_seconds=60, what=path)
    return dict(answer.json())


async def ask_oddly(client: httpx.AsyncClient, office: Office) -> None:
    """What a careless or ill-meaning client puts where labels and log lines are made of."""
    given = {"Authorization": f"Bearer {office.token()}"}
    for path in (
        "/schools?name=zoe@secret.example",
        "/people",
        "/reports/2026-27",
        "/openapi.json",
    ):
        await client.get(path, headers=given)
    await client.get("/people/zoe@secret.example", headers=given | {"Host": "zoe.secret.example"})
    await client.get("/zoe", headers={"Authorization": "Bearer eyJzZWNyZXQ.zoe.x"})
    await client.request("ZOE", "/Secret", headers={"User-Agent": "Zoe@secret.example"})
    await client.post("/people", json={"email": "zoe@secret.example"}, headers=given)
    await client.get("/people", headers=given | {"traceparent": "zoe@secret.example"})


async def assert_that_odd_requests_make_no_series(client: httpx.AsyncClient) -> None:
    """The SDK limits no cardinality, so labels may have no values but those that we know."""
    counted = "http_server_request_duration_seconds"

    async def requests() -> tuple[int, float]:
        found = series((await client.get("/metrics")).text)[counted]
        return len(found), sum(found.values())

    async def ask(number: int) -> None:
        host = {"Host": f"host-{number}.example", "X-Forwarded-Proto": f"https{number}"}
        await client.request(f"ODD{number}", f"/odd-{number}?odd={number}", headers=host)

    await ask(0)
    kinds, many = await requests()
    for number in range(1, 51):
        await ask(number)
    assert await requests() == (kinds, many + 50)


async def send_bad_records(settings: Settings) -> UUID:
    """One that nobody can read, and one whose predecessor is missing; answers the former's id."""
    unreadable, early = [
        Outgoing(
            position=0, id=uuid4(), topic="aspire.membership", key=str(uuid4()), sequence=sequence,
            type="uk.aspire.membership.SchoolJoinedGroup.v1",
            payload='{"name": "zoe@secret.example"}', recorded_at=datetime.now(UTC),
            traceparent=f"00-{TRACE}-{'12' * 8}-00",
        )
        for sequence in (1, 7)
    ]  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    for each in (unreadable, early):
        key = each.key.encode()
        await producer.send_and_wait(
            settings.topic_prefix + each.topic, each.value, key=key, headers=each.headers(key)
        )
    await producer.stop()
    return unreadable.id


async def still_lacking(
    services: dict[str, Process], within_seconds: float
) -> list[tuple[str, str, list[str]]]:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            while await lacking(services):
                await asyncio.sleep(0.5)
    return await lacking(services)


async def lacking(services: dict[str, Process]) -> list[tuple[str, str, list[str]]]:
    """What the matrix says and is not there: service, metric and the labels that it has instead."""
    found = {name: series((await of.client.get("/metrics")).text) for name, of in services.items()}
    lacks = []
    matrix = tomllib.loads(MATRIX.read_text())["metric"]
    for name in {name for of in found.values() for name in of}:
        assert name in {"target_info", *(metric["prometheus"] for metric in matrix)}
    for metric in matrix:
        wanted = {label.replace(".", "_") for label in metric["labels"]}
        for service in metric["services"] if "appears" not in metric else ():
            labels = [{name for name, _ in of} for of in found[service][metric["prometheus"]]]
            if wanted not in labels or not all(each <= wanted | {"error_type"} for each in labels):
                lacks.append((service, metric["prometheus"], [" ".join(each) for each in labels]))
    for service in READING:
        wanted_sums = {"parked_events": 1, "set_aside_events": 1, "consumer_lag_events": 0}
        sums = {name: sum(found[service][f"aspire_{name}"].values()) for name in wanted_sums}
        if sums != wanted_sums:
            lacks.append((service, f"{sums}", []))
    return lacks


def series(text: str) -> Series:
    """The values of an exposition by metric and labels; of a histogram, how much it counted."""
    found: Series = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert family.name == "target" or labels.pop("service_name").startswith("aspire-")
            if not sample.name.endswith(("_bucket", "_sum")):
                found[sample.name.removesuffix("_count") if family.type == "histogram"
                      else sample.name][frozenset(labels.items())] = sample.value  # fmt: skip
    return found
