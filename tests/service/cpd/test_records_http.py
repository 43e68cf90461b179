"""A person's record and own records through HTTP: totals, scopes, and what is refused."""

from datetime import date
from typing import Any
from uuid import uuid4

from services.cpd.effects import effects
from shared.events import membership
from shared.events.vocabulary import Attendance
from shared.messaging.connections import acquire
from tests.service.cpd.world import (
    World,
    appointed,
    delivered,
    held,
    left,
    merged,
    named,
    received,
)

ANNE = f"/people/{named('Anne')}"
OWN = {"hours": "1.5", "strand": "leadership", "earned_on": "2026-08-31", "title": "A course"}


async def test_a_record_adds_up(world: World) -> None:
    await world.say(
        appointed("Anne"), held("day", ("Anne", Attendance.ATTENDED)), delivered("Anne")
    )
    created = await world.post(f"{ANNE}/own-records", OWN)
    assert created.status_code == 201
    record = await world.record("Anne")
    assert record["person_id"] == str(named("Anne"))
    assert (record["year"], record["hours"]) == (None, "9.00")
    assert record["by_source"] == {
        "network_day": "5.50", "development_day": "2.00", "own_record": "1.50",
    }  # fmt: skip
    assert record["by_strand"]["leadership"] == "7.00"
    assert record["by_strand"]["pedagogy_and_curriculum"] == "0.00"
    assert record["by_year"] == {"2025-26": "1.50", "2026-27": "7.50"}
    of_a_year = await world.record("Anne", "?year=2025-26")
    assert (of_a_year["year"], of_a_year["hours"]) == ("2025-26", "1.50")


async def test_merged_people_read_as_one(world: World) -> None:
    await world.say(
        appointed("Anne"), appointed("Anna"), held("day", ("Anna", Attendance.LATE)),
        delivered("Anne"), merged("Anne", "Anna"),
    )  # fmt: skip
    by_either = [await world.record("Anne"), await world.record("Anna")]
    assert by_either[0] == by_either[1]
    assert by_either[0]["hours"] == "7.50"
    own = await world.get(f"{ANNE}/record", "participant", person=named("Anna"))
    assert own.status_code == 200


async def test_an_own_record_is_an_event_without_its_title(world: World) -> None:
    await world.say(appointed("Anne"))
    created = (await world.post(f"{ANNE}/own-records", OWN)).json()
    (event,) = await world.cpd.journal()
    assert event["key"] == str(named("Anne"))
    assert "A course" not in event["payload"]
    assert (created["school_id"], created["title"]) == (None, "A course")
    in_post = await world.post(f"{ANNE}/own-records", OWN | {"earned_on": "2026-09-01"})
    assert in_post.json()["school_id"] == str(named("Ash"))


async def test_an_own_record_is_revoked_once(world: World) -> None:
    await world.say(appointed("Anne"))
    created = (await world.post(f"{ANNE}/own-records", OWN)).json()
    path = f"{ANNE}/own-records/{created['credit_id']}/revocation"
    assert (await world.post(path)).json()["revoked"] is True
    assert (await world.post(path)).status_code == 409
    assert (await world.record("Anne"))["hours"] == "0.00"
    (item,) = (await world.get(f"{ANNE}/credits")).json()["items"]
    assert item["revoked"] is True
    types = [row["type"].rsplit(".", 2)[1] for row in await world.cpd.journal("type")]
    assert types == ["CpdCredited", "CpdRevoked"]


async def test_the_credit_of_a_day_is_no_own_record(world: World) -> None:
    (credit,) = await world.say(held("day", ("Anne", Attendance.ATTENDED)))
    await world.say(appointed("Anne"), appointed("Ben"))
    for path in (
        f"{ANNE}/own-records/{credit.credit_id}/revocation",  # type: ignore[attr-defined]
        f"{ANNE}/own-records/{uuid4()}/revocation",
    ):
        assert (await world.post(path)).status_code == 404
    created = (await world.post(f"{ANNE}/own-records", OWN)).json()
    of_another = f"/people/{named('Ben')}/own-records/{created['credit_id']}/revocation"
    assert (await world.post(of_another)).status_code == 404


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"hours": "-1"}, ["#/hours"]),
    ({"hours": "0"}, ["#/hours"]),
    ({"hours": "24.25"}, ["#/hours"]),
    ({"hours": "1.1"}, ["#/hours"]),
    ({"hours": "1e99"}, ["#/hours"]),
    ({"hours": "many"}, ["#/hours"]),
    ({"strand": "juggling"}, ["#/strand"]),
    ({"earned_on": "2026-11-26"}, ["#/earned_on"]),
    ({"earned_on": "2016-11-24"}, ["#/earned_on"]),
    ({"earned_on": "tomorrow"}, ["#/earned_on"]),
    ({"title": "x" * 201}, ["#/title"]),
    ({"grade": "A"}, ["#/grade"]),
    ({"hours": "-1", "earned_on": "2030-01-01"}, ["#/hours", "#/earned_on"]),
]


async def test_a_wrong_own_record_is_refused_field_by_field(world: World) -> None:
    await world.say(appointed("Anne"))
    for change, pointers in REFUSED:
        answer = await world.post(f"{ANNE}/own-records", OWN | change)
        assert answer.status_code == 422, change
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert await world.cpd.journal() == []


async def test_a_year_that_is_none_is_refused(world: World) -> None:
    await world.say(appointed("Anne"))
    for year in ("2026", "2026-28", "next"):
        answer = await world.get(f"{ANNE}/record?year={year}")
        assert answer.status_code == 422, year
        assert answer.json()["errors"][0]["pointer"] == "/query/year"


async def test_somebody_unknown_is_not_found(world: World) -> None:
    nobody = f"/people/{uuid4()}"
    assert (await world.get(f"{nobody}/record")).status_code == 404
    assert (await world.get(f"{nobody}/credits")).status_code == 404
    assert (await world.post(f"{nobody}/own-records", OWN)).status_code == 404


READING: list[tuple[str, dict[str, Any], int]] = [
    ("office", {}, 200),
    ("school", {"schools": [named("Ash")]}, 200),
    ("school", {"schools": [named("Birch")]}, 404),
    ("school", {"schools": [named("Cedar")]}, 404),  # left it
    ("trust", {"groups": [named("Trust")]}, 200),
    ("trust", {"groups": [named("Former trust")]}, 404),
    ("participant", {"person": named("Anne")}, 200),
    ("participant", {"person": named("Ben")}, 404),
    ("participant", {}, 404),
    ("adviser", {"networks": [named("network")]}, 403),
    ("operations", {}, 403),
]


async def test_a_record_is_read_by_those_whom_it_concerns(world: World) -> None:
    await world.say(
        appointed("Anne"), appointed("Anne", "Cedar"), left("Anne", date(2026, 11, 24), "Cedar"),
        *(
            membership.SchoolJoinedGroup(
                group_id=named(group), school_id=named("Ash"), joined_on=date(2020, 1, 1)
            )
            for group in ("Trust", "Former trust")
        ),
        membership.SchoolLeftGroup(
            group_id=named("Former trust"), school_id=named("Ash"), left_on=date(2026, 11, 25)
        ),
    )  # fmt: skip
    for role, scope, status in READING:
        for what in ("record", "credits"):
            answer = await world.get(f"{ANNE}/{what}", role, **scope)
            assert answer.status_code == status, (role, scope, what)
        if role != "trust":
            answer = await world.post(f"{ANNE}/own-records", OWN, role, **scope)
            assert answer.status_code == {200: 201}.get(status, status), (role, scope)
    refused = await world.post(f"{ANNE}/own-records", OWN, "trust", groups=[named("Trust")])
    assert refused.status_code == 403


async def test_credits_come_in_pages(world: World) -> None:
    await world.say(appointed("Anne"))
    for number in range(5):
        await world.say(held(f"day {number}", ("Anne", Attendance.ATTENDED)))
    found, cursor = [], ""
    while True:
        page = (await world.get(f"{ANNE}/credits?limit=2{cursor}")).json()
        found += [item["credit_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(found) == len(set(found)) == 5


async def test_erasing_a_person_keeps_the_hours_and_takes_what_they_wrote(world: World) -> None:
    await world.say(appointed("Anne"), appointed("Anna"))
    await world.post(f"{ANNE}/own-records", OWN)
    await world.post(f"/people/{named('Anna')}/own-records", OWN)
    await world.say(membership.PersonErased(person_id=named("Anne")), merged("Anne", "Anna"))
    assert (await world.record("Anne"))["hours"] == "3.00"
    titles = await world.cpd.pool.fetch("SELECT title FROM own_record")
    assert [row["title"] for row in titles] == [None, None]
    kept = await world.cpd.pool.fetch("SELECT DISTINCT status FROM idempotency")
    assert [row["status"] for row in kept] == [410], "the answers are emptied"
    assert (await world.post(f"{ANNE}/own-records", OWN)).status_code == 404


async def test_many_erasures_at_once_read_the_stored_answers_once(world: World) -> None:
    erasures = [
        received(n, 1, membership.PersonErased(person_id=named(f"person {n}"))) for n in range(3)
    ]
    effect = effects.of(membership.PersonErased.type)
    assert effect is not None
    statements: list[str] = []
    async with acquire(world.cpd.pool) as connection, connection.transaction():
        with connection.query_logger(lambda logged: statements.append(logged.query)):
            await effect(connection, erasures)
    assert sum("UPDATE idempotency" in statement for statement in statements) == 1
