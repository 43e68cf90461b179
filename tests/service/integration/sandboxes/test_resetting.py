"""A sandbox is put back to its first day, or removed, whatever is at work."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.integration.feeder import feed
from services.integration.sending import carrier
from services.integration.sending.courier import deliver
from shared.events.topics import TO_TRUSTS, TO_TRUSTS_CONFIG
from shared.messaging import cluster, security
from shared.messaging.connections import acquire
from shared.settings import Settings
from tests.conftest import eventually
from tests.service.integration.neighbours import feed_all
from tests.service.integration.receivers import at_work, receiver
from tests.service.integration.sandboxes.developer import Sandbox, fed, kinds
from tests.service.integration.world import (
    World,
    event,
)


async def test_a_reset_leaves_nothing_but_the_first_day(world: World) -> None:
    sandbox = await Sandbox.make(world)
    await sandbox.report(trn="1234567")
    await sandbox.tell(
        event("SchoolReported.v1", {"external_id": "S1", "school_urn": sandbox.urns[0]})
    )
    registered = await sandbox.post("/mis/webhooks", {"url": "http://127.0.0.1:9/"})
    assert registered.status_code == 201, registered.text
    await sandbox.do("day")
    before, cursor = await sandbox.feed()
    for _ in range(2):
        assert await sandbox.do("reset") == sandbox.made
    refused = await sandbox.ask(f"/mis/feed?after={cursor}")
    assert (refused.status_code, refused.json()["title"]) == (
        422, "The cursor is not one of this feed",
    )  # fmt: skip
    after, _ = await sandbox.feed()
    assert len(after) == sandbox.made["events"]
    assert not {each["id"] for each in before} & {each["id"] for each in after}
    assert (await sandbox.ask("/mis/webhooks")).json() == []
    assert await sandbox.tell(
        event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-12-31"}, "left")
    ) == ["staff-unknown"]
    assert await sandbox.report() == ["taken"]
    assert kinds((await sandbox.feed())[0])[-2:] == ["StaffMatched", "LeaderAppointed"]


async def test_a_removed_sandbox_leaves_nothing(world: World) -> None:
    before = await rows_of_tables(world)
    sandbox = await Sandbox.make(world)
    await sandbox.report(trn="1234567")
    await sandbox.post("/mis/webhooks", {"url": "http://127.0.0.1:9/"})
    await sandbox.feed()
    listed = (await world.office("GET", "/sandboxes")).json()["sandboxes"]
    assert [each["trust_id"] for each in listed] == [sandbox.id]
    assert (await sandbox.do("removal"))["removed"]
    assert (await sandbox.ask("/mis/feed")).status_code == 401
    assert (await world.office("GET", "/sandboxes")).json() == {"sandboxes": []}
    await fed(world)
    assert await rows_of_tables(world) == before
    facts = await world.facts("aspire.integration")
    assert [name for name, fact in facts if fact["trust_id"] == sandbox.id] == [
        "TrustConnected", "WebhookRegistered", "WebhookRemoved", "TrustRevoked",
    ]  # fmt: skip


async def rows_of_tables(world: World) -> dict[str, int]:
    """How many each has, but for the journal's and the answers that are kept of commands."""
    async with acquire(world.integration.pool) as connection:
        await feed_all(connection)
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = {row["tablename"] for row in rows} - {"event", "outbox", "stream", "idempotency"}
        return {
            name: await connection.fetchval(f'SELECT count(*) FROM "{name}"')  # noqa: S608
            for name in names
        }


@pytest.mark.bad_day
async def test_it_is_reset_while_everything_is_at_work(world: World) -> None:
    sandbox = await Sandbox.make(world)

    async def often(act: Callable[[], Awaitable[Any]]) -> None:
        for _ in range(5):
            await act()

    async def report() -> None:
        assert await sandbox.report(uuid4().hex) == ["taken"]

    async def register() -> None:
        made = await sandbox.post("/mis/webhooks", {"url": found.url, "start": "beginning"})
        assert made.status_code == 201, made.text

    async with receiver() as found, at_work(world, feed, deliver):
        await asyncio.gather(
            *(often(act) for act in (
                report, register, lambda: sandbox.do("day"), lambda: sandbox.do("reset"),
            ))
        )  # fmt: skip
        await sandbox.do("reset")
        await sandbox.do("day")
        await register()
        events, _ = await sandbox.feed()
        ids = {each["id"] for each in events}

        async def all_of_it() -> bool:
            return ids <= set(found.ids)

        await eventually(all_of_it, what="all is sent that has happened since the reset")
    assert len(ids) == len(events) == 77


async def test_a_reset_waits_for_the_feeders_turn_and_for_reports(world: World) -> None:
    """What they have not committed would be left behind."""
    sandbox = await Sandbox.make(world)
    pool = world.integration.pool
    for row, *given in (
        ("UPDATE feeder SET turn = turn + 1",),
        ("SELECT FROM connection WHERE trust_id = $1 FOR NO KEY UPDATE", UUID(sandbox.id)),
    ):
        async with acquire(pool) as working, acquire(pool) as looking:
            async with working.transaction():
                await working.execute(row, *given)
                reset = asyncio.create_task(sandbox.do("reset"))

                async def waits(looking: asyncpg.Connection = looking) -> bool:
                    return bool(await looking.fetchval(WAITS))

                await eventually(waits, what="the reset waits")
                assert not reset.done()
            assert (await reset)["days"] == 1


WAITS = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


async def test_who_waits_for_events_is_told_of_a_reset(world: World) -> None:
    sandbox = await Sandbox.make(world)
    _, cursor = await sandbox.feed()
    waiting = asyncio.create_task(sandbox.ask(f"/mis/feed?wait=20&after={cursor}"))
    await sandbox.do("reset")
    world.integration.running.changes.tell()
    assert (await waiting).status_code == 422
    assert (await sandbox.ask("/mis/feed")).json() == []  # the feeder has not had a turn yet


async def test_its_topic_goes_on_behind_a_reset(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next process writes it."""
    monkeypatch.setattr(carrier, "LOOK_SECONDS", 0.05)
    sandbox = await Sandbox.make(world)
    settings = world.integration.running._settings
    await cluster.create(settings, {f"{TO_TRUSTS}{sandbox.id}": (1, TO_TRUSTS_CONFIG)})
    told: list[str] = []

    async def carried() -> bool:
        return await ids_on(settings, sandbox.id) == told

    async with at_work(world, carrier.carry):
        for _ in range(2):
            told += [each["id"] for each in (await sandbox.feed())[0]]
            await eventually(carried, what="the topic has what was told before and after a reset")
            await sandbox.do("reset")
    told += [each["id"] for each in (await sandbox.feed())[0]]
    async with at_work(world, carrier.carry):
        await eventually(carried, what="the topic has the third first day, too")


async def ids_on(settings: Settings, trust_id: str) -> list[str]:
    """Of the events on a trust's topic."""
    partition = TopicPartition(f"{settings.topic_prefix}{TO_TRUSTS}{trust_id}", 0)
    async with AIOKafkaConsumer(**security.options(settings)) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[str] = []
        while await consumer.position(partition) < end:
            records = (await consumer.getmany(timeout_ms=500)).get(partition, [])
            found += [json.loads(record.value)["id"] for record in records]
    return found
