"""What is sent to a trust's receiver: signed, in order, again where it failed, and never lost."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from fastapi import Response
from pydantic import SecretStr
from standardwebhooks import WebhookVerificationError

from deploy.cli.app import invoke
from services.integration.domain.webhooks import RETRIES
from services.integration.feeder import feed
from services.integration.sending import courier
from services.integration.sending.courier import LEASE, deliver
from shared.clock import FixedClock
from shared.events import membership as said
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.receivers import (
    Receiver,
    asked,
    at_work,
    receiver,
    registered,
    working,
)
from tests.service.integration.world import (
    World,
    event,
    joined,
    named,
    school,
    staff_reported,
    trust,
)
from tests.service.serving import served


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells the courier that the clock was moved, or that another process has written."""
    monkeypatch.setattr(courier, "LOOK_SECONDS", 0.05)


@pytest.fixture
def clock() -> FixedClock:
    """The real time, for receivers refuse what is old, until it is moved."""
    return FixedClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def world(start: Start, issuer: LocalIssuer, clock: FixedClock) -> AsyncIterator[World]:
    async with start("integration", parts=("api",), clock=clock, webhooks_inside=True) as started:
        yield World(started, issuer)


@pytest_asyncio.fixture
async def mis(world: World) -> AsyncIterator[World]:
    """Two trusts with a school each, at work."""
    await world.say(
        trust("Solent"), trust("Downs"), joined("Solent", "Ash"), joined("Downs", "Elm")
    )
    await world.say(school("Ash", 100001), school("Elm", 100002))
    await world.connected("Solent")
    await world.connected("Downs")
    async with working(world):
        yield world


@pytest_asyncio.fixture
async def solent() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


def closed(name: str) -> said.SchoolClosed:
    return said.SchoolClosed(school_id=named(name), closed_on=datetime.now(UTC).date())


async def say(world: World, *events: Any) -> None:
    await world.say(*events)
    world.integration.running.changes.tell()


async def took(found: Receiver, number: int) -> list[str]:
    """The short types of what was taken, once it is so many."""

    async def enough() -> bool:
        return len(found.taken) >= number

    await eventually(enough, what=f"{number} events are taken")
    return [each["type"].split(".")[3] for each in found.taken]


async def deliveries(world: World, webhook: str, **query: Any) -> list[dict[str, Any]]:
    path = f"/{webhook}/deliveries?" + "&".join(f"{key}={value}" for key, value in query.items())
    answer = await asked(world, "GET", path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def look(world: World, webhook: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await asked(world, "GET", f"/{webhook}")).json()
    return shown


async def tried(world: World, clock: FixedClock, webhook: str, times: int) -> None:
    """Waits for so many tries in all, moving the clock from one to the next."""

    async def enough() -> bool:
        return len(await deliveries(world, webhook, limit=100)) >= times

    await eventually(enough, what=f"{times} tries")


async def test_a_trust_is_sent_what_is_its_own_signed_and_with_its_own_ids(
    mis: World, solent: Receiver
) -> None:
    await mis.told(
        event("SchoolReported.v1", {"external_id": "S1", "school_urn": 100001}),
        event("StaffReported.v1", staff_reported(), "2"),
    )
    webhook = await registered(mis, solent)
    mis.integration.running.changes.tell()
    assert sorted(await took(solent, 3)) == [
        "GroupRegistered", "SchoolJoinedGroup", "SchoolRegistered",
    ]  # fmt: skip
    [about_ash] = [each for each in solent.taken if each["type"].endswith("SchoolRegistered.v1")]
    assert about_ash["specversion"] == "1.0"
    assert about_ash["data"]["external_ids"]["schools"] == {str(named("Ash")): ["S1"]}

    async def idle() -> Any:
        shown = await look(mis, webhook)
        return shown["waiting"] == 0 and shown

    shown = await eventually(idle)
    assert (shown["state"], shown["secrets"]) == ("active", 1)
    log = await deliveries(mis, webhook)
    assert {each["event_id"] for each in log} == set(solent.ids)
    assert {(each["status"], each["taken"], each["tries"]) for each in log} == {(204, True, 1)}
    assert str(named("Elm")) not in str(solent.sent)


async def test_one_key_waits_behind_its_failure_and_others_go_on(
    mis: World, solent: Receiver, clock: FixedClock
) -> None:
    ash = str(named("Ash"))
    solent.answer = lambda event: (
        Response("not now", 500) if event["subject"] == ash and len(solent.sent) < 9 else None
    )
    webhook = await registered(mis, solent)
    await say(mis, closed("Ash"))
    assert sorted(await took(solent, 2)) == ["GroupRegistered", "SchoolJoinedGroup"]
    await tried(mis, clock, webhook, 3)
    [failed] = await deliveries(mis, webhook, failed="true")
    assert (failed["status"], failed["answer"], failed["tries"]) == (500, "not now", 1)
    assert (await look(mis, webhook))["waiting"] == 2
    solent.answer = lambda _: None
    solent.secret = ""  # the clock of what is signed is moved away from the receiver's
    clock.advance(RETRIES[0] * 1.1)
    assert (await took(solent, 4))[2:] == ["SchoolRegistered", "SchoolClosed"]


async def test_after_three_days_of_failures_it_rests_and_loses_nothing(
    mis: World, solent: Receiver, clock: FixedClock
) -> None:
    solent.answer = lambda _: Response(status_code=503)
    webhook = await registered(mis, solent, types=["uk.aspire.membership.SchoolRegistered.v1"])
    await tried(mis, clock, webhook, 1)
    solent.secret = ""
    for number, wait in enumerate(RETRIES, 2):
        clock.advance(wait * 1.1)
        await tried(mis, clock, webhook, number)
    shown = await look(mis, webhook)
    assert (shown["state"], shown["rests"]) == ("resting", "not_taken")
    rested = [fact for kind, fact in await mis.facts("aspire.integration") if "Rested" in kind]
    assert [fact["why"] for fact in rested] == ["not_taken"]
    await say(
        mis, said.SchoolDetailsChanged(school_id=named("Ash"), details=details()), closed("Ash")
    )
    clock.advance(timedelta(days=30))
    solent.answer = lambda _: None
    assert (await asked(mis, "POST", f"/{webhook}/waking")).json()["state"] == "active"
    assert await took(solent, 1) == ["SchoolRegistered"]
    assert solent.times[solent.ids[0]] == len(RETRIES) + 2


def details() -> said.SchoolDetails:
    return said.SchoolDetails(urn=100001, name="Ash Academy")


async def test_one_that_is_gone_rests_at_once(mis: World, solent: Receiver) -> None:
    solent.answer = lambda _: Response(status_code=410)
    webhook = await registered(mis, solent)

    async def rests() -> Any:
        return (await look(mis, webhook))["rests"]

    assert await eventually(rests) == "gone"
    assert (await asked(mis, "POST", f"/{webhook}/ping")).status_code == 409


async def test_a_receiver_may_ask_for_more_time(
    mis: World, solent: Receiver, clock: FixedClock
) -> None:
    solent.answer = lambda _: Response(status_code=429, headers={"Retry-After": "3600"})
    webhook = await registered(mis, solent, types=["uk.aspire.membership.SchoolRegistered.v1"])
    await tried(mis, clock, webhook, 1)
    solent.secret, solent.answer = "", lambda _: None
    clock.advance(timedelta(minutes=50))
    await asked(mis, "POST", f"/{webhook}/ping")
    assert await took(solent, 1) == ["Ping"]
    clock.advance(timedelta(minutes=20))
    assert await took(solent, 2) == ["Ping", "SchoolRegistered"]


async def test_after_a_rotation_both_secrets_sign_for_a_while(
    mis: World, solent: Receiver, clock: FixedClock
) -> None:
    webhook = await registered(mis, solent, types=["uk.aspire.membership.SchoolClosed.v1"])
    old = solent.secret
    rotated = await asked(mis, "POST", f"/{webhook}/rotation", {"overlap_hours": 1})
    for secret in (old, rotated.json()["secret"]):
        solent.secret = secret
        await asked(mis, "POST", f"/{webhook}/ping")
        await took(solent, 1)
        assert len(solent.headers[-1]["webhook-signature"].split(" ")) == 2
        solent.taken.clear()
    solent.secret = ""
    clock.advance(timedelta(hours=1))
    await asked(mis, "POST", f"/{webhook}/ping")
    await took(solent, 1)
    assert len(solent.headers[-1]["webhook-signature"].split(" ")) == 1


async def test_what_was_sent_is_sent_again_where_somebody_asks(
    mis: World, solent: Receiver
) -> None:
    webhook = await registered(mis, solent)
    await took(solent, 3)
    ids = list(solent.ids)
    path = f"/{webhook}/resending"
    assert (await asked(mis, "POST", path, {"event_id": ids[0]})).status_code == 202
    await took(solent, 4)
    assert solent.ids[3:] == [ids[0]]
    await asked(mis, "POST", path, {"since": "2026-01-01T00:00:00Z"})
    await took(solent, 7)
    assert sorted(solent.ids[4:]) == sorted(ids)
    first = (await mis.integration.pool.fetchval(
        "SELECT t.id::text FROM feed AS f JOIN told AS t ON t.position = f.told"
        " WHERE f.trust_id = $1 AND f.position = 1", named("Solent")
    ))  # fmt: skip
    await asked(mis, "POST", path, {"after": first})
    await took(solent, 9)
    assert first not in solent.ids[7:]
    for wrong in ({}, {"event_id": ids[0], "after": ids[0]}):
        assert (await asked(mis, "POST", path, wrong)).status_code == 422
    unknown = await asked(mis, "POST", path, {"event_id": str(named("nothing"))})
    assert unknown.status_code == 404


async def test_one_hanging_receiver_slows_nobody_else(mis: World, solent: Receiver) -> None:
    let_go = asyncio.Event()

    async def hang(_: dict[str, Any]) -> Response:
        await let_go.wait()
        return Response(status_code=500)

    solent.answer = hang
    async with receiver() as downs:
        await registered(mis, solent)
        await registered(mis, downs, "Downs")
        assert len(await took(downs, 3)) == 3
        assert not let_go.is_set()
        assert {each["data"].get("school_id") for each in downs.taken} <= {str(named("Elm")), None}
        let_go.set()


async def test_what_a_killed_courier_had_on_its_way_is_sent_by_the_next(
    world: World, solent: Receiver, clock: FixedClock
) -> None:
    await world.say(trust("Solent"), joined("Solent", "Ash"), school("Ash", 100001))
    await world.connected("Solent")

    async def hang(_: dict[str, Any]) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    solent.answer = hang
    async with working(world):
        await registered(world, solent)

        async def sent() -> bool:
            return len(solent.sent) == 2  # the third is behind one of them

        await eventually(sent)
    solent.answer, solent.secret = lambda _: None, ""
    clock.advance(LEASE + timedelta(seconds=1))
    async with working(world), working(world):
        await took(solent, 3)
    assert sorted(solent.times.values()) == [1, 2, 2]


async def test_without_the_keys_nothing_is_sent_and_nothing_counts_as_failed(
    world: World, solent: Receiver, clock: FixedClock
) -> None:
    await world.say(trust("Solent"))
    await world.connected("Solent")
    webhook = await registered(world, solent)
    running = world.integration.running
    for keys in (None, SecretStr(Fernet.generate_key().decode())):
        settings = running._settings.model_copy(update={"sealing_keys": keys})
        async with at_work(world, feed), at_work(world, deliver, settings=settings):

            async def claimed() -> bool:
                found = "SELECT EXISTS (SELECT FROM delivery WHERE claimed_until > $1)"
                return bool(await world.integration.pool.fetchval(found, clock.now()))

            await eventually(claimed)
        clock.advance(LEASE + timedelta(seconds=1))
    assert await deliveries(world, webhook) == []
    assert solent.sent == []
    solent.secret = ""
    async with working(world):
        assert await took(solent, 1) == ["GroupRegistered"]


async def test_a_revoked_trust_is_sent_nothing(mis: World, solent: Receiver) -> None:
    webhook = await registered(mis, solent)
    await took(solent, 3)
    await mis.office("POST", f"/trusts/{named('Solent')}/connection/revocation")
    await mis.connected("Solent")
    shown = await look(mis, webhook)
    assert (shown["state"], shown["rests"]) == ("resting", "revoked")


async def test_a_removed_one_is_sent_nothing_and_is_there_no_more(
    mis: World, solent: Receiver
) -> None:
    webhook = await registered(mis, solent)
    await took(solent, 3)
    assert (await asked(mis, "DELETE", f"/{webhook}")).json()["removed"]
    assert (await asked(mis, "GET", f"/{webhook}")).status_code == 404
    async with receiver() as other:
        await registered(mis, other, start="now")
        await say(mis, closed("Ash"))
        assert await took(other, 1) == ["SchoolClosed"]
    assert len(solent.sent) == 3


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


async def test_the_log_is_kept_for_a_month(mis: World, solent: Receiver, clock: FixedClock) -> None:
    webhook = await registered(mis, solent)
    await took(solent, 3)
    clock.advance(timedelta(days=31))

    async def gone() -> bool:
        return await deliveries(mis, webhook) == []

    await eventually(gone)


PAGE = Path(__file__).parents[3] / "docs" / "integration" / "webhooks.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


async def test_the_page_works_as_written(mis: World, solent: Receiver) -> None:
    """What it says to type registers, and its receiver takes what is sent, and nothing forged."""
    [typed], [written] = blocks("bash"), blocks("python")
    async with served(mis.integration.running.app) as url:
        told = {
            "ASPIRE": url,
            "TRUST": str(named("Solent")),
            "SECRET": mis.secrets["Solent"],
            "RECEIVER": solent.url,
        }
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euc", typed),
            env=os.environ | told,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err
    await took(solent, 3)
    handled: list[dict[str, Any]] = []
    page: dict[str, Any] = {
        "secret": json.loads(out)["secret"], "seen": set(), "handle": handled.append,
    }  # fmt: skip
    exec(written, page)  # noqa: S102 - it is ours
    for body, headers in solent.bodies * 2:
        assert page["receive"](body, headers) == 204
    assert handled == solent.taken
    body, headers = solent.bodies[0]
    old = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}
    for forged in ((body + b" ", headers), (body, headers | {"webhook-id": "x"}), (body, old)):
        with pytest.raises(WebhookVerificationError):
            page["receive"](*forged)


async def test_the_command_shows_what_is_sent_and_sends_again(
    mis: World, solent: Receiver, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    async with served(mis.integration.running.app) as url:
        monkeypatch.setenv("ASPIRE_INTEGRATION_URL", url)
        monkeypatch.setenv("ASPIRE_TOKEN", mis.issuer.issue("office", "ada"))

        async def aspire(*arguments: str) -> tuple[int, str]:
            given = ["trust", *arguments, str(named("Solent"))]
            code = await asyncio.to_thread(invoke, given)
            said = capsys.readouterr()
            return code, " ".join((said.out + said.err).split())

        assert await aspire("webhooks") == (0, "The trust has no webhooks.")
        assert (await aspire("deliveries"))[0] == 2
        await registered(mis, solent)
        await took(solent, 3)
        code, shown = await aspire("webhooks")
        assert code == 0
        assert "active" in shown

        async def logged() -> bool:
            code, shown = await aspire("deliveries")
            return (code, shown.count(" 204 ")) == (0, 3)

        await eventually(logged)
        assert await aspire("deliveries", "--failed") == (0, "Nothing failed.")
        assert (await aspire("resend"))[0] == 2
        code, shown = await aspire("resend", "--event", solent.ids[0])
        assert (code, "wait for" in shown) == (0, True)
        await took(solent, 4)
        assert (await aspire("wake"))[0] == 0
