"""Kafka is lost and filled from the journals: the national report is the same, byte for byte."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from shared.clock import FixedClock
from shared.database import create_pool
from shared.events import TOPICS, Received
from shared.messaging import cluster
from shared.messaging.connections import acquire
from shared.messaging.journal import Fact, append
from shared.messaging.republish import republish
from shared.messaging.topics import opened
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Database, Start, Started, eventually
from tests.infra import Infra
from tests.service.reporting.log import a_year

pytestmark = pytest.mark.bad_day

CLOCK = FixedClock(datetime(2026, 7, 1, 12, tzinfo=UTC))
PUBLISHING = ("membership", "scheduling", "cpd")


async def test_the_report_is_the_same_for_who_was_there_and_for_who_joins_later(
    start: Start, database: Database, settings: Settings, infra: Infra, issuer: LocalIssuer
) -> None:
    log = a_year().events
    journals = {name: await create_pool(await database(name), "journal") for name in PUBLISHING}

    async def filled_from_the_journals() -> None:
        await cluster.create_topics(settings)
        for name, pool in journals.items():
            await republish(name, pool, settings, "user:ada")

    for event in log:
        await journal(journals[TOPICS[event.topic].service], [event])
    await filled_from_the_journals()
    async with start("reporting", clock=CLOCK, metadata_max_age_seconds=0.5) as reporting:
        before = await report_of(reporting, issuer, len(log))
        await infra.broker.lose()
        await infra.broker.start()
        await filled_from_the_journals()
        await until_read_anew(reporting)
        assert await report_of(reporting, issuer, len(log)) == before
    async with start("reporting", clock=CLOCK) as later:
        assert await report_of(later, issuer, len(log)) == before
    for pool in journals.values():
        await pool.close()


async def until_read_anew(reporting: Started) -> None:
    """Until it has been through all of the new Kafka: its position is the end of each partition."""

    async def at_the_ends() -> bool:
        settings = reporting.running._settings
        async with opened(settings, list(TOPICS.values())) as topics:
            ends = {of: end - 1 for of, end in topics.ends.items() if end}
        rows = await reporting.pool.fetch('SELECT topic, partition, "offset" FROM position')
        return len(ends) > 0 and ends.items() <= {(r[0], r[1]): r[2] for r in rows}.items()

    await eventually(at_the_ends, within_seconds=60)


async def journal(pool: asyncpg.Pool, events: Sequence[Received]) -> None:  # type: ignore[type-arg]
    async with acquire(pool) as connection, connection.transaction():
        facts = [Fact(event.data, event.id, None) for event in events]
        await append(connection, facts, "user:test")


async def report_of(reporting: Started, issuer: LocalIssuer, events: int) -> bytes:
    """The national report as soon as all events have taken effect."""

    async def taken() -> bool:
        return bool(events == await reporting.pool.fetchval("SELECT sum(sequence) FROM inbox"))

    await eventually(taken, within_seconds=40)
    headers = {"Authorization": f"Bearer {issuer.issue('office', 'office')}"}
    answer = await reporting.client.get("/reports/2025-26", headers=headers)
    assert answer.status_code == 200
    return answer.content
