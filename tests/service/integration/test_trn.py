"""A teacher reference number: with the name it is sure, and nobody reads it from the database."""

from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.integration.domain.matching import new_person
from shared.clock import FixedClock
from shared.events import membership as said
from shared.events.vocabulary import Role
from shared.sealing import Sealer
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import SEALING_KEY, Start
from tests.service.integration.test_matching import matched, profile, waiting
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
TRN = "7654321"
ELSEWHERE = new_person(f"{named('Downs')}/D1")
NEWCOMER = str(new_person(f"{named('Solent')}/E1"))


@pytest_asyncio.fixture
async def mis(world: World) -> World:
    """Two trusts; one has reported somebody with a TRN, whom membership has introduced since."""
    await connect(world)
    zoe = staff_reported("D1", school_urn=100002, work_email="z@downs.example", trn=TRN)
    assert await world.told(event(REPORTED, zoe), name="Downs") == ["taken"]
    await world.say(
        said.PersonProfile(person_id=ELSEWHERE, name="Zoë Secret", email="z@downs.example")
    )
    return world


async def connect(world: World) -> None:
    await world.say(trust("Solent"), trust("Downs"), school("Ash", 100001), school("Elm", 100002))
    await world.say(joined("Solent", "Ash"), joined("Downs", "Elm"))
    await world.connected("Solent")
    await world.connected("Downs")


def at_ash(person: str) -> said.LeaderAppointed:
    return said.LeaderAppointed(
        person_id=named(person), post_id=named(f"{person} at Ash"), school_id=named("Ash"),
        role=Role.OTHER, appointed_on=date(2026, 9, 1),
    )  # fmt: skip


async def report(mis: World, **changes: Any) -> None:
    assert await mis.told(event(REPORTED, staff_reported(**changes))) == ["taken"]


async def test_the_number_with_the_name_is_sure(mis: World) -> None:
    await report(mis, name="zoë  SECRET", work_email=None, trn=TRN)
    assert (await matched(mis))[-1] == (str(ELSEWHERE), "trn")


@pytest.mark.parametrize(
    ("known", "changes"),
    [
        pytest.param([], {"name": "Zoë Newname", "trn": TRN}, id="another name"),
        pytest.param(
            [profile("Y", "zoe@secret.example"), at_ash("Y")], {"trn": TRN}, id="another's address"
        ),
    ],
)
async def test_the_number_alone_or_against_an_address_is_not(
    mis: World, known: list[Any], changes: dict[str, Any]
) -> None:
    await mis.say(*known)
    await report(mis, **changes)
    people = {str(ELSEWHERE)} | {str(each.person_id) for each in known}
    [found] = await waiting(mis)
    assert {each["person_id"] for each in found["candidates"]} == people


async def test_an_address_with_another_number_is_not_sure(mis: World) -> None:
    await mis.say(
        said.LeaderAppointed(
            person_id=ELSEWHERE, post_id=named("a post"), school_id=named("Ash"),
            role=Role.OTHER, appointed_on=date(2026, 9, 1),
        )
    )  # fmt: skip
    await report(mis, work_email="z@downs.example", trn="1111111")
    [found] = await waiting(mis)
    assert [each["person_id"] for each in found["candidates"]] == [str(ELSEWHERE)]


async def test_a_number_that_nobody_has_is_a_new_person(mis: World) -> None:
    await report(mis, name="Ann Other", work_email=None, trn="1111111")
    assert (await matched(mis))[-1] == (NEWCOMER, "new_person")


async def test_it_is_sealed_and_goes_when_the_record_is_erased(
    mis: World, settings: Settings
) -> None:
    pool = mis.integration.pool
    rows = await pool.fetch("SELECT t.*, t::text AS shown FROM staff_trn AS t")
    assert [Sealer(settings).open(row["sealed"]) for row in rows] == [TRN]
    assert TRN.encode().hex() not in rows[0]["shown"]
    assert not await pool.fetch("SELECT FROM event WHERE event::text LIKE '%7654321%'")
    await mis.office("POST", f"/trusts/{named('Downs')}/staff/D1/erasure")
    assert not await pool.fetch("SELECT FROM staff_trn")


async def test_it_is_found_under_an_older_key(
    mis: World, start: Start, issuer: LocalIssuer, clock: FixedClock
) -> None:
    keys = SecretStr(f"{Fernet.generate_key().decode()},{SEALING_KEY}")
    dsn = mis.integration.dsn
    options: dict[str, Any] = {"parts": ("api",), "clock": clock, "sealing_keys": keys}
    async with start("integration", dsn=dsn, **options) as started:
        again = World(started, issuer, secrets=mis.secrets)
        await report(again, work_email=None, trn=TRN)
        assert (await matched(again))[-1] == (str(ELSEWHERE), "trn")


async def test_without_keys_it_is_not_taken_and_all_else_is(
    start: Start, issuer: LocalIssuer, clock: FixedClock
) -> None:
    options: dict[str, Any] = {"parts": ("api",), "clock": clock, "sealing_keys": None}
    async with start("integration", **options) as started:
        world = World(started, issuer)
        await connect(world)
        refused = await world.tell(event(REPORTED, staff_reported(trn=TRN)))
        assert problem(refused) == (503, "cannot-seal")
        assert refused.headers["Retry-After"]
        assert await world.facts() == []
        await report(world)
