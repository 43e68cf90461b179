"""A trust is connected, rotated and revoked over HTTP, and its systems sign in."""

import asyncio
import base64
import json
from datetime import date, timedelta

import pytest

from shared.clock import FixedClock
from shared.events.vocabulary import GroupKind
from tests.service.integration.world import (
    NOW,
    World,
    connection,
    joined,
    left,
    named,
    school,
    trust,
    urn_changed,
)
from tests.service.membership.office import problem


async def test_a_trust_sees_its_own_schools_by_the_urns_of_today(world: World) -> None:
    await world.say(trust("Solent"), school("Ash", 100001), school("Elm", 100002))
    await world.say(school("Oak", 100003), joined("Solent", "Ash"), joined("Solent", "Elm"))
    await world.say(left("Solent", "Elm", date(2026, 9, 1)))
    await world.say(joined("Solent", "Oak", date(2026, 11, 3)))  # tomorrow
    await world.say(urn_changed("Ash", 100001, 140001, date(2026, 11, 2)))
    await world.say(urn_changed("Ash", 140001, 150001, date(2027, 1, 1)))
    secret = await world.connected("Solent")
    auth = (str(named("Solent")), secret)
    seen = (await world.integration.client.get("/mis/connection", auth=auth)).json()
    assert seen["connected"]
    assert seen["schools"] == [{"school_id": str(named("Ash")), "urn": 140001}]
    assert seen == (await world.office("GET", connection("Solent"))).json()


async def test_a_secret_stands_in_one_answer_and_nowhere_else(world: World) -> None:
    await world.say(trust("Solent"))
    made = await world.office("POST", connection("Solent"), key="once")
    secret = made.json()["secret"]
    again = await world.office("POST", connection("Solent"), key="once")
    assert problem(again) == (410, "answer-not-kept")
    assert again.headers["idempotency-replayed"] == "true"
    tables = await world.integration.pool.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    for table in tables:
        rows = await world.integration.pool.fetch(f"SELECT t::text FROM {table[0]} AS t")  # noqa: S608
        for row in rows:
            for written in (secret, secret.encode().hex()):
                assert written not in row[0], table[0]
    [event] = await world.integration.journal()
    assert event["type"] == "uk.aspire.integration.TrustConnected.v1"
    assert set(json.loads(event["payload"])) == {"trust_id", "credential_id"}


async def test_rotation_and_revocation_decide_what_is_accepted(
    world: World, clock: FixedClock
) -> None:
    await world.say(trust("Solent"), trust("Downs"))
    one, others = await world.connected("Solent"), await world.connected("Downs")
    rotation = await world.office("POST", f"{connection('Solent')}/rotation", {"overlap_hours": 2})
    two = rotation.json()["secret"]
    assert [await world.signed_in("Solent", each) for each in (one, two)] == [200, 200]
    clock.set(NOW + timedelta(hours=2))
    assert [await world.signed_in("Solent", each) for each in (one, two)] == [401, 200]
    revoked = await world.office("POST", f"{connection('Solent')}/revocation")
    assert not revoked.json()["connected"]
    assert await world.signed_in("Solent", two) == 401
    assert await world.signed_in("Downs", others) == 200


async def test_nobody_gets_in_by_what_is_not_theirs(world: World) -> None:
    await world.say(trust("Solent"), trust("Downs"))
    secret = await world.connected("Solent")
    await world.connected("Downs")
    assert await world.signed_in("Downs", secret) == 401
    assert await world.signed_in("Nobody", secret) == 401
    whole = base64.b64encode(f"{named('Solent')}:{secret}".encode()).decode()
    for header in (None, f"Bearer {secret}", f"Basic {secret}", f"Basic {whole[:-6]}", "Basic é"):
        headers = [] if header is None else [(b"Authorization", header.encode())]
        answer = await world.integration.client.get("/mis/connection", headers=headers)
        assert problem(answer) == (401, "credentials-refused"), header
        assert answer.headers["www-authenticate"].startswith("Basic ")
    for path in ("", "/rotation", "/revocation"):
        answer = await world.integration.client.post(
            f"{connection('Solent')}{path}", auth=(str(named("Solent")), secret)
        )
        assert answer.status_code == 401, path


@pytest.mark.parametrize("role", ["adviser", "school", "trust", "participant", "operations"])
async def test_connections_are_the_offices(world: World, role: str) -> None:
    await world.say(trust("Solent"))
    for method, path in (("POST", ""), ("GET", ""), ("POST", "/rotation"), ("POST", "/revocation")):
        answer = await world.office(method, f"{connection('Solent')}{path}", role=role)
        assert answer.status_code == 403, (method, path)


async def test_only_a_trust_is_connected_and_once(world: World) -> None:
    await world.say(trust("Solent"), trust("Friends", GroupKind.INFORMAL))
    assert problem(await world.office("POST", connection("Friends"))) == (404, "trust-unknown")
    answers = await asyncio.gather(*(world.office("POST", connection("Solent")) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    wrong = await world.office("POST", f"{connection('Solent')}/rotation", {"overlap_hours": 169})
    assert problem(wrong) == (422, "request-not-valid")
