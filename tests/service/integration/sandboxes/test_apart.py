"""A sandbox and everybody else know nothing of each other."""

from uuid import UUID

from tests.service.integration.sandboxes.developer import ZOE, Sandbox, fed, kind, kinds
from tests.service.integration.world import (
    World,
    event,
    named,
    staff_reported,
)


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
