"""Who sees and may do what: outside a scope a thing does not exist."""

from typing import Any
from uuid import UUID

from tests.service.membership.office import JOINED_ON, Json, Office, problem

ANYBODY = UUID("00000000-0000-0000-0000-000000000001")


async def two_members(office: Office) -> tuple[Json, Json]:
    return (
        await office.member(100001, await office.network("Solent")),
        await office.member(100002, await office.network("Wessex")),
    )


async def names(office: Office, path: str, field: str, token: str) -> list[Any]:
    return [each[field] for each in (await office.look(path, token=token))["items"]]


async def test_each_role_sees_its_own_schools_networks_and_memberships(office: Office) -> None:
    mine, other = await two_members(office)
    group = await office.do("/groups", {"name": "Harbour Trust", "kind": "trust"})
    body = {"school_id": mine["school_id"], "joined_on": "2024-01-01"}
    await office.do(f"/groups/{group['group_id']}/schools", body)
    tokens = [
        office.token("adviser", networks=[UUID(mine["network_id"])]),
        office.token("school", schools=[UUID(mine["school_id"])]),
        office.token("trust", groups=[UUID(group["group_id"])]),
    ]
    for token in tokens:
        assert await names(office, "/schools", "urn", token) == [100001]
        assert await names(office, "/networks", "name", token) == ["Solent"]
        found = await names(office, "/memberships", "membership_id", token)
        assert found == [mine["membership_id"]]
        assert await names(office, "/groups", "name", token) == ["Harbour Trust"]
        for path in (
            f"/schools/{other['school_id']}",
            f"/networks/{other['network_id']}",
            f"/memberships/{other['membership_id']}",
        ):
            assert problem(await office.say("GET", path, token=token)) == (404, "not-found")
    operations = office.token("operations")
    assert len(await names(office, "/schools", "urn", operations)) == 2


async def test_a_role_without_a_scope_sees_nothing(office: Office) -> None:
    await office.person(await office.member())
    for role in ("adviser", "school", "trust"):
        for path in ("/schools", "/networks", "/memberships", "/groups", "/people"):
            assert (await office.look(path, token=office.token(role)))["items"] == []


async def test_people_are_seen_by_their_schools_and_by_themselves(office: Office) -> None:
    mine, other = await two_members(office)
    ours, theirs = await office.person(mine), await office.person(other)
    school = office.token("school", schools=[UUID(mine["school_id"])])
    adviser = office.token("adviser", networks=[UUID(mine["network_id"])])
    oneself = office.token("participant", person=UUID(ours["person_id"]))
    for token in (school, adviser, oneself):
        assert await names(office, "/people", "person_id", token) == [ours["person_id"]]
        assert await office.look(f"/people/{ours['person_id']}", token=token) == ours
        hidden = await office.say("GET", f"/people/{theirs['person_id']}", token=token)
        assert problem(hidden) == (404, "not-found")
    answer = await office.say("GET", "/people", token=office.token("operations"))
    assert problem(answer) == (403, "forbidden")


async def test_a_trust_sees_the_staff_of_a_school_from_the_day_on_which_it_joins(
    office: Office,
) -> None:
    mine = await office.member()
    person = await office.person(mine)
    group = await office.do("/groups", {"name": "Harbour Trust", "kind": "trust"})
    trust = office.token("trust", groups=[UUID(group["group_id"])])
    path = f"/people/{person['person_id']}"
    body = {"school_id": mine["school_id"], "joined_on": "2026-09-16"}
    await office.do(f"/groups/{group['group_id']}/schools", body)
    assert (await office.look("/people", token=trust))["items"] == []
    assert problem(await office.say("GET", path, token=trust)) == (404, "not-found")
    renamed = await office.say("PATCH", path, {"name": "Another"}, token=trust)
    assert problem(renamed) == (404, "not-found")


async def test_an_adviser_sees_no_staff_of_a_school_that_has_left(office: Office) -> None:
    first, second = await two_members(office)
    staff = [await office.person(first), await office.person(second)]
    both = office.token("adviser", networks=[UUID(m["network_id"]) for m in (first, second)])
    solent = office.token("adviser", networks=[UUID(first["network_id"])])
    leave = {"left_on": "2026-09-14", "reason": "other"}
    await office.do(f"/memberships/{second['membership_id']}/leave", leave)
    await office.do(
        f"/memberships/{first['membership_id']}/move",
        {"network_id": second["network_id"], "moved_on": "2026-09-10"},
    )
    assert await names(office, "/people", "person_id", both) == [staff[0]["person_id"]]
    for token, person in ((both, staff[1]), (solent, staff[0])):
        hidden = await office.say("GET", f"/people/{person['person_id']}", token=token)
        assert problem(hidden) == (404, "not-found")
    assert await names(office, "/people", "person_id", solent) == []
    assert await names(office, "/schools", "urn", solent) == [100001], "its history stays"


async def test_a_participant_finds_themselves_after_a_merge(office: Office) -> None:
    stays, goes = await office.person(), await office.person(name="A. Example")
    path = f"/people/{stays['person_id']}"
    await office.do(f"{path}/merge", {"merged_person_id": goes["person_id"]})
    oneself = office.token("participant", person=UUID(goes["person_id"]))
    assert await names(office, "/people", "person_id", oneself) == [stays["person_id"]]
    assert await office.look(path, token=oneself) == stays
    gone = await office.say("GET", f"/people/{goes['person_id']}", token=oneself)
    assert stays["person_id"] in gone.json()["detail"]


async def test_a_school_keeps_its_own_staff_only(office: Office) -> None:
    mine, other = await two_members(office)
    theirs = await office.person(other)
    school = office.token("school", schools=[UUID(mine["school_id"])])
    post = {"school_id": mine["school_id"], "role": "headteacher", "appointed_on": JOINED_ON}
    person = await office.do("/people", {"name": "Ada", "post": post}, token=school)
    renamed = await office.say(
        "PATCH", f"/people/{person['person_id']}", {"name": "Ada B"}, token=school
    )
    assert renamed.json()["name"] == "Ada B"
    without = await office.say("POST", "/people", {"name": "Ada"}, token=school)
    assert problem(without) == (422, "post-needed")
    elsewhere = {**post, "school_id": other["school_id"]}
    for path, body in (
        ("/people", {"name": "Ada", "post": elsewhere}),
        (f"/people/{person['person_id']}/posts", elsewhere),
        (f"/people/{theirs['person_id']}/posts", post),
    ):
        refused = await office.say("POST", path, body, token=school)
        assert problem(refused) == (404, "not-found")
    erasing = await office.say("POST", f"/people/{person['person_id']}/erasure", {}, token=school)
    assert problem(erasing) == (403, "forbidden")


OFFICE_ONLY = (
    "/networks", f"/networks/{ANYBODY}/closure", f"/networks/{ANYBODY}/advisers",
    "/memberships", f"/memberships/{ANYBODY}/move", f"/memberships/{ANYBODY}/pause",
    f"/memberships/{ANYBODY}/correction", "/groups", f"/groups/{ANYBODY}/schools",
    f"/schools/{ANYBODY}/closure", f"/schools/{ANYBODY}/urn-changes",
    f"/schools/{ANYBODY}/inspections", f"/people/{ANYBODY}/merge",
    f"/people/{ANYBODY}/erasure", "/register-imports",
)  # fmt: skip


async def test_only_the_office_decides_about_the_programme(office: Office) -> None:
    for role in ("adviser", "school", "trust", "participant", "operations"):
        for path in OFFICE_ONLY:
            answer = await office.say("POST", path, {}, token=office.token(role))
            assert problem(answer) == (403, "forbidden"), (role, path)
    assert await office.types() == []
