"""Who a trust's staff is: matched by what is sure, new where nobody is like them, else decided."""

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from services.integration.domain.matching import new_person
from shared.events import membership as said
from shared.events.vocabulary import Role
from tests.service.integration.world import (
    World,
    event,
    joined,
    named,
    school,
    staff_reported,
    trust,
)
from tests.service.membership.office import problem

REPORTED = "StaffReported.v1"
RECORD = f"{named('Solent')}/E1"


@pytest_asyncio.fixture
async def mis(world: World) -> World:
    """Two trusts with a school each."""
    await world.say(trust("Solent"), trust("Downs"), school("Ash", 100001), school("Elm", 100002))
    await world.say(joined("Solent", "Ash"), joined("Downs", "Elm"))
    await world.connected("Solent")
    await world.connected("Downs")
    return world


def profile(name: str, email: str | None = None, person: str | None = None) -> said.PersonProfile:
    return said.PersonProfile(person_id=named(person or name), name=name, email=email)


def appointed(person: str, school: str = "Ash") -> said.LeaderAppointed:
    return said.LeaderAppointed(
        person_id=named(person), post_id=named(f"{person} at {school}"), school_id=named(school),
        role=Role.OTHER, appointed_on=date(2026, 9, 1),
    )  # fmt: skip


def ended(person: str, on: date, school: str = "Ash") -> said.LeaderLeft:
    return said.LeaderLeft(
        person_id=named(person), post_id=named(f"{person} at {school}"), school_id=named(school),
        left_on=on,
    )  # fmt: skip


async def matched(mis: World) -> list[tuple[str, str]]:
    """(Person, by what) of each match, in their order."""
    return [
        (fact["person_id"], fact["matched_by"])
        for kind, fact in await mis.facts("aspire.integration")
        if kind == "StaffMatched"
    ]


async def waiting(mis: World, role: str = "office", **scope: Any) -> list[dict[str, Any]]:
    answer = await mis.office("GET", "/matches", role=role, **scope)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_the_work_address_of_somebody_at_that_school_is_sure(mis: World) -> None:
    await mis.say(profile("Z. Secret", "ZOE@secret.example", "Zoë"), appointed("Zoë"))
    told = event(REPORTED, staff_reported())
    assert await mis.told(told, told) == ["taken", "repeated"]
    assert await mis.told(event(REPORTED, staff_reported(), "2")) == ["unchanged"]
    assert await matched(mis) == [(str(named("Zoë")), "work_email")]
    assert await waiting(mis) == []


async def test_whom_nobody_is_like_is_a_new_person_with_the_id_of_the_record(mis: World) -> None:
    await mis.say(profile("Ann Other", "ann@secret.example"), appointed("Ann Other"))
    await mis.told(event(REPORTED, staff_reported()))
    assert await matched(mis) == [(str(new_person(RECORD)), "new_person")]


@pytest.mark.parametrize(
    "known",
    [
        [profile("Zoë Secret"), appointed("Zoë Secret")],  # a namesake at a school of the trust
        [profile("Z", "zoe@secret.example"), appointed("Z", "Elm")],  # the address, elsewhere
        [profile("Z", "zoe@secret.example"), appointed("Z"), ended("Z", date(2026, 11, 1))],
        [
            *(profile("Z", "zoe@secret.example"), appointed("Z")),
            *(profile("Y", "zoe@secret.example"), appointed("Y")),
        ],
    ],
)
async def test_whatever_is_doubtful_waits(mis: World, known: list[Any]) -> None:
    await mis.say(*known)
    assert await mis.told(event(REPORTED, staff_reported())) == ["taken"]
    assert await matched(mis) == []
    [found] = await waiting(mis)
    assert (found["external_id"], found["person_id"]) == ("E1", None)
    people = {str(each.person_id) for each in known if isinstance(each, said.PersonProfile)}
    assert {each["person_id"] for each in found["candidates"]} == people


async def test_a_namesake_at_somebody_elses_school_is_no_candidate(mis: World) -> None:
    await mis.say(profile("Zoë Secret"), appointed("Zoë Secret", "Elm"))
    await mis.told(event(REPORTED, staff_reported()))
    assert await matched(mis) == [(str(new_person(RECORD)), "new_person")]


async def test_a_person_decides_and_once(mis: World) -> None:
    await mis.say(profile("Zoë Secret"), appointed("Zoë Secret"))
    await mis.told(event(REPORTED, staff_reported()))
    [found] = await waiting(mis)
    path, zoe = f"/matches/{found['match_id']}", str(named("Zoë Secret"))
    for wrong in ({}, {"person_id": zoe, "new_person": True}, {"person_id": str(uuid4())}):
        assert (await mis.office("POST", path, wrong)).status_code == 422
    answers = await asyncio.gather(
        *(mis.office("POST", path, {"person_id": zoe}) for _ in range(3)),
        mis.office("POST", path, {"new_person": True}),
    )
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    assert len(await matched(mis)) == 1
    assert await waiting(mis) == []
    assert problem(await mis.office("POST", f"/matches/{uuid4()}", {"new_person": True})) == (
        404,
        "match-unknown",
    )


async def test_a_trust_decides_on_its_own_staff_among_its_own_people(mis: World) -> None:
    await mis.say(profile("Zoë Secret"), appointed("Zoë Secret"))
    await mis.say(profile("Z", "zoe@secret.example"), appointed("Z", "Elm"))
    await mis.told(event(REPORTED, staff_reported()))
    own: dict[str, Any] = {"groups": [named("Solent")]}
    other: dict[str, Any] = {"groups": [named("Downs")]}
    [found] = await waiting(mis, "trust", **own)
    assert [each["name"] for each in found["candidates"]] == ["Zoë Secret"]
    assert len((await waiting(mis))[0]["candidates"]) == 2
    assert await waiting(mis, "trust", **other) == []
    path = f"/matches/{found['match_id']}"
    anothers = {"person_id": str(named("Z"))}
    mine = {"person_id": str(named("Zoë Secret"))}
    assert (await mis.office("POST", path, mine, "trust", **other)).status_code == 404
    assert (await mis.office("POST", path, anothers, "trust", **own)).status_code == 422
    assert (await mis.office("POST", path, mine, "school")).status_code == 403
    assert (await mis.office("POST", path, mine, "trust", **own)).status_code == 200
    assert await matched(mis) == [(str(named("Zoë Secret")), "decision")]


async def test_a_trust_says_what_its_role_codes_mean(mis: World) -> None:
    path = f"/trusts/{named('Solent')}/roles"
    own: dict[str, Any] = {"groups": [named("Solent")]}
    told = event(REPORTED, staff_reported())
    await mis.told(told)
    roles = {"roles": {"HOD": "middle_leader", "HT": "headteacher"}}
    assert (await mis.office("PUT", path, roles, "trust", **own)).json() == roles
    assert (await mis.office("GET", path)).json() == roles
    anothers = await mis.office("PUT", path, roles, "trust", groups=[named("Downs")])
    assert problem(anothers) == (404, "trust-unknown")
    assert (await mis.office("PUT", path, {"roles": {"HOD": "king"}})).status_code == 422
    assert await mis.told(event(REPORTED, staff_reported(), "2")) == ["taken"]
    found = [fact["role"] for kind, fact in await mis.facts() if kind == "StaffReported"]
    assert found == ["other", "middle_leader"]


async def test_erasing_a_person_takes_what_their_trust_calls_them(mis: World) -> None:
    await mis.say(profile("Z. Secret", "zoe@secret.example", "Zoë"), appointed("Zoë"))
    await mis.told(event(REPORTED, staff_reported()))
    await mis.say(said.PersonErased(person_id=named("Zoë")))
    await mis.say(profile("Z. Secret", "zoe@secret.example", "Zoë"))  # came late
    assert ("StaffProfileErased", None) in await mis.facts()
    assert "StaffProfile" not in dict(await mis.facts())
    assert problem(await mis.tell(event(REPORTED, staff_reported(), "2")))[0] == 410
    tables = await mis.integration.pool.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    for table in tables:
        rows = await mis.integration.pool.fetch(f"SELECT t::text FROM {table[0]} AS t")  # noqa: S608
        assert "ecret" not in "".join(row[0] for row in rows), table[0]


async def test_a_candidate_who_is_erased_is_one_no_more(mis: World) -> None:
    await mis.say(profile("Zoë Secret"), appointed("Zoë Secret"))
    await mis.told(event(REPORTED, staff_reported()))
    [found] = await waiting(mis)
    await mis.say(said.PersonProfileErased(person_id=named("Zoë Secret")))
    assert (await waiting(mis))[0]["candidates"] == []
    path = f"/matches/{found['match_id']}"
    gone = await mis.office("POST", path, {"person_id": str(named("Zoë Secret"))})
    assert problem(gone) == (422, "candidate-unknown")
    assert (await mis.office("POST", path, {"new_person": True})).status_code == 200


async def test_the_id_of_a_record_that_was_merged_means_the_person_who_stays(mis: World) -> None:
    await mis.say(
        profile("Z. Secret", person="Old"), profile("Zoë Secret"), appointed("Zoë Secret")
    )
    await mis.told(event(REPORTED, staff_reported()))
    [found] = await waiting(mis)
    await mis.say(said.PeopleMerged(person_id=named("Zoë Secret"), merged_person_id=named("Old")))
    own: dict[str, Any] = {"groups": [named("Solent")]}
    path = f"/matches/{found['match_id']}"
    chosen = await mis.office("POST", path, {"person_id": str(named("Old"))}, "trust", **own)
    assert chosen.json()["person_id"] == str(named("Zoë Secret"))
    assert await matched(mis) == [(str(named("Zoë Secret")), "decision")]


async def test_reports_and_the_erasure_at_once_leave_no_name_behind(mis: World) -> None:
    await mis.say(profile("Z. Secret", "zoe@secret.example", "Zoë"), appointed("Zoë"))
    await mis.told(event(REPORTED, staff_reported()))

    async def report(number: int) -> int:
        data = staff_reported(role_title=f"Secret {number}")
        return (await mis.tell(event(REPORTED, data, f"r{number}"))).status_code

    *statuses, _ = await asyncio.gather(
        *(report(number) for number in range(6)), mis.say(said.PersonErased(person_id=named("Zoë")))
    )
    assert set(statuses) <= {200, 410}
    [row] = await mis.integration.pool.fetch("SELECT name, email, role_title, erased FROM staff")
    assert tuple(row) == (None, None, None, True)
    profiles = [kind for kind, _ in await mis.facts() if kind.startswith("StaffProfile")]
    assert profiles == ["StaffProfileErased"]


def test_the_id_of_a_new_person_follows_from_the_record() -> None:
    assert new_person(RECORD) == new_person(RECORD) != new_person(f"{RECORD}0")
