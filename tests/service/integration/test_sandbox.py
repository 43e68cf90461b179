"""A sandbox: played by the real routes and works, apart from everybody, and can be put back."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.integration.domain.telling import TYPES
from services.integration.feeder import feed
from services.integration.sending import carrier
from services.integration.sending.courier import deliver
from shared.clock import FixedClock
from shared.events import membership as said
from shared.events.topics import TO_TRUSTS, TO_TRUSTS_CONFIG
from shared.events.vocabulary import Role
from shared.messaging import cluster, security
from shared.messaging.connections import acquire
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.neighbours import feed_all
from tests.service.integration.receivers import at_work, receiver
from tests.service.integration.roster import ORG, bulk
from tests.service.integration.world import (
    World,
    event,
    joined,
    named,
    school,
    staff_reported,
    trust,
)

CloudEvent = dict[str, Any]
ZOE = said.PersonProfile(person_id=named("Zoë"), name="Zoë Secret", email="zoe@secret.example")


@pytest.fixture
def clock() -> FixedClock:
    """The real time: what is played has the database's."""
    return FixedClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer, clock: FixedClock) -> AsyncIterator[World]:
    """A real trust with a school and a leader, who is connected."""
    async with start("integration", parts=("api",), clock=clock, webhooks_inside=True) as started:
        found = World(started, issuer)
        await found.say(
            trust("Solent"), school("Ash", 100001), joined("Solent", "Ash"), ZOE,
            said.LeaderAppointed(
                person_id=ZOE.person_id, post_id=named("post"), school_id=named("Ash"),
                role=Role.OTHER, appointed_on=date(2020, 9, 1),
            ),
        )  # fmt: skip
        await found.connected("Solent")
        yield found


@dataclass
class Sandbox:
    """As its developer has it."""

    world: World
    made: dict[str, Any]
    secret: str

    @classmethod
    async def make(cls, world: World) -> "Sandbox":
        answer = await world.office("POST", "/sandboxes")
        assert answer.status_code == 201, answer.text
        return cls(world, answer.json()["sandbox"], answer.json()["secret"])

    @property
    def id(self) -> str:
        return str(self.made["trust_id"])

    @property
    def auth(self) -> httpx.BasicAuth:
        return httpx.BasicAuth(self.id, self.secret)

    @property
    def urns(self) -> list[int]:
        return [each["urn"] for each in self.made["schools"]]

    def person(self, name: str) -> dict[str, Any]:
        [found] = [each for each in self.made["people"] if each["name"].startswith(name)]
        return dict(found)

    async def ask(self, where: str) -> httpx.Response:
        return await self.world.integration.client.get(where, auth=self.auth)

    async def post(self, where: str, body: Any) -> httpx.Response:
        return await self.world.integration.client.post(
            where, json=body, auth=self.auth, headers={"Idempotency-Key": uuid4().hex}
        )

    async def send(self, where: str, file: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/zip", "Idempotency-Key": uuid4().hex}
        return await self.world.integration.client.post(
            where, content=file, auth=self.auth, headers=headers
        )

    async def do(self, act: str) -> dict[str, Any]:
        answer = await self.world.office("POST", f"/sandboxes/{self.id}/{act}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tell(self, *events: Any) -> list[Any]:
        """What became of each: the outcome, or why it was refused."""
        answer = await self.world.integration.client.post(
            "/mis/events", content=json.dumps(events), auth=self.auth,
            headers={"Content-Type": "application/cloudevents-batch+json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return [
            each["refusal"]["type"].split("/")[-1] if each["refusal"] else each["outcome"]
            for each in answer.json()["events"]
        ]

    async def report(self, external_id: str = "E1", **changes: Any) -> list[Any]:
        data = staff_reported(external_id, **{"school_urn": self.urns[0]} | changes)
        return await self.tell(event("StaffReported.v1", data, uuid4().hex))

    async def feed(self, after: str | None = None) -> tuple[list[CloudEvent], str]:
        """What is behind the cursor, and the cursor behind that."""
        await fed(self.world)
        where = "/mis/feed?limit=1000" + (f"&after={after}" if after else "")
        answer = await self.ask(where)
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["Feed-Cursor"]


async def fed(world: World) -> None:
    async with acquire(world.integration.pool) as connection:
        await feed_all(connection)


def kind(event: CloudEvent) -> str:
    return str(event["type"].split(".")[3])


def kinds(events: list[CloudEvent]) -> list[str]:
    return [kind(each) for each in events]


async def test_a_sandbox_has_schools_people_and_a_days_events(world: World) -> None:
    sandbox = await Sandbox.make(world)
    connection = (await sandbox.ask("/mis/connection")).json()
    assert connection["name"].startswith("Sandbox Learning Trust ")
    assert [each["urn"] for each in connection["schools"]] == sandbox.urns[:3] == [
        900000, 900001, 900002,
    ]  # fmt: skip
    events, _ = await sandbox.feed()
    assert len(events) == sandbox.made["events"] == len({each["id"] for each in events})
    assert {each["type"] for each in events} <= TYPES
    streams: dict[str, list[int]] = {}
    for each in events:
        streams.setdefault(each["partitionkey"], []).append(int(each["sequence"]))
    assert all(each == sorted(each) for each in streams.values())
    registers = [each["data"]["entries"] for each in events if kind(each) == "NetworkDayHeld"]
    schools = {entry["school_id"] for entries in registers for entry in entries}
    assert schools <= {each["school_id"] for each in connection["schools"]}


async def test_what_is_reported_is_matched_and_becomes_posts(world: World) -> None:
    sandbox = await Sandbox.make(world)
    _, cursor = await sandbox.feed()
    amina = sandbox.person("Amina")
    assert await sandbox.report() == ["taken"]
    known = {"name": amina["name"], "work_email": amina["email"]}
    assert await sandbox.report("E2", **known) == ["taken"]
    events, cursor = await sandbox.feed(cursor)
    assert kinds(events) == ["StaffMatched", "LeaderAppointed", "StaffMatched", "LeaderAppointed"]
    assert [each["data"]["matched_by"] for each in events[::2]] == ["new_person", "work_email"]
    assert events[2]["data"]["person_id"] == amina["person_id"]
    assert events[3]["data"]["external_ids"]["people"] == {amina["person_id"]: ["E2"]}
    assert [each["sequence"][-1] for each in events] == ["1", "1", "1", "2"]
    await sandbox.tell(
        event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-12-31"}, "left")
    )
    events, _ = await sandbox.feed(cursor)
    assert kinds(events) == ["LeaderLeft"]


async def test_a_file_becomes_posts_when_it_is_applied_and_not_before(world: World) -> None:
    sandbox = await Sandbox.make(world)
    _, cursor = await sandbox.feed()
    file = bulk(orgs=[ORG | {"identifier": str(sandbox.urns[0])}])
    preview = await sandbox.send("/mis/roster/preview", file)
    assert preview.json()["counts"]["new"] == 1, preview.text
    assert (await sandbox.feed(cursor))[0] == []
    applied = await sandbox.send(f"/mis/roster?digest={preview.json()['digest']}", file)
    assert applied.json()["applied"], applied.text
    assert kinds((await sandbox.feed(cursor))[0]) == ["StaffMatched", "LeaderAppointed"]
    again = await sandbox.send("/mis/roster/preview", file)
    assert again.json()["counts"]["unchanged"] == 2


async def test_neither_finds_the_others_people_or_schools(world: World) -> None:
    sandbox, other = await Sandbox.make(world), await Sandbox.make(world)
    assert not set(sandbox.urns) & set(other.urns)
    amina = sandbox.person("Amina")
    zoe = {"name": ZOE.name, "work_email": ZOE.email, "trn": "1234567"}
    assert await world.told(event("StaffReported.v1", staff_reported("E1", **zoe))) == ["taken"]
    assert await sandbox.report("E1", **zoe) == ["taken"]
    as_amina = {"name": amina["name"], "work_email": amina["email"]}
    assert await other.report("E2", **zoe) == ["taken"]
    outcomes = await world.told(event("StaffReported.v1", staff_reported("E2", **as_amina), "2"))
    assert outcomes == ["taken"]
    for each in (sandbox, other):
        [match] = [e for e in (await each.feed())[0] if kind(e) == "StaffMatched"]
        assert match["data"]["matched_by"] == "new_person"
    matches = [fact for name, fact in await world.facts("aspire.integration") if "Matched" in name]
    assert [fact["matched_by"] for fact in matches] == ["work_email", "new_person"]
    assert matches[1]["person_id"] != amina["person_id"]

    own, next_door = sandbox.urns[0], sandbox.urns[-1]
    for urn in (100001, *other.urns):
        assert await sandbox.report("E9", school_urn=urn) == ["school-unknown"]
    assert await sandbox.report("E9", school_urn=next_door) == ["school-is-not-the-trusts"]
    answer = await world.tell(event("StaffReported.v1", staff_reported("E9", school_urn=own), "9"))
    assert answer.json()["type"].endswith("school-unknown")


async def test_nobody_who_is_fictional_can_be_chosen_for_somebody_real(world: World) -> None:
    sandbox = await Sandbox.make(world)
    namesake = staff_reported("E1", name=ZOE.name, work_email="another@ash.example")
    assert await world.told(event("StaffReported.v1", namesake)) == ["taken"]
    [found] = (await world.office("GET", "/matches")).json()["items"]
    path, amina = f"/matches/{found['match_id']}", sandbox.person("Amina")["person_id"]
    assert (await world.office("POST", path, {"person_id": amina})).status_code == 422
    zoe = {"person_id": str(ZOE.person_id)}
    assert (await world.office("POST", path, zoe)).status_code == 200


async def test_nobody_else_is_told_of_a_sandbox(world: World) -> None:
    await fed(world)
    before = (await world.ask("/mis/feed")).json()
    sandbox = await Sandbox.make(world)
    await sandbox.report()
    await sandbox.do("day")
    guest = sandbox.person("Mara")
    assert await sandbox.report("E2", work_email=guest["email"]) == ["taken"]
    await sandbox.tell(
        event("AbsenceReported.v1", {"external_id": "E1", "from": "2026-12-01"}, "a")
    )
    await world.office("POST", f"/trusts/{sandbox.id}/staff/E1/erasure")
    await fed(world)
    assert (await world.ask("/mis/feed")).json() == before
    rows = await world.integration.journal("topic", "key", "type")
    of_sandbox = [row["type"].split(".")[3] for row in rows if row["key"] == sandbox.id]
    assert of_sandbox == ["TrustConnected"]
    assert [
        row["key"] for row in rows if row["key"] not in (sandbox.id, str(named("Solent")))
    ] == []
    for waiting in ("true", "false"):
        listed = await world.office("GET", f"/matches?waiting={waiting}")
        assert listed.json()["items"] == []
    own = await world.office("GET", "/matches", role="trust", groups=[UUID(sandbox.id)])
    [doubtful] = own.json()["items"]
    decided = await world.office(
        "POST", f"/matches/{doubtful['match_id']}", {"new_person": True}, role="trust",
        groups=[UUID(sandbox.id)],
    )  # fmt: skip
    assert decided.status_code == 200, decided.text
    assert kinds((await sandbox.feed())[0])[-2:] == ["StaffMatched", "LeaderAppointed"]
    assert len(await world.integration.journal("key")) == len(rows)


async def test_another_day_comes_by_webhook_and_feed(world: World) -> None:
    sandbox = await Sandbox.make(world)
    first, cursor = await sandbox.feed()
    async with receiver() as found, at_work(world, feed, deliver):
        made = await sandbox.post("/mis/webhooks", {"url": found.url})
        found.secret = made.json()["secret"]
        assert (await sandbox.do("day"))["days"] == 2
        world.integration.running.changes.tell()

        async def all_of_it() -> bool:
            return len(found.taken) >= 26

        await eventually(all_of_it, what="the day's events are sent")
    second, _ = await sandbox.feed(cursor)
    assert sorted(each["id"] for each in second) == sorted(found.ids)
    assert not {each["id"] for each in first} & set(found.ids)
    assert max(each["time"] for each in first) <= min(each["time"] for each in second)


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


async def test_sandboxes_are_the_offices_and_nothing_else_is_one(world: World) -> None:
    assert (await world.office("POST", "/sandboxes", role="adviser")).status_code == 403
    assert (await world.office("GET", "/sandboxes", role="trust")).status_code == 403
    for act in ("day", "reset", "removal"):
        answer = await world.office("POST", f"/sandboxes/{named('Solent')}/{act}")
        assert answer.status_code == 404
        assert "is no sandbox" in answer.json()["detail"]
