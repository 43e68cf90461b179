"""A trust's OneRoster file: first what it would change, then the change."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from services.integration.api import roster_reading
from services.integration.domain.oneroster import RosterRefused
from shared.clock import FixedClock
from tests.service.integration.roster import (
    ACTIVE,
    GONE,
    ORG,
    ROLE,
    USER,
    bulk,
    delta,
    manifest,
    packed,
    table,
)
from tests.service.integration.world import World, joined, named, school, trust
from tests.service.membership.office import problem

ANN = USER | {"sourcedId": "user-ann", "givenName": "Ann", "email": "ann@secret.example"}
ANNS_ROLE = ROLE | {"sourcedId": "role-ann", "userSourcedId": "user-ann", "role": "principal"}


@pytest_asyncio.fixture
async def mis(world: World) -> World:
    await world.say(trust("Solent"), trust("Downs"), school("Ash", 100001), school("Elm", 100002))
    await world.say(joined("Solent", "Ash"), joined("Downs", "Elm"))
    await world.connected("Solent")
    return world


async def sent(mis: World, path: str, body: bytes, **query: str) -> httpx.Response:
    return await mis.integration.client.post(
        f"/mis/roster{path}",
        content=body,
        params=query,
        headers={"Content-Type": "application/zip", "Idempotency-Key": uuid4().hex},
        auth=httpx.BasicAuth(str(named("Solent")), mis.secrets["Solent"]),
    )


async def previewed(mis: World, body: bytes) -> dict[str, Any]:
    answer = await sent(mis, "/preview", body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def applied(mis: World, body: bytes) -> dict[str, Any]:
    """What was shown before, and was changed then."""
    shown = await previewed(mis, body)
    answer = await sent(mis, "", body, digest=shown["digest"])
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    assert done == shown | {"applied": True}
    return done


def changes(shown: dict[str, Any]) -> list[tuple[str, Any, str]]:
    return [(row["file"], row["line"], row["what"]) for row in shown["rows"]]


async def posts(mis: World) -> list[tuple[Any, ...]]:
    rows = await mis.integration.pool.fetch(
        "SELECT external_id, name, role_code, from_on::text, to_on::text FROM staff ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def test_a_preview_says_what_would_change_and_changes_nothing(mis: World) -> None:
    pupil = ROLE | {"sourcedId": "role-pupil", "userSourcedId": "user-pupil", "role": "student"}
    stranger = ROLE | {"sourcedId": "role-x", "userSourcedId": "user-x"}
    body = bulk(users=[USER, ANN], roles=[ROLE, pupil, ANNS_ROLE, stranger])
    shown = await previewed(mis, body)
    assert not shown["applied"]
    assert shown["passed_over"] == 1
    assert changes(shown) == [
        ("orgs", 2, "school"), ("roles", 2, "new"), ("roles", 4, "new"), ("roles", 5, "refused"),
    ]  # fmt: skip
    assert shown["rows"][-1]["why"].endswith("userSourcedId is nobody in users.csv, now or before.")
    assert (shown["counts"]["new"], shown["counts"]["refused"]) == (2, 1)
    assert await mis.facts() == []
    assert await posts(mis) == []
    assert "ecret" not in str(shown)


async def test_what_was_shown_is_applied(mis: World) -> None:
    trn = {"userIds": "{SIMS:77},{TRN:7654321}"}
    await applied(mis, bulk(users=[USER | trn, ANN], roles=[ROLE, ANNS_ROLE]))
    assert await posts(mis) == [
        ("role-ann", "Ann Secret", "principal", "2026-09-01", None),
        ("role-zoe", "Zoë Secret", "teacher", "2026-09-01", None),
    ]
    assert await mis.integration.pool.fetchval("SELECT count(*) FROM staff_trn") == 1
    again = await applied(mis, bulk(users=[USER | trn, ANN], roles=[ROLE, ANNS_ROLE]))
    assert again["counts"]["unchanged"] == 3
    assert changes(again) == []


async def test_who_is_not_in_a_bulk_file_any_more_has_left(mis: World) -> None:
    await applied(mis, bulk(users=[USER, ANN], roles=[ROLE, ANNS_ROLE]))
    done = await applied(mis, bulk(users=[ANN], roles=[ANNS_ROLE | {"role": "teacher"}]))
    assert changes(done) == [("roles", 2, "changed"), ("roles", None, "leaving")]
    assert (await posts(mis))[1][-1] == "2026-11-02"
    assert (
        changes(await applied(mis, bulk(users=[ANN], roles=[ANNS_ROLE | {"role": "teacher"}])))
        == []
    )


async def test_a_delta_says_what_is_different_and_ends_nobody_else(
    mis: World, clock: FixedClock
) -> None:
    await applied(mis, bulk(users=[USER, ANN], roles=[ROLE, ANNS_ROLE]))
    married = USER | ACTIVE | {"familyName": "Newname"}
    assert changes(await applied(mis, delta(users=[married]))) == [("users", 2, "changed")]
    assert (await posts(mis))[1][1] == "Zoë Newname"
    clock.advance(timedelta(days=1))
    second = ROLE | ACTIVE | {"sourcedId": "role-two", "beginDate": ""}
    assert changes(await applied(mis, delta(roles=[second]))) == [("roles", 2, "new")]
    assert (await posts(mis))[1] == ("role-two", "Zoë Newname", "teacher", "2026-11-03", None)
    gone = ROLE | GONE | {"endDate": "2026-11-01"}
    assert changes(await applied(mis, delta(roles=[gone]))) == [("roles", 2, "leaving")]
    assert changes(await applied(mis, delta(users=[ANN | GONE]))) == [("users", 2, "leaving")]
    assert [row[-1] for row in await posts(mis)] == ["2026-11-03", None, "2026-11-01"]


async def test_nothing_is_applied_that_was_not_shown(mis: World) -> None:
    shown = await previewed(mis, bulk())
    other = bulk(users=[USER, ANN], roles=[ROLE, ANNS_ROLE])
    refused = await sent(mis, "", other, digest=shown["digest"])
    assert problem(refused) == (409, "roster-changed")
    assert await posts(mis) == []
    assert (await sent(mis, "", bulk())).status_code == 422
    answers = await asyncio.gather(
        *(sent(mis, "", bulk(), digest=shown["digest"]) for _ in range(3))
    )
    assert sorted(each.status_code for each in answers) == [200, 409, 409]


async def test_a_row_is_refused_by_file_and_line_and_without_its_values(mis: World) -> None:
    elm = ORG | {"sourcedId": "org-elm", "identifier": "100002"}
    unnumbered = ORG | {"sourcedId": "org-x", "identifier": "Secret"}
    roles = [
        ROLE | {"orgSourcedId": "org-elm"},
        ROLE | {"sourcedId": "zoe@secret.example"},
        ROLE | {"sourcedId": "r3", "beginDate": "01/09/2026"},
        ROLE | {"sourcedId": "r4", "endDate": "2026-08-01"},
        ROLE | {"sourcedId": "r5", "orgSourcedId": "org-x"},
        ROLE | {"sourcedId": "r6", "role": "Secret role"},
    ]
    shown = await previewed(mis, bulk(orgs=[ORG, elm, unnumbered], roles=roles))
    why = {(row["file"], row["line"]): row["why"] for row in shown["rows"] if row["why"]}
    expected = {
        ("orgs", 3): "not the trust's",
        ("orgs", 4): "six digits",
        ("roles", 2): "not the trust's",
        ("roles", 3): "sourcedId: ",
        ("roles", 4): "beginDate: ",
        ("roles", 5): "run backwards",
        ("roles", 6): "orgSourcedId is no school",
        ("roles", 7): "role: ",
    }
    assert set(why) == set(expected)
    for where, words in expected.items():
        assert words in why[where], why[where]
    assert "ecret" not in str(shown)


def headed(name: str, *columns: str) -> bytes:
    return ",".join(columns).encode() + b"\r\n" if columns else table(name, [])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no zip"),
        (b"PK\x03\x04 not really", "no zip"),
        (bulk()[:-60], "no zip"),
        (packed({}), "no manifest.csv"),
        (packed({"roster/manifest.csv": manifest(roles="bulk")}), "in no folder"),
        (bulk(manifest=b"\xff\xfe"), "UTF-8"),
        (bulk(manifest=b"name,worth\r\n"), "header of manifest.csv"),
        (bulk(manifest=b"propertyName,value\r\noneroster.version,1.1\r\n"), "manifest.version"),
        (bulk(manifest=manifest(orgs="bulk", users="bulk", roles="some")), "bulk, delta or absent"),
        (bulk(manifest=manifest(orgs="bulk", users="absent", roles="absent")), "neither roles"),
        (bulk(manifest=manifest(orgs="bulk", users="bulk", roles="absent")), "roles.csv is in"),
        (bulk(manifest=manifest(orgs="bulk", users="bulk")), "not in manifest.csv"),
        (
            bulk(manifest=manifest(orgs="bulk", users="bulk", roles="bulk", courses="bulk")),
            "courses.csv is not in the zip",
        ),
        (bulk(manifest=manifest(orgs="delta", users="bulk", roles="bulk")), "both alike"),
        (bulk(users=[USER | GONE]), "a bulk file has no status"),
        (delta(users=[USER]), "active or tobedeleted"),
        (bulk(users=headed("users", "sourcedId", "givenName")), "header of users.csv"),
        (bulk(users="sourcedId;status".encode("utf-16")), "UTF-8"),
        (bulk(users=table("users", [USER]) + "é".encode("cp1252")), "UTF-8"),
        (bulk(users=table("users", [USER]) + b'x,"y"z'), "users.csv, line 3"),
        (bulk(users=table("users", [USER]) + b"x,y\r\n"), "2 values under 23 columns"),
        (bulk(users=[USER, USER]), "was there before"),
        (bulk(roles=table("roles", []) + b"x" * 200_000), "roles.csv, line"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_with_its_reason(body: bytes, says: str) -> None:
    with pytest.raises(RosterRefused, match=re.escape(says)):
        roster_reading.read(body)


async def test_a_zip_bomb_is_not_unzipped(mis: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_reading, "MOST_UNZIPPED", 1024 * 1024)
    bomb = bulk(users=table("users", []) + b"\r\n" * 8_000_000)
    assert len(bomb) < 20_000
    answer = await sent(mis, "/preview", bomb)
    assert problem(answer) == (422, "roster-refused")
    assert "larger than 1 MB unzipped" in answer.json()["detail"]


async def test_the_office_may_do_it_for_a_trust_and_a_trust_for_itself_alone(mis: World) -> None:
    path = f"/trusts/{named('Solent')}/roster/preview"
    token = {"Authorization": f"Bearer {mis.issuer.issue('office', 'ada')}"}
    for headers, status in ((token, 200), ({}, 401)):
        answer = await mis.integration.client.post(
            path, content=bulk(), headers=headers | {"Idempotency-Key": uuid4().hex}
        )
        assert answer.status_code == status, answer.text
    answer = await mis.integration.client.post(
        path,
        content=bulk(),
        headers={"Idempotency-Key": uuid4().hex},
        auth=httpx.BasicAuth(str(named("Solent")), mis.secrets["Solent"]),
    )
    assert answer.status_code == 401
