"""A trust's feed on a topic of its own: all of it, in its order, once, and nobody else's."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.integration.sending import carrier
from shared.clock import FixedClock
from shared.events import membership as said
from shared.events.topics import TO_TRUSTS, TO_TRUSTS_CONFIG
from shared.messaging import cluster, security
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.world import World, connection, joined, named, school, trust

TRUSTS = "Solent", "Downs"


def topic(settings: Settings, name: str) -> str:
    return f"{settings.topic_prefix}{TO_TRUSTS}{named(name)}"


async def make(settings: Settings) -> None:
    wanted = {f"{TO_TRUSTS}{named(name)}": (1, TO_TRUSTS_CONFIG) for name in TRUSTS}
    await cluster.create(settings, wanted)


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(carrier, "TOPICS_SECONDS", 0.2)
    monkeypatch.setattr(carrier, "ASIDE_SECONDS", 0.2)


@pytest_asyncio.fixture
async def world(
    start: Start, issuer: LocalIssuer, clock: FixedClock, topics: list[str], settings: Settings
) -> AsyncIterator[World]:
    """Two trusts with topics, of which Solent is connected."""
    await make(settings)
    async with start("integration", parts=("api", "consumer"), clock=clock) as started:
        found = World(started, issuer)
        await found.say(
            trust("Solent"), trust("Downs"), joined("Solent", "Ash"), joined("Downs", "Elm"),
            school("Ash", 100001), school("Elm", 100002),
        )  # fmt: skip
        await found.connected("Solent")
        yield found


async def read(settings: Settings, name: str = "Solent") -> list[dict[str, Any]]:
    """All that is on a trust's topic."""
    partition = TopicPartition(topic(settings, name), 0)
    async with AIOKafkaConsumer(**security.options(settings)) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[dict[str, Any]] = []
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(timeout_ms=500)).get(partition, []):
                event = json.loads(record.value)
                assert record.key.decode() == event["partitionkey"]
                assert dict(record.headers)["content-type"].startswith(b"application/cloudevents")
                found.append(event)
    return found


async def carried(settings: Settings, number: int, name: str = "Solent") -> list[str]:
    """The ids on a topic, once there are so many."""

    async def enough() -> list[str]:
        ids = [event["id"] for event in await read(settings, name)]
        return ids if len(ids) >= number else []

    ids: list[str] = await eventually(enough, what=f"{number} events on the topic of {name}")
    return ids


async def feed_of(world: World, name: str = "Solent") -> list[str]:
    rows = await world.integration.pool.fetch(
        "SELECT t.id::text FROM feed AS f JOIN told AS t ON t.position = f.told"
        " WHERE f.trust_id = $1 ORDER BY f.position", named(name)
    )  # fmt: skip
    return [row["id"] for row in rows]


def renamed(name: str) -> said.SchoolDetailsChanged:
    details = said.SchoolDetails(urn=100001, name=name)
    return said.SchoolDetailsChanged(school_id=named("Ash"), details=details)


async def test_the_topic_has_the_feed_and_goes_on_where_it_ends(
    world: World, settings: Settings, start: Start, issuer: LocalIssuer, clock: FixedClock
) -> None:
    """Also where another replica, or the next process, goes on."""
    assert await carried(settings, 3) == await feed_of(world)
    parts: dict[str, Any] = {"parts": ("consumer",), "clock": clock}
    async with start("integration", dsn=world.integration.dsn, **parts):
        for number in range(5):
            await world.say(renamed(f"Ash {number}"))
            await carried(settings, 4 + number)
    assert await carried(settings, 8) == await feed_of(world)


async def test_a_trust_has_its_own_and_only_while_it_is_connected(
    world: World, settings: Settings
) -> None:
    await carried(settings, 3)
    assert await read(settings, "Downs") == []
    await world.connected("Downs")
    ids = await carried(settings, 3, "Downs")
    assert ids == await feed_of(world, "Downs")
    assert not set(ids) & set(await feed_of(world))
    await world.office("POST", f"{connection('Downs')}/revocation")
    await world.say(said.SchoolClosed(school_id=named("Elm"), closed_on=date(2026, 11, 1)))
    await world.say(renamed("Ash"))
    await carried(settings, 4)
    assert len(await read(settings, "Downs")) == 3


async def test_a_topic_that_was_lost_is_filled_anew(world: World, settings: Settings) -> None:
    await carried(settings, 3)
    admin = AIOKafkaAdminClient(**security.options(settings))
    await admin.start()
    try:
        await admin.delete_topics([topic(settings, "Solent")])
    finally:
        await admin.close()

    async def gone() -> bool:
        return topic(settings, "Solent") not in await cluster.names(settings)

    await eventually(gone)
    await make(settings)
    await world.say(renamed("Ash"))
    assert await carried(settings, 4) == await feed_of(world)


async def test_a_topic_that_holds_something_else_holds_up_no_other(
    world: World, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await carried(settings, 3)
    async with AIOKafkaProducer(**security.options(settings)) as producer:
        await producer.send_and_wait(topic(settings, "Downs"), b"{}", partition=0)
    await world.connected("Downs")

    async def said() -> bool:
        return "which the trust's feed does not have" in caplog.text

    await eventually(said)
    await world.say(renamed("Ash"))
    await carried(settings, 4)
