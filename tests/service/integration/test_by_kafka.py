"""A trust writes to its own topic on Kafka, and its events are taken as those of requests are."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from services.integration.api.reading import STRUCTURED
from shared.clock import FixedClock
from shared.events.topics import FROM_TRUSTS, FROM_TRUSTS_CONFIG
from shared.messaging import cluster, security
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.world import (
    World,
    connection,
    event,
    joined,
    named,
    school,
    staff_reported,
    trust,
)  # fmt: skip

Headers = list[tuple[str, bytes]]
IN_JSON: Final[Headers] = [("content-type", STRUCTURED.encode())]


class Writer:
    """A trust's systems, which write to its topic."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, name: str) -> None:
        self.topic = f"{settings.topic_prefix}{FROM_TRUSTS}{named(name)}"
        self._producer = producer

    async def write(self, value: bytes | Any, headers: Headers = IN_JSON) -> int:
        """The offset that it has."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        sent = await self._producer.send_and_wait(self.topic, content, headers=headers)
        return int(sent.offset)


def report(number: int, **changes: Any) -> dict[str, Any]:
    names = {"name": f"Person {number}", "work_email": None} | changes
    return event("StaffReported.v1", staff_reported(f"E{number}", **names), id=str(number))


@pytest_asyncio.fixture
async def writers(settings: Settings) -> AsyncIterator[dict[str, Writer]]:
    """Of two trusts, whose topics are there."""
    names = "Solent", "Test Valley"
    wanted = {f"{FROM_TRUSTS}{named(name)}": (1, FROM_TRUSTS_CONFIG) for name in names}
    await cluster.create(settings, wanted)
    async with AIOKafkaProducer(**security.options(settings)) as producer:
        yield {name: Writer(settings, producer, name) for name in names}


@pytest_asyncio.fixture
async def world(
    start: Start, issuer: LocalIssuer, clock: FixedClock, topics: list[str]
) -> AsyncIterator[World]:
    """Solent is connected, and Test Valley is not."""
    async with start("integration", parts=("api", "consumer"), clock=clock) as started:
        found = World(started, issuer)
        await found.say(
            trust("Solent"), trust("Test Valley"), school("Avon", 100001), school("Itchen", 100002),
            joined("Solent", "Avon"), joined("Test Valley", "Itchen"),
        )  # fmt: skip
        await found.connected("Solent")
        yield found


async def reported(world: World, count: int) -> list[str]:
    """Whom the journal says were reported, in their order, as soon as there are so many."""

    async def found() -> list[str]:
        facts = await world.facts("aspire.mis")
        return [data["external_id"] for _, data in facts] if len(facts) >= count else []

    who: list[str] = await eventually(found)
    return who


async def refusals(world: World, count: int, name: str = "Solent") -> list[Any]:
    """What the trust reads of what was refused, the newest first."""

    async def found() -> list[Any]:
        answer = await world.integration.client.get(
            "/mis/refusals", auth=httpx.BasicAuth(str(named(name)), world.secrets[name])
        )
        assert answer.status_code == 200, answer.text
        said: list[Any] = answer.json()["refusals"]
        return said if len(said) >= count else []

    answered: list[Any] = await eventually(found)
    return answered


async def test_what_a_trust_writes_is_taken_once_in_both_modes(
    world: World, writers: dict[str, Writer]
) -> None:
    solent = writers["Solent"]
    assert await world.told(report(1)) == ["taken"]
    await solent.write(report(1))  # it came by HTTP
    await solent.write(report(2))
    await solent.write(report(2))
    binary = report(3)
    headers = [(f"ce_{name}", str(value).encode()) for name, value in binary.items()]
    headers = [each for each in headers if each[0] != "ce_data"]
    await solent.write(binary["data"], [*headers, ("content-type", b"application/json")])
    assert await reported(world, 3) == ["E1", "E2", "E3"]
    actors = {row["actor"] for row in await world.integration.journal("actor")}
    assert f"intake:{FROM_TRUSTS}{named('Solent')}" in actors


async def test_what_is_wrong_is_refused_and_the_rest_is_taken(
    world: World, writers: dict[str, Writer]
) -> None:
    solent = writers["Solent"]
    hostile: list[tuple[bytes | Any, Headers]] = [
        (b"{broken", IN_JSON),
        (report(1), []),
        (report(1, school_urn=100002), IN_JSON),
        (report(1) | {"type": "a\x00b"}, IN_JSON),
        (report(1) | {"id": "a\x00b"}, IN_JSON),
        (b"\xff", [("content-type", b"application/json"), ("ce_id", b"\xff")]),
        (report(1, role_title="a\x00b"), IN_JSON),
    ]
    for value, headers in hostile:
        await solent.write(value, headers)
    last = await solent.write(report(2))
    assert await reported(world, 1) == ["E2"]
    found = await refusals(world, len(hostile))
    assert [each["offset"] for each in found] == list(reversed(range(last)))
    assert found[-3]["refusal"]["type"].endswith("/school-is-not-the-trusts")
    assert found[-3]["id"] == "1"
    assert found[-4]["refusal"]["detail"] == "Something in it cannot be kept here."
    assert {each["refusal"]["status"] for each in found} <= {415, 422}


async def test_the_topic_says_whose_an_event_is(world: World, writers: dict[str, Writer]) -> None:
    solent, valley = writers.values()
    await valley.write(report(1))
    await solent.write(report(2))
    assert await reported(world, 1) == ["E2"]
    await world.connected("Test Valley")
    [refusal] = await refusals(world, 1, "Test Valley")
    assert refusal["refusal"]["type"].endswith("/trust-not-connected")
    await valley.write(report(1, school_urn=100002))
    assert await reported(world, 2) == ["E2", "E1"]
    answer = await world.office("POST", f"{connection('Test Valley')}/revocation", {})
    assert answer.status_code == 200, answer.text
    await valley.write(report(3, school_urn=100002))
    await solent.write(report(4))
    assert await reported(world, 3) == ["E2", "E1", "E4"]


async def test_it_goes_on_where_it_was(
    start: Start, world: World, clock: FixedClock, writers: dict[str, Writer]
) -> None:
    solent, pool = writers["Solent"], world.integration.pool
    for number in (1, 2, 3):
        await solent.write(report(number))
    assert await reported(world, 3) == ["E1", "E2", "E3"]
    async with start("integration", clock=clock, dsn=world.integration.dsn, parts=("consumer",)):
        await solent.write(report(4))  # two replicas read it
        assert await reported(world, 4) == ["E1", "E2", "E3", "E4"]
    topic = f"{FROM_TRUSTS}{named('Solent')}"
    assert await pool.fetchval('SELECT "offset" FROM intake_position WHERE topic = $1', topic) == 3


async def test_another_topic_is_read_from_its_beginning_and_one_that_has_gone_on_from_there(
    start: Start, issuer: LocalIssuer, clock: FixedClock, settings: Settings, topics: list[str],
    database: Any, writers: dict[str, Writer],
) -> None:  # fmt: skip
    solent, dsn = writers["Solent"], await database("integration")
    remembered = {"another record": (1, 4), "behind its end": (100, 5), "gone with time": (0, 6)}
    async with start("integration", parts=("api",), clock=clock, dsn=dsn) as started:
        world = World(started, issuer)
        await world.say(trust("Solent"), school("Avon", 100001), joined("Solent", "Avon"))
        await world.connected("Solent")
        for number in (1, 2, 3):
            await solent.write(report(number))
        for why, (offset, number) in remembered.items():
            if why == "gone with time":
                await delete_before(settings, solent.topic, 4)
            await started.pool.execute(
                """
                INSERT INTO intake_position VALUES ($1, $2, gen_random_uuid())
                ON CONFLICT (topic) DO UPDATE SET "offset" = excluded."offset", record_id = NULL
                """,
                f"{FROM_TRUSTS}{named('Solent')}",
                offset,
            )
            async with start("integration", clock=clock, dsn=dsn, parts=("consumer",)):
                await solent.write(report(number))
                who = await reported(world, number)
        assert who == [f"E{number}" for number in range(1, 7)]


async def delete_before(settings: Settings, topic: str, offset: int) -> None:
    """As retention does."""
    admin = AIOKafkaAdminClient(**security.options(settings))
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    await admin.close()
