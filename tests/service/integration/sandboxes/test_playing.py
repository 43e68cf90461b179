"""A sandbox is played by the real routes and works."""

from services.integration.domain.telling import TYPES
from services.integration.feeder import feed
from services.integration.sending.courier import deliver
from tests.conftest import eventually
from tests.service.integration.receivers import at_work, receiver
from tests.service.integration.roster import ORG, bulk
from tests.service.integration.sandboxes.developer import Sandbox, kind, kinds
from tests.service.integration.world import (
    World,
    event,
    named,
)


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


async def test_sandboxes_are_the_offices_and_nothing_else_is_one(world: World) -> None:
    assert (await world.office("POST", "/sandboxes", role="adviser")).status_code == 403
    assert (await world.office("GET", "/sandboxes", role="trust")).status_code == 403
    for act in ("day", "reset", "removal"):
        answer = await world.office("POST", f"/sandboxes/{named('Solent')}/{act}")
        assert answer.status_code == 404
        assert "is no sandbox" in answer.json()["detail"]
