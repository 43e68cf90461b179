"""`POST /mis/events`: what trusts' systems tell is taken once, or refused with its reason."""

import asyncio
import base64
import json
from datetime import date
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.service.integration.world import (
    SOURCE,
    World,
    connection,
    event,
    joined,
    left,
    named,
    school,
    staff_reported,
    trust,
    urn_changed,
)
from tests.service.membership.office import problem

REPORTED = "StaffReported.v1"


@pytest_asyncio.fixture
async def mis(world: World) -> World:
    """Two trusts with a school each, and one that has none of them."""
    await world.say(trust("Solent"), trust("Downs"))
    await world.say(school("Ash", 100001), school("Elm", 100002), school("Oak", 100003))
    await world.say(joined("Solent", "Ash"), joined("Downs", "Elm"))
    for name in ("Solent", "Downs"):
        await world.connected(name)
    return world


async def test_a_report_becomes_a_fact_without_names_and_a_profile(mis: World) -> None:
    assert await mis.told(event(REPORTED, staff_reported(trn="1234567"))) == ["taken"]
    record = f"{named('Solent')}/E1"
    profile, fact = await mis.facts()
    assert profile == (
        "StaffProfile",
        {"record": record, "name": "Zoë Secret", "email": "zoe@secret.example"},
    )
    assert fact == (
        "StaffReported",
        {
            "record": record,
            "trust_id": str(named("Solent")),
            "external_id": "E1",
            "school_id": str(named("Ash")),
            "role_code": "HOD",
            "role": "other",
            "from_on": "2026-09-01",
            "to_on": None,
        },
    )
    [*_, row, _] = await mis.integration.journal("actor", "topic", "key")
    assert tuple(row) == (f"trust:{named('Solent')}", "aspire.mis", record)


async def test_each_mode_of_the_sdk_is_understood(mis: World) -> None:
    for number, write in enumerate((to_binary_event, to_structured_event)):
        attributes = {"type": f"uk.aspire.mis.{REPORTED}", "source": SOURCE, "id": f"Ü {number}",
                      "datacontenttype": "application/json"}  # fmt: skip
        message = write(CloudEvent(attributes, staff_reported(f"E{number}")))
        answer = await mis.integration.client.post(
            "/mis/events",
            content=message.body,
            headers=message.headers,
            auth=httpx.BasicAuth(str(named("Solent")), mis.secrets["Solent"]),
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["events"] == [
            {"source": SOURCE, "id": f"Ü {number}", "outcome": "taken", "refusal": None}
        ]
    packed = base64.b64encode(json.dumps(staff_reported("E2")).encode()).decode()
    assert await mis.told(event(REPORTED, None, "3", data_base64=packed)) == ["taken"]
    assert [name for name, _ in await mis.facts()].count("StaffReported") == 3


async def test_twice_is_once_by_source_and_id_of_a_trust(mis: World) -> None:
    first = event(REPORTED, staff_reported())
    assert await mis.told(first, first) == ["taken", "repeated"]
    assert await mis.told(first, first | {"source": "/other"}) == ["repeated", "unchanged"]
    elsewhere = event(REPORTED, staff_reported(school_urn=100002))
    assert await mis.told(elsewhere, name="Downs") == ["taken"]
    answers = await asyncio.gather(
        *(mis.told(event(REPORTED, staff_reported("E9"), "9")) for _ in range(5))
    )
    assert sorted(answers) == [["repeated"]] * 4 + [["taken"]]
    assert [name for name, _ in await mis.facts()].count("StaffReported") == 3


async def test_one_bad_event_of_a_batch_is_refused_and_may_be_sent_again_mended(
    mis: World,
) -> None:
    good, bad = event(REPORTED, staff_reported("E1"), "1"), staff_reported("E2", role_code="Head?")
    last = event(REPORTED, staff_reported("E3"), "3")
    answer = (await mis.tell([good, event(REPORTED, bad, "2"), 7, last])).json()
    assert (answer["taken"], answer["refused"]) == (2, 2)
    assert [each["outcome"] for each in answer["events"]] == [
        "taken",
        "refused",
        "refused",
        "taken",
    ]
    refusal = answer["events"][1]["refusal"]
    assert refusal["errors"][0]["pointer"] == "#/data/role_code"
    assert "Head?" not in json.dumps(answer), "what was sent may be about a person"
    assert await mis.told(event(REPORTED, staff_reported("E2"), "2"), good) == ["taken", "repeated"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (staff_reported(first="2026-09-02", last="2026-09-01"), "run backwards"),
        (staff_reported(first="01/09/2026"), "from"),
        (staff_reported(first="0001-01-01"), "from"),
        (staff_reported(external_id="zoe@secret.example"), "external_id"),
        (staff_reported(work_email="zoe"), "work_email"),
        (staff_reported(trn="12"), "trn"),
        (staff_reported(name="Zoë\x00"), "name"),
        (staff_reported(name="\ud800"), "data"),
        (staff_reported(born="1990-01-01"), "born"),
        (staff_reported(school_urn="100001"), "school_urn"),
        ([], "data"),
        (None, "data"),
    ],
)
async def test_data_that_is_not_valid_is_refused_with_its_field(
    mis: World, data: Any, said: str
) -> None:
    answer = await mis.tell(event(REPORTED, data))
    assert problem(answer) == (422, "event-not-valid")
    assert said in answer.json()["detail"]
    assert await mis.facts() == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"type": "uk.aspire.mis.StaffReported.v2"}, "event-type-unknown"),
        ({"type": "uk.aspire.mis.StaffPromoted.v1"}, "event-type-unknown"),
        ({"id": None}, "event-not-valid"),
        ({"id": ""}, "event-not-valid"),
        ({"id": 7}, "event-not-valid"),
        ({"id": "a\x00b"}, "event-not-valid"),
        ({"source": "s" * 256}, "event-not-valid"),
        ({"specversion": "0.3"}, "event-not-valid"),
        ({"specversion": None}, "event-not-valid"),
        ({"time": "yesterday"}, "event-not-valid"),
        ({"time": 7}, "event-not-valid"),
        ({"Odd_Name": "x"}, "event-not-valid"),
    ],
)
async def test_an_envelope_that_is_not_valid_is_refused(
    mis: World, change: dict[str, Any], kind: str
) -> None:
    answer = await mis.tell(event(REPORTED, staff_reported(), **change))
    assert problem(answer) == (422, kind)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "text/plain", 415),
        (b"{", "application/cloudevents+json", 422),
        (b"\xff", "application/cloudevents+json", 422),
        (b"[" * 100_000, "application/cloudevents+json", 422),
        (b"{}", "application/cloudevents-batch+json", 422),
        (b"[" * 100_000, "application/cloudevents-batch+json", 422),
        (b"[" + b"1," * 1000 + b"1]", "application/cloudevents-batch+json", 422),
        (b" " * 1_100_000, "application/cloudevents+json", 413),
    ],
)
async def test_what_is_no_cloudevent_is_refused(
    mis: World, content: bytes, media_type: str, status: int
) -> None:
    assert problem(await mis.tell(content, mode=media_type))[0] == status


async def test_a_school_has_to_be_the_trusts_on_the_day(mis: World) -> None:
    await mis.say(
        left("Solent", "Ash", date(2026, 11, 2)), joined("Downs", "Ash", date(2026, 11, 2))
    )
    gone = [
        event(REPORTED, staff_reported("E1"), "1"),
        event(REPORTED, staff_reported("E2", last="2026-11-01"), "2"),
        event(REPORTED, staff_reported("E3", first="2026-12-01"), "3"),
        event(REPORTED, staff_reported("E4", school_urn=100003), "4"),
        event("SchoolReported.v1", {"external_id": "S1", "school_urn": 100001}, "5"),
    ]
    refused = "not_the_trusts"
    assert await mis.told(*gone) == [refused, "taken", refused, refused, refused]
    assert await mis.told(gone[0], gone[1], gone[2], name="Downs") == ["taken", refused, "taken"]
    answer = await mis.tell(gone[0])
    assert problem(answer) == (422, "school-is-not-the-trusts")


async def test_a_urn_that_was_replaced_is_followed_and_one_that_nobody_has_is_refused(
    mis: World,
) -> None:
    await mis.say(urn_changed("Ash", 100001, 140001, date(2026, 10, 1)))
    assert await mis.told(
        event(REPORTED, staff_reported("E1"), "1"),
        event(REPORTED, staff_reported("E2", school_urn=140001), "2"),
        event(REPORTED, staff_reported("E3", school_urn=999999), "3"),
    ) == ["taken", "taken", "refused"]
    schools = {fact["school_id"] for name, fact in await mis.facts() if name == "StaffReported"}
    assert schools == {str(named("Ash"))}


async def test_two_members_of_staff_with_one_external_id(mis: World) -> None:
    assert await mis.told(
        event(REPORTED, staff_reported(), "1"),
        event(REPORTED, staff_reported(name="zoë  secret", work_email="zs@secret.example"), "2"),
        event(REPORTED, staff_reported(name="Zoë Married", work_email="ZS@secret.example"), "3"),
        event(REPORTED, staff_reported(name="Bo Other", work_email="bo@secret.example"), "4"),
    ) == ["taken", "taken", "taken", "refused"]
    answer = await mis.tell(event(REPORTED, staff_reported(name="Bo Other", work_email=None), "5"))
    assert problem(answer) == (409, "external-id-of-another")
    names = [fact["name"] for kind, fact in await mis.facts() if kind == "StaffProfile"]
    assert names == ["Zoë Secret", "zoë  secret", "Zoë Married"]


async def test_leaving_and_absences_are_of_people_who_were_reported(mis: World) -> None:
    unknown = await mis.tell(event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-10-01"}))
    assert problem(unknown) == (404, "staff-unknown")
    away = {"external_id": "E1", "from": "2026-11-02", "to": "2026-11-03"}
    assert await mis.told(
        event(REPORTED, staff_reported(), "1"),
        event("AbsenceReported.v1", away, "2"),
        event("AbsenceReported.v1", away | {"reason": "unwell"}, "3"),
        event("AbsenceReported.v1", away | {"to": "2026-11-01"}, "4"),
        event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-08-31"}, "5"),
        event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-12-31"}, "6"),
        event("StaffLeft.v1", {"external_id": "E1", "left_on": "2026-12-31"}, "7"),
    ) == ["taken", "taken", "refused", "refused", "refused", "taken", "unchanged"]
    facts = dict(await mis.facts())
    assert facts["StaffLeft"]["left_on"] == "2026-12-31"
    assert set(facts["AbsenceReported"]) == {
        "record", "trust_id", "external_id", "school_id", "from_on", "to_on",
    }  # fmt: skip


async def test_a_school_is_reported_under_the_trusts_own_id(mis: World) -> None:
    known = {"external_id": "S1", "school_urn": 100001}
    assert await mis.told(
        event("SchoolReported.v1", known, "1"), event("SchoolReported.v1", known, "2")
    ) == ["taken", "taken"]
    assert await mis.told(event("SchoolReported.v1", known, "3")) == ["unchanged"]
    assert {fact["school_id"] for _, fact in await mis.facts()} == {str(named("Ash"))}


async def test_credentials_that_are_none_wrong_revoked_or_anothers_bring_nothing_in(
    mis: World,
) -> None:
    told = event(REPORTED, staff_reported())
    await mis.office("POST", f"{connection('Downs')}/revocation")
    assert (await mis.integration.client.post("/mis/events", json=told)).status_code == 401
    for name, secret in (("Solent", "wrong"), ("Downs", None), ("Downs", mis.secrets["Solent"])):
        assert problem(await mis.tell(told, name, secret)) == (401, "credentials-refused")
    office = await mis.office("POST", "/mis/events", told)
    assert office.status_code == 401, "a token of ours is no trust's secret"
    assert await mis.facts() == []


async def test_erasing_a_record_takes_the_names_and_keeps_the_fact(mis: World) -> None:
    assert await mis.told(event(REPORTED, staff_reported())) == ["taken"]
    path = f"/trusts/{named('Solent')}/staff/E1/erasure"
    assert problem(await mis.office("POST", path.replace("E1", "E2"))) == (404, "staff-unknown")
    for _ in range(2):
        assert (await mis.office("POST", path)).json()["erased"]
    assert [name for name, _ in await mis.facts()] == ["StaffReported", "StaffProfileErased"]
    again = await mis.tell(event(REPORTED, staff_reported(), "2"))
    assert problem(again) == (410, "staff-erased")
    tables = await mis.integration.pool.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    for table in tables:
        rows = await mis.integration.pool.fetch(f"SELECT t::text FROM {table[0]} AS t")  # noqa: S608
        assert "ecret" not in "".join(row[0] for row in rows), table[0]
