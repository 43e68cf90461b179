"""Reporting is rebuilt from the log while it works: the same, or shown in what it differs."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from services.reporting.store import scopes
from shared.clock import FixedClock
from shared.events import Received, membership
from shared.events.vocabulary import Region
from shared.messaging import cluster, faults, parking
from shared.messaging.connections import acquire
from shared.messaging.records import Outgoing
from shared.rebuilding import CannotRebuild, Rebuilt, check_rebuildable, rebuild
from shared.service import load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, Started, eventually
from tests.service.reporting.log import Log, a_year, named, on, report

pytestmark = pytest.mark.bad_day

CLOCK = FixedClock(datetime(2026, 7, 1, 12, tzinfo=UTC))
NATIONAL = "/reports/2025-26"


@dataclass
class Reporting:
    """A reporting that runs, with its API and its consumer, and what is on its topics."""

    started: Started
    issuer: LocalIssuer
    settings: Settings
    log: Log = field(default_factory=Log)
    sent: int = 0

    @property
    def pool(self) -> asyncpg.Pool:
        return self.started.pool

    async def send(
        self, value_of: Callable[[Received[Any]], bytes | None] = lambda _: None
    ) -> None:
        """Puts the log's new events on their topics, and waits until they have been taken."""
        await send(self.settings, self.log.events[self.sent :], value_of)
        self.sent = len(self.log.events)
        await eventually(self.taken)

    async def taken(self) -> bool:
        return bool(self.sent == await self.pool.fetchval("SELECT sum(sequence) FROM inbox"))

    async def report(self) -> bytes:
        headers = {"Authorization": f"Bearer {self.issuer.issue('office', 'office')}"}
        answer = await self.started.client.get(NATIONAL, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def rows(self) -> dict[str, list[str]]:
        """All rows of the projections, and how far each key has come."""
        tables = await self.pool.fetch(
            """
            SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
               AND relpersistence = 'p' AND relname <> ALL ($1)
            """,
            ["inbox", "migration", "parked", "rebuilt", "shard", "stop"],
        )
        found = {name: f"TABLE {name}" for (name,) in tables}
        found["inbox"] = "SELECT topic, key, sequence, last_id FROM inbox"
        found["parked"] = "SELECT parked_id, topic, key, sequence, event_id, since FROM parked"
        return {
            name: [
                row[0]
                for row in await self.pool.fetch(f"SELECT r::text FROM ({query}) AS r ORDER BY 1")
            ]
            for name, query in found.items()
        }

    async def rebuild(self, **options: Any) -> Rebuilt:
        connection = await asyncpg.connect(self.started.dsn)
        try:
            return await rebuild(
                load("reporting"),
                connection,
                self.started.dsn,
                options.pop("settings", self.settings),
                actor="operator:test",
                **options,
            )
        finally:
            await connection.close()

    async def rebuilt(self) -> list[tuple[Any, ...]]:
        rows = await self.pool.fetch("SELECT rebuilt_by, differences, because FROM rebuilt")
        return [tuple(row) for row in rows]


async def send(
    settings: Settings,
    events: Sequence[Received[Any]],
    value_of: Callable[[Received[Any]], bytes | None] = lambda _: None,
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    for event in events:
        outgoing = Outgoing(
            0, event.id, event.topic, event.key, event.sequence, event.data.type,
            event.data.payload(), None, event.time,
        )  # fmt: skip
        await producer.send(
            settings.topic_prefix + event.topic,
            value_of(event) or outgoing.value,
            key=event.key.encode(),
            headers=outgoing.headers(event.key.encode()),
        )
    await producer.stop()


@pytest_asyncio.fixture
async def reporting(
    start: Start, settings: Settings, topics: list[str], issuer: LocalIssuer
) -> AsyncIterator[Reporting]:
    async with start("reporting", clock=CLOCK) as started:
        reporting = Reporting(started, issuer, settings, a_year())
        await reporting.send()
        yield reporting


async def test_what_is_rebuilt_is_the_same_byte_for_byte(reporting: Reporting) -> None:
    rows, report = await reporting.rows(), await reporting.report()
    oid = await reporting.pool.fetchval("SELECT 'credit'::regclass::oid")
    told: list[tuple[int, int]] = []
    done = await reporting.rebuild(tell=lambda *numbers: told.append(numbers))
    assert (done.differences, done.taken_over) == ([], True)
    assert told[-1] == (reporting.sent, reporting.sent)
    assert await reporting.rows() == rows
    assert await reporting.report() == report
    assert await reporting.pool.fetchval("SELECT 'credit'::regclass::oid") != oid
    assert await reporting.rebuilt() == [("operator:test", 0, None)]
    assert await reporting.pool.fetchval("SELECT to_regnamespace('rebuild')") is None


async def test_the_running_service_goes_on_in_the_new_tables(reporting: Reporting) -> None:
    await reporting.rebuild()
    before = await reporting.report()
    reporting.log.network("East", Region.LONDON, on("10-01"))
    reporting.log.credited("Anne", "Ash", on("05-05"), "3")
    await reporting.send()
    after = await reporting.report()
    assert after != before
    assert (await reporting.rebuild()).differences == []
    assert await reporting.report() == after


async def test_a_difference_is_shown_and_waits_to_be_accepted(reporting: Reporting) -> None:
    right = await reporting.report()
    await reporting.pool.execute(
        "UPDATE register_entry SET attendance = 'absent' WHERE attendance = 'late'"
    )
    await reporting.pool.execute("DELETE FROM network WHERE name = 'South'")
    wrong = await reporting.report()

    done = await reporting.rebuild()
    assert not done.taken_over
    shown = {each.of: (each.count, each.examples) for each in done.differences}
    assert {"network", "register_entry", "report 2025-26"} <= set(shown)
    count, [example] = shown["register_entry"]
    assert (count, example.old, example.new) == (1, "attendance absent", "attendance late")
    count, [example] = shown["network"]
    assert (count, example.which, example.old) == (1, str(named("South")), "–")
    assert "name South" in example.new
    assert await reporting.report() == wrong

    done = await reporting.rebuild(accepted_because="late was read as absent until 1.4")
    assert done.taken_over
    assert done.records < reporting.sent, "it went on with what had been rebuilt"
    assert await reporting.report() == right
    [(actor, differences, because)] = await reporting.rebuilt()
    assert (actor, because) == ("operator:test", "late was read as absent until 1.4")
    assert differences == sum(each.count for each in done.differences)


async def test_an_answer_that_a_client_has_is_fetched_again_after_an_accepted_rebuild(
    reporting: Reporting,
) -> None:
    await reporting.pool.execute("DELETE FROM credit")
    headers = {"Authorization": f"Bearer {reporting.issuer.issue('office', 'office')}"}
    first = await reporting.started.client.get(NATIONAL, headers=headers)
    known = headers | {"If-None-Match": first.headers["etag"]}
    assert (await reporting.started.client.get(NATIONAL, headers=known)).status_code == 304
    await reporting.rebuild(accepted_because="credits were lost")
    again = await reporting.started.client.get(NATIONAL, headers=known)
    assert again.status_code == 200
    assert again.content != first.content


async def with_a_parked_event(reporting: Reporting) -> list[Any]:
    """East is established, renamed unreadably, renamed again; answers what is parked of it."""
    east = reporting.log.network("East", Region.LONDON, on("10-01"))
    reporting.log.add(membership.NetworkRenamed(network_id=east, name="unreadable"))
    reporting.log.add(membership.NetworkRenamed(network_id=east, name="Eastern"))
    await reporting.send(lambda e: b"{}" if getattr(e.data, "name", "") == "unreadable" else None)
    return await reporting.pool.fetch("SELECT * FROM parked ORDER BY sequence")


async def discard_and_replay(reporting: Reporting, parked: Sequence[Any]) -> None:
    first = parked[0]
    await parking.discard(reporting.pool, first["parked_id"], "operator:test", "unreadable")
    effects = reporting.started.service.effects
    replayed = await parking.replay(
        reporting.pool, "reporting", effects, first["topic"], first["key"], "user:ada"
    )
    assert (replayed.applied, replayed.failed) == (1, [])


async def test_what_is_parked_stays_parked_under_its_number(reporting: Reporting) -> None:
    parked = await with_a_parked_event(reporting)
    assert len(parked) == 2
    assert (await reporting.rebuild()).taken_over
    assert await reporting.pool.fetch("SELECT * FROM parked ORDER BY sequence") == parked


async def test_what_is_discarded_stays_discarded(reporting: Reporting) -> None:
    await discard_and_replay(reporting, await with_a_parked_event(reporting))
    rows = await reporting.rows()
    assert "Eastern" in str(rows["network"])
    assert (await reporting.rebuild()).differences == []
    assert await reporting.rows() == rows


async def test_what_is_discarded_meanwhile_is_discarded_in_the_new_answers_too(
    reporting: Reporting,
) -> None:
    parked = await with_a_parked_event(reporting)
    await reporting.pool.execute("UPDATE school SET name = 'Oak' WHERE name = 'Ash'")
    assert not (await reporting.rebuild()).taken_over
    await discard_and_replay(reporting, parked)
    await reporting.pool.execute("UPDATE school SET name = 'Ash' WHERE name = 'Oak'")
    assert (await reporting.rebuild()).differences == []


async def test_where_a_mended_bug_parks_less_later_events_of_the_key_go_on(
    reporting: Reporting,
) -> None:
    """As an effect that failed and has been mended: the old answers have parked what it could not
    do, the new ones have not."""
    east = reporting.log.network("East", Region.LONDON, on("10-01"))
    await reporting.send()
    await reporting.pool.execute("ALTER TABLE network ADD CONSTRAINT bug CHECK (name <> 'Eastern')")
    reporting.log.add(membership.NetworkRenamed(network_id=east, name="Eastern"))
    reporting.log.add(membership.NetworkRenamed(network_id=east, name="Far East"))
    await reporting.send()
    assert await reporting.pool.fetchval("SELECT count(*) FROM parked") == 2
    done = await reporting.rebuild()
    assert {each.of: each.count for each in done.differences} == {"network": 1, "parked": 2}
    assert (await reporting.rebuild(accepted_because="renaming is mended")).taken_over
    assert await reporting.pool.fetchval("SELECT count(*) FROM parked") == 0
    reporting.log.add(membership.NetworkRenamed(network_id=east, name="Further East"))
    await reporting.send()
    names = await reporting.pool.fetch("SELECT name FROM network ORDER BY name")
    assert "Further East" in [name for (name,) in names]


async def test_where_the_new_answers_park_more_later_events_wait_behind(
    reporting: Reporting,
) -> None:
    """Also one that the consumer was about to take when they took over."""
    parked = await with_a_parked_event(reporting)
    await reporting.pool.execute("DELETE FROM parked")
    await reporting.pool.execute("UPDATE network SET name = 'Eastern' WHERE name = 'East'")

    async def one_more(point: str) -> None:
        if point == "after_take_over_before_commit":
            reporting.log.add(membership.NetworkRenamed(network_id=named("East"), name="Far East"))
            await send(reporting.settings, reporting.log.events[-1:])
            await eventually(lambda: waits_for(reporting.pool, "inbox"))

    faults.arm(one_more)
    try:
        done = await reporting.rebuild(accepted_because="it should never have taken effect")
    finally:
        faults.arm(None)
    assert {each.of: each.count for each in done.differences} == {"network": 1, "parked": 2}
    reporting.sent += 1
    await eventually(reporting.taken)
    held = await reporting.pool.fetch("SELECT key, sequence FROM parked ORDER BY sequence")
    assert [tuple(row) for row in held] == [(parked[0]["key"], number) for number in (2, 3, 4)]


async def test_what_happens_after_it_is_in_the_next_report(reporting: Reporting) -> None:
    await reporting.report()
    await reporting.rebuild()
    reporting.log.credited("Eve", "Ash", on("05-05"), "4", of="a book")
    await reporting.send()
    assert b'"cpd_hours":{"total":"19.00"' in await reporting.report()


async def test_events_that_arrive_meanwhile_are_in_the_new_answers(reporting: Reporting) -> None:
    more = Log()
    for number in range(300):
        more.network(f"N{number}", Region.LONDON, on("10-01"))

    async def arrive() -> None:
        for at in range(0, len(more.events), 20):
            await send(reporting.settings, more.events[at : at + 20])

    arriving = asyncio.create_task(arrive())
    rounds = 0
    while not arriving.done():
        assert (await reporting.rebuild()).differences == []
        rounds += 1
    await arriving
    reporting.sent += len(more.events)
    await eventually(reporting.taken)
    assert await reporting.pool.fetchval("SELECT count(*) FROM network") == 302
    assert len(await reporting.rebuilt()) == rounds


async def test_every_answer_is_wholly_old_or_wholly_new(reporting: Reporting) -> None:
    new = await reporting.report()
    for table in ("network", "membership", "register_entry", "credit"):
        await reporting.pool.execute(f"DELETE FROM {table}")
    old = await reporting.report()
    answers: list[bytes] = []

    async def ask() -> None:
        while answers[-1:] != [new]:
            answers.append(await reporting.report())

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await reporting.rebuild(accepted_because="much was lost")
    await asyncio.gather(*asking)
    assert set(answers) == {old, new}


async def test_a_report_that_is_being_read_is_read_to_its_end(reporting: Reporting) -> None:
    async with acquire(reporting.pool) as reader:
        new = await report(reader)
        await reporting.pool.execute("DELETE FROM credit")
        old = await report(reader)
        async with reader.transaction(isolation="repeatable_read", readonly=True):
            await scopes.state(reader)
            rebuilding = asyncio.create_task(reporting.rebuild(accepted_because="it was lost"))
            await eventually(lambda: waits_for(reporting.pool, "position"))
            assert await report(reader) == old
        assert (await rebuilding).taken_over
        assert await report(reader) == new


async def waits_for(pool: asyncpg.Pool | asyncpg.Connection, table: str) -> bool:
    waiting: bool = await pool.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = to_regclass($1) AND NOT granted)",
        table,
    )
    return waiting


DIES = """
import asyncio, os, signal, sys
import asyncpg
from shared.messaging import faults
from shared.rebuilding import rebuild
from shared.service import load
from shared.settings import Settings

point, times, dsn, kafka, prefix = sys.argv[1:]
left = int(times)

async def act(reached):
    global left
    left -= reached == point
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    faults.arm(act)
    settings = Settings(kafka=kafka, topic_prefix=prefix, batch_size=4)
    await rebuild(load("reporting"), await asyncpg.connect(dsn), dsn, settings, actor="dying")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("point", "times"),
    [("after_effects_before_position", 4), ("after_take_over_before_commit", 1)],
)
async def test_killed_at_any_point_it_is_run_again(
    reporting: Reporting, point: str, times: int
) -> None:
    rows, settings = await reporting.rows(), reporting.settings
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, point, str(times), reporting.started.dsn, settings.kafka,
        settings.topic_prefix,
    )  # fmt: skip
    assert await process.wait() == -signal.SIGKILL
    assert await reporting.rows() == rows
    done = await reporting.rebuild()
    assert (done.differences, done.taken_over) == ([], True)
    assert 0 < done.records < reporting.sent, "it went on where it was"
    assert await reporting.rows() == rows


async def test_code_that_has_changed_begins_again(reporting: Reporting) -> None:
    await reporting.pool.execute("DELETE FROM credit")
    await reporting.rebuild()
    await reporting.pool.execute(
        """
        UPDATE rebuild.credit SET hours = 1000;
        COMMENT ON SCHEMA rebuild IS
            '{"release": "another", "live": "public", "tables": [], "views": []}'
        """
    )
    done = await reporting.rebuild(accepted_because="credits were lost")
    assert done.records == reporting.sent
    assert await reporting.pool.fetchval("SELECT max(hours) FROM credit") < 1000


async def test_a_second_rebuild_at_the_same_time_is_refused(reporting: Reporting) -> None:
    first = asyncio.create_task(reporting.rebuild())
    async with reporting.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM inbox FOR UPDATE")
        await eventually(lambda: waits_for(reporting.pool, "inbox"))
        with pytest.raises(CannotRebuild, match="Another rebuild"):
            await reporting.rebuild()
    assert (await first).taken_over


async def test_a_database_that_is_not_migrated_is_refused(reporting: Reporting) -> None:
    await reporting.pool.execute("DELETE FROM migration WHERE name LIKE 'reporting/%'")
    with pytest.raises(CannotRebuild, match="aspire migrate"):
        await reporting.rebuild()


async def test_a_kafka_that_lacks_the_end_is_refused(reporting: Reporting) -> None:
    empty = reporting.settings.model_copy(update={"topic_prefix": f"{uuid4().hex}."})
    await cluster.create_topics(empty)
    with pytest.raises(CannotRebuild, match="aspire republish"):
        await reporting.rebuild(settings=empty)


async def test_a_kafka_that_lacks_the_beginning_is_refused(
    reporting: Reporting, start: Start
) -> None:
    """One that was lost, and into which only the events since then have come."""
    later = reporting.settings.model_copy(update={"topic_prefix": f"{uuid4().hex}."})
    await cluster.create_topics(later)
    await send(later, reporting.log.events[-10:])
    await reporting.pool.execute("DELETE FROM position")
    async with start(
        "reporting", parts=("consumer",), dsn=reporting.started.dsn, **later.model_dump()
    ):
        await eventually(
            lambda: reporting.pool.fetchval('SELECT sum("offset" + 1) = 10 FROM position')
        )
        with pytest.raises(CannotRebuild, match="aspire republish"):
            await reporting.rebuild(settings=later)


def test_a_service_that_decides_is_refused() -> None:
    for name in ("membership", "scheduling", "cpd"):
        with pytest.raises(CannotRebuild, match="decides"):
            check_rebuildable(load(name))
