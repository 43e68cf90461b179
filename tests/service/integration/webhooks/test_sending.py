"""What is sent to a trust's receiver: signed, in order, again where it failed, and never lost."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cryptography.fernet import Fernet
from fastapi import Response
from pydantic import SecretStr

from services.integration.domain.webhooks import RETRIES
from services.integration.feeder import feed
from services.integration.sending import courier
from services.integration.sending.courier import LEASE, deliver
from services.integration.sending.parcels import PING_TYPE
from services.integration.sending.post import Post
from shared.clock import FixedClock
from shared.events import membership as said
from tests.conftest import eventually
from tests.infra import Infra
from tests.service.integration.receivers import (
    Receiver,
    asked,
    at_work,
    deliveries,
    look,
    receiver,
    registered,
    say,
    took,
    tried,
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


def closed(name: str) -> said.SchoolClosed:
    return said.SchoolClosed(school_id=named(name), closed_on=datetime.now(UTC).date())


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
    await tried(mis, webhook, 3)
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
    await tried(mis, webhook, 1)
    solent.secret = ""
    for number, wait in enumerate(RETRIES, 2):
        clock.advance(wait * 1.1)
        await tried(mis, webhook, number)
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
    await tried(mis, webhook, 1)
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


async def test_it_goes_on_when_the_database_is_back_and_forgets_no_answer(
    mis: World, solent: Receiver, infra: Infra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is answered while the database is away is written down when it is back, and until then
    it is tried now and then."""
    turns: list[float] = []
    turn = courier.Courier._turn

    async def noted(self: courier.Courier, post: Post) -> bool:
        turns.append(time.monotonic())
        return await turn(self, post)

    monkeypatch.setattr(courier.Courier, "_turn", noted)
    name = urlsplit(mis.integration.dsn).path[1:]
    admin = await asyncpg.connect(infra.admin_dsn)
    let_go = asyncio.Event()

    async def answer(_: dict[str, Any]) -> None:
        await let_go.wait()

    solent.answer = answer
    webhook = await registered(mis, solent)
    await sent(solent, 2)
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
    )
    let_go.set()
    await took(solent, 2)
    before = len(turns)

    async def tried_again() -> bool:
        return len(turns) > before + 3

    await eventually(tried_again)
    pause = mis.integration.running._settings.consumer_retry_seconds
    assert turns[before + 3] - turns[before + 1] >= 2 * pause
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await admin.close()
    await took(solent, 3)
    await tried(mis, webhook, 3)
    assert set(solent.times.values()) == {1}


async def sent(found: Receiver, number: int) -> None:
    async def enough() -> bool:
        return len(found.sent) == number

    await eventually(enough)


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


async def test_the_log_is_kept_for_a_month(mis: World, solent: Receiver, clock: FixedClock) -> None:
    webhook = await registered(mis, solent)
    await tried(mis, webhook, 3)
    clock.advance(timedelta(days=29))
    await asked(mis, "POST", f"/{webhook}/ping")
    await tried(mis, webhook, 4)
    clock.advance(timedelta(days=2))

    async def only_the_ping_is_left() -> bool:
        return [each["type"] for each in await deliveries(mis, webhook)] == [PING_TYPE]

    await eventually(only_the_ping_is_left)
