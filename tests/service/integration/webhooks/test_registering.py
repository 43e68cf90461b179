"""Webhooks over HTTP: what may be registered, and that each is its trust's own."""

from typing import Any

import pytest

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.integration.receivers import (
    asked,
)
from tests.service.integration.world import (
    World,
    named,
    trust,
)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "#/url"),
        ({"url": "ftp://mis.example/"}, "#/url"),
        ({"url": "https://mis.example/", "types": []}, "#/types"),
        ({"url": "https://mis.example/", "types": ["uk.aspire.people.Profile.v1"]}, "#/types/0"),
        ({"url": "https://mis.example/", "start": "yesterday"}, "#/start"),
        ({"url": "https://mis.example/", "secret": "mine"}, "#/secret"),
    ],
)
async def test_what_is_wrong_in_a_registration_is_said(
    world: World, body: dict[str, Any], field: str
) -> None:
    await world.say(trust("Solent"))
    await world.connected("Solent")
    answer = await asked(world, "POST", "", body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [field]


async def test_a_trust_has_ten_at_most_and_the_secret_is_kept_sealed(world: World) -> None:
    await world.say(trust("Solent"))
    await world.connected("Solent")
    made = [await asked(world, "POST", "", {"url": "https://a.example/"}) for _ in range(11)]
    assert [each.status_code for each in made] == [201] * 10 + [409]
    secret = made[0].json()["secret"]
    rows = await world.integration.pool.fetch("SELECT s::text FROM webhook_secret AS s")
    stored = await world.integration.pool.fetch("SELECT k::text FROM idempotency AS k")
    assert secret not in str([*rows, *stored])
    shown = (await asked(world, "GET", "")).json()
    assert secret not in str(shown)


PATHS = [
    ("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/ping"), ("POST", "/waking"),
    ("POST", "/rotation"), ("POST", "/resending"),
]  # fmt: skip


async def test_each_path_is_the_trusts_own(world: World) -> None:
    await world.say(trust("Solent"), trust("Downs"))
    await world.connected("Solent")
    await world.connected("Downs")
    made = (await asked(world, "POST", "", {"url": "https://a.example/"})).json()
    for method, path in PATHS:
        body = {"since": "2026-11-01T00:00:00Z"} if path == "/resending" else None
        path = f"/{made['webhook_id']}{path}"
        other = await asked(world, method, path, body, "Downs")
        assert other.status_code == 404, path
        nobody = await world.integration.client.request(method, f"/mis/webhooks{path}", json=body)
        assert nobody.status_code == 401, path
        wrong = await world.office(method, f"/trusts/{named('Downs')}/webhooks{path}", body)
        assert wrong.status_code in (404, 405), path
        school_s = await world.office(
            method, f"/trusts/{named('Solent')}/webhooks{path}", body, role="adviser"
        )
        assert school_s.status_code in (403, 405, 404), path
    shown = await world.office("GET", f"/trusts/{named('Solent')}/webhooks")
    assert [each["webhook_id"] for each in shown.json()] == [made["webhook_id"]]
    assert (await asked(world, "GET", "", name="Downs")).json() == []


async def test_an_address_inside_a_network_is_refused(
    start: Start, issuer: LocalIssuer, clock: FixedClock
) -> None:
    async with start("integration", parts=("api",), clock=clock) as started:
        world = World(started, issuer)
        await world.say(trust("Solent"))
        await world.connected("Solent")
        for url in ("http://mis.example/", "https://127.0.0.1/", "https://localhost/"):
            refused = await asked(world, "POST", "", {"url": url})
            assert refused.status_code == 422, url
            assert refused.json()["type"].endswith("/address-refused")
