"""Who may ask: valid tokens of our issuer, and the roles that a route is for."""

import asyncio
import base64
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.problems import Unauthorised
from shared.web import Authenticator, LocalIssuer
from shared.web.auth import REMEMBERED_SECONDS
from shared.web.keys import IssuerAway, IssuerKeys
from tests.service.web.things import Api


async def ask(api: Api, token: str | None) -> tuple[int, str, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = await api.client.get("/things", headers=headers)
    challenge = response.headers.get("www-authenticate", "")
    return response.status_code, response.json().get("detail", ""), challenge


async def test_a_valid_token_is_let_in(api: Api) -> None:
    assert (await ask(api, api.issuer.issue("office", "ada")))[0] == 200


async def test_no_token(api: Api) -> None:
    status, detail, challenge = await ask(api, None)
    assert status == 401
    assert "Authorization: Bearer" in detail
    assert challenge == "Bearer"


async def test_an_expired_token(api: Api) -> None:
    token = api.issuer.issue("office", "ada", lifetime=timedelta(minutes=-1))
    status, detail, challenge = await ask(api, token)
    assert (status, detail) == (401, "The token has expired. Get a new one.")
    assert challenge == 'Bearer error="invalid_token"'


async def test_a_token_of_another_issuer(api: Api, tmp_path: Path) -> None:
    other = LocalIssuer(tmp_path / "other", issuer="https://elsewhere.example")
    status, detail, _ = await ask(api, other.issue("office", "ada"))
    assert status == 401
    assert "another issuer" in detail


async def test_a_token_of_someone_who_only_calls_himself_the_issuer(
    api: Api, tmp_path: Path
) -> None:
    forger = LocalIssuer(tmp_path / "forger")
    status, detail, _ = await ask(api, forger.issue("office", "ada"))
    assert status == 401
    assert "signed by a key that" in detail


async def test_a_token_that_was_changed(api: Api) -> None:
    head, body, signature = api.issuer.issue("school", "ada").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    raised = base64.urlsafe_b64encode(json.dumps({**claims, "role": "office"}).encode())
    status, detail, _ = await ask(api, f"{head}.{raised.decode().rstrip('=')}.{signature}")
    assert status == 401
    assert "signature" in detail


async def test_a_token_for_another_audience(api: Api, tmp_path: Path) -> None:
    same_keys = LocalIssuer(api.app.state.context.settings.local_keys, audience="other")
    status, detail, _ = await ask(api, same_keys.issue("office", "ada"))
    assert status == 401
    assert "audience" in detail


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_without_a_real_signature(api: Api, algorithm: str) -> None:
    claims = {
        "iss": "https://aspire.localhost",
        "aud": "aspire",
        "sub": "ada",
        "role": "office",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }
    secret = None if algorithm == "none" else "a secret that the whole world knows about"
    status, detail, _ = await ask(api, jwt.encode(claims, secret or "", algorithm=algorithm))
    assert status == 401
    assert "must be signed with" in detail


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "é"])
async def test_what_is_no_token(api: Api, token: str) -> None:
    header = (b"Authorization", f"Bearer {token}".encode())
    response = await api.client.get("/things", headers=[header])
    assert response.status_code == 401


async def test_the_wrong_role(api: Api) -> None:
    status, detail, _ = await ask(api, api.issuer.issue("participant", "ada"))
    assert status == 403
    assert detail == "The role “participant” may not do this; it is for office and adviser."


async def test_a_command_asks_for_the_token_before_anything_else(api: Api) -> None:
    assert (await api.client.post("/things", content=b"{")).status_code == 401


async def test_the_scope_is_in_the_token(tmp_path: Path) -> None:
    issuer = LocalIssuer(tmp_path)
    network, school, group, person = uuid4(), uuid4(), uuid4(), uuid4()
    token = issuer.issue(
        "adviser", "bob", networks=[network], schools=[school], groups=[group], person=person
    )
    keys = Authenticator.of(issuer.issuer, issuer.audience, issuer.jwks_url)
    actor = await keys.actor(f"bearer {token}")
    assert (actor.subject, actor.role, actor.person) == ("bob", "adviser", person)
    assert [set(ids) for ids in (actor.networks, actor.schools, actor.groups)] == [
        {network},
        {school},
        {group},
    ]


async def test_a_new_key_of_the_issuer_is_fetched(tmp_path: Path) -> None:
    first, second = LocalIssuer(tmp_path / "1"), LocalIssuer(tmp_path / "2")
    jwks = tmp_path / "jwks.json"
    jwks.write_bytes((tmp_path / "1" / "jwks.json").read_bytes())
    keys = IssuerKeys(first.issuer, jwks.as_uri(), cooldown_seconds=0)
    authenticator = Authenticator(issuer=first.issuer, audience="aspire", keys=keys)
    await authenticator.actor(f"Bearer {first.issue('office', 'ada')}")
    jwks.write_bytes((tmp_path / "2" / "jwks.json").read_bytes())
    await authenticator.actor(f"Bearer {second.issue('office', 'ada')}")
    with pytest.raises(Unauthorised, match="does not have"):
        await authenticator.actor(f"Bearer {first.issue('office', 'ada')}")


async def test_a_good_token_is_checked_again_when_it_expires_and_from_time_to_time(
    tmp_path: Path,
) -> None:
    issuer, now = LocalIssuer(tmp_path), time.time()
    keys = IssuerKeys(issuer.issuer, issuer.jwks_url, lifetime_seconds=0, cooldown_seconds=0)
    authenticator = Authenticator(
        issuer=issuer.issuer, audience="aspire", keys=keys, now=lambda: now
    )
    short, long = (
        f"Bearer {issuer.issue('office', 'ada', lifetime=timedelta(seconds=seconds))}"
        for seconds in (10, 3600)
    )
    for token in (short, long):
        await authenticator.actor(token)
    LocalIssuer(tmp_path / "other")
    (tmp_path / "jwks.json").write_bytes((tmp_path / "other" / "jwks.json").read_bytes())
    now += 11
    with pytest.raises(Unauthorised, match="does not have"):
        await authenticator.actor(short)
    await authenticator.actor(long)
    now += REMEMBERED_SECONDS
    with pytest.raises(Unauthorised, match="does not have"):
        await authenticator.actor(long)


async def test_keys_of_other_kinds_work_too(tmp_path: Path) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    jwks = tmp_path / "jwks.json"
    jwks.write_text(
        json.dumps(
            {
                "keys": [
                    {**RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True), "kid": "r"},
                    {**ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True), "kid": "e"},
                ]
            }
        )
    )
    authenticator = Authenticator.of("https://id.example", "aspire", jwks.as_uri())
    claims = {
        "iss": "https://id.example",
        "aud": ["aspire", "other"],
        "sub": "ada",
        "role": "office",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }
    for key, algorithm, kid in ((rsa_key, "RS256", "r"), (ec_key, "ES256", "e")):
        token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
        assert (await authenticator.actor(f"Bearer {token}")).subject == "ada"


async def test_without_the_issuers_keys_nobody_is_refused_for_a_wrong_token(
    tmp_path: Path,
) -> None:
    issuer = LocalIssuer(tmp_path / "keys")
    missing = (tmp_path / "missing.json").as_uri()
    authenticator = Authenticator.of(issuer.issuer, issuer.audience, missing)
    with pytest.raises(IssuerAway):
        await authenticator.actor(f"Bearer {issuer.issue('office', 'ada')}")


async def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    made = await asyncio.gather(*(asyncio.to_thread(LocalIssuer, tmp_path) for _ in range(8)))
    authenticator = Authenticator.of(made[0].issuer, "aspire", made[0].jwks_url)
    for issuer in made:
        await authenticator.actor(f"Bearer {issuer.issue('office', 'ada')}")
    assert (tmp_path / "signing-key.pem").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["jwks.json", "signing-key.pem"]  # noqa: PTH208
