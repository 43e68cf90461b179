"""What trusts report of their staff becomes posts, in whatever order its parts come."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.membership.effects import effects
from shared.events import Event, Received, integration, mis
from shared.events.vocabulary import MatchedBy, Role
from shared.messaging.connections import acquire
from shared.messaging.journal import append, identified
from tests.service.membership.office import Json, Office

_IDS = UUID("5e90f7ed-0000-4000-8000-000000000000")
TRUST = uuid5(_IDS, "trust")


def record(external_id: str = "E1") -> str:
    return mis.record_of(TRUST, external_id)


def reported(school: Json, external_id: str = "E1", **changes: Any) -> mis.StaffReported:
    values = {"record": record(external_id), "trust_id": TRUST, "external_id": external_id,
              "school_id": school["school_id"], "role_code": "HOD", "role": Role.MIDDLE_LEADER,
              "from_on": date(2026, 9, 1)}  # fmt: skip
    return mis.StaffReported.model_validate(values | changes)


def left(school: Json, on: date, external_id: str = "E1") -> mis.StaffLeft:
    return mis.StaffLeft(record=record(external_id), trust_id=TRUST, external_id=external_id,
                         school_id=school["school_id"], left_on=on)  # fmt: skip


def matched(
    person_id: UUID | str, external_id: str = "E1", by: MatchedBy = MatchedBy.WORK_EMAIL
) -> integration.StaffMatched:
    return integration.StaffMatched(record=record(external_id), trust_id=TRUST,
                                    external_id=external_id, person_id=UUID(str(person_id)),
                                    matched_by=by)  # fmt: skip


def named(
    name: str | None = "Bo New", external_id: str = "E1", email: str = "bo@ash.example"
) -> Event:
    if name is None:
        return mis.StaffProfileErased(record=record(external_id))
    return mis.StaffProfile(record=record(external_id), name=name, email=email)


class Said:
    """Events of other services as they arrive; each of a topic has the next sequence of its key."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._sequences: Counter[tuple[str, str]] = Counter()

    def received(self, event: Event) -> Received[Any]:
        stream = (event.topic.name, event.key)
        self._sequences[stream] += 1
        sequence = self._sequences[stream]
        return Received(
            id=uuid5(_IDS, f"{stream}/{sequence}"), topic=event.topic.name, key=event.key,
            sequence=sequence, time=datetime(2026, 11, 2, tzinfo=UTC), data=event, partition=0,
            offset=sequence,
        )  # fmt: skip

    async def __call__(self, *events: Event) -> None:
        """One after the other, in a transaction for all."""
        async with acquire(self._office.pool) as connection, connection.transaction():
            for event in events:
                await self.take(connection, [self.received(event)])

    async def take(self, connection: Any, arrived: Sequence[Received[Any]]) -> None:
        effect = effects.of(arrived[0].data.type)
        assert effect is not None
        await append(connection, identified(await effect(connection, arrived) or ()), "effect")

    async def at_once(self, *batches: Sequence[Event]) -> None:
        """As replicas that take a batch each in the same moment; one that lost starts over."""

        async def replica(batch: Sequence[Event]) -> None:
            arrived = [self.received(event) for event in batch]
            async with acquire(self._office.pool) as connection, connection.transaction():
                await self.take(connection, arrived)

        await asyncio.gather(*map(replica, batches))


@pytest.fixture
def say(office: Office) -> Said:
    return Said(office)


async def outcomes(office: Office, **scope: Any) -> list[tuple[str, str]]:
    token = office.token("trust", **scope) if scope else None
    found = (await office.look("/reported-posts", token=token))["items"]
    return [(each["record"].split("/")[1], each["outcome"]) for each in found]


async def test_a_report_and_its_match_make_a_post_in_either_order(
    office: Office, say: Said
) -> None:
    school = await office.school()
    one, two = [await office.person(name=name) for name in ("Ada", "Bea")]
    await say(reported(school), matched(one["person_id"]))
    await say(matched(two["person_id"], "E2"), reported(school, "E2"))
    for each in (one, two):
        [post] = (await office.look(f"/people/{each['person_id']}"))["posts"]
        assert (post["role"], post["appointed_on"], post["left_on"]) == (
            "middle_leader", "2026-09-01", None,
        )  # fmt: skip
        assert await office.types(each["person_id"]) == ["PersonProfile", "LeaderAppointed"]
    assert await outcomes(office) == [("E1", "appointed"), ("E2", "appointed")]


async def test_a_new_person_is_introduced_once_all_three_are_there(
    office: Office, say: Said
) -> None:
    school = await office.school()
    for number, order in enumerate(permutations(range(3))):
        external_id, person_id = f"E{number}", uuid5(_IDS, f"new {number}")
        three = (
            reported(school, external_id),
            matched(person_id, external_id, MatchedBy.NEW_PERSON),
            named("Bo New", external_id),
        )
        for at in order[:2]:
            await say(three[at])
        assert await office.types(person_id) == [], order
        await say(three[order[2]])
        assert await office.types(person_id) == ["PersonProfile", "LeaderAppointed"], order
        person = await office.look(f"/people/{person_id}")
        assert (person["name"], person["email"]) == ("Bo New", "bo@ash.example")
    assert await office.pool.fetchval("SELECT count(name) FROM reported_post") == 0


async def test_a_name_is_kept_no_longer_than_it_is_needed(office: Office, say: Said) -> None:
    ada = await office.person()
    await say(named("Bo Erased", "E1"), named(None, "E1"))
    await say(named("Bo Known", "E2"), matched(ada["person_id"], "E2"))
    assert await office.pool.fetchval("SELECT count(name) FROM reported_post") == 0


async def test_replicas_that_have_the_parts_at_once_make_each_post_once(
    office: Office, say: Said
) -> None:
    school = await office.school()
    ids = [f"E{number:02}" for number in range(30)]
    person = {each: uuid5(_IDS, f"racing {each}") for each in ids}
    await say.at_once(
        [reported(school, each) for each in ids],
        [matched(person[each], each, MatchedBy.NEW_PERSON) for each in reversed(ids)],
        [named("Bo New", each) for each in ids],
    )
    assert await outcomes(office) == [(each, "appointed") for each in ids]
    made = Counter(name for name, _ in await office.events())
    assert (made["PersonProfile"], made["LeaderAppointed"]) == (30, 30)


async def test_another_role_or_school_ends_the_post_and_begins_the_next(
    office: Office, say: Said
) -> None:
    ash, elm = await office.school(100001), await office.school(100002)
    ada = await office.person()
    await say(matched(ada["person_id"]), reported(ash))
    await say(reported(ash, role=Role.SENIOR_LEADER, from_on=date(2026, 10, 1)))
    await say(reported(elm, role=Role.SENIOR_LEADER, from_on=date(2026, 11, 1)))
    await say(reported(elm, role=Role.SENIOR_LEADER, from_on=date(2026, 11, 2)))  # corrected
    await say(left(elm, date(2026, 12, 31)))
    posts = (await office.look(f"/people/{ada['person_id']}"))["posts"]
    assert [(each["role"], each["appointed_on"], each["left_on"]) for each in posts] == [
        ("middle_leader", "2026-09-01", "2026-09-30"),
        ("senior_leader", "2026-10-01", "2026-10-31"),
        ("senior_leader", "2026-11-01", "2026-12-31"),
    ]
    assert await outcomes(office) == [("E1", "ended")]


async def test_a_post_that_somebody_has_entered_is_taken_for_the_reported_one(
    office: Office, say: Said
) -> None:
    school = await office.school()
    ada = await office.person(school)
    await say(reported(school, role=Role.SENIOR_LEADER), matched(ada["person_id"]))
    assert await outcomes(office) == [("E1", "held_already")]
    await say(left(school, date(2026, 12, 31)))
    [post] = (await office.look(f"/people/{ada['person_id']}"))["posts"]
    assert post["left_on"] == "2026-12-31"


async def test_what_a_rule_does_not_allow_is_an_outcome_and_no_failure(
    office: Office, say: Said
) -> None:
    school, closed = await office.school(100001), await office.school(100002)
    await office.do(f"/schools/{closed['school_id']}/closure", {"closed_on": "2026-09-10"})
    erased, kept = await office.person(), await office.person()
    await office.do(f"/people/{erased['person_id']}/erasure")
    await say(reported(school, "E1"), matched(erased["person_id"], "E1"))
    await say(reported(closed, "E2"), matched(kept["person_id"], "E2"))
    await say(reported(school | {"school_id": str(uuid5(_IDS, "nowhere"))}, "E3"))
    await say(matched(kept["person_id"], "E3"))
    assert await outcomes(office) == [(each, "refused") for each in ("E1", "E2", "E3")]
    found = (await office.look("/reported-posts"))["items"]
    assert "erased" in found[0]["detail"]
    await say(reported(school, "E2", from_on=date(2026, 9, 2)))
    assert (await outcomes(office))[1] == ("E2", "appointed")


async def test_a_merged_record_leads_to_the_person_that_stays(office: Office, say: Said) -> None:
    school = await office.school()
    stays, goes = await office.person(name="Ada"), await office.person(name="Ada E.")
    path = f"/people/{stays['person_id']}/merge"
    await office.do(path, {"merged_person_id": goes["person_id"]})
    await say(reported(school), matched(goes["person_id"]))
    [post] = (await office.look(f"/people/{stays['person_id']}"))["posts"]
    assert post["role"] == "middle_leader"


async def test_a_trust_sees_what_became_of_its_own(office: Office, say: Said) -> None:
    await say(reported(await office.school()))
    assert await outcomes(office, groups=[TRUST]) == [("E1", "waiting")]
    assert await outcomes(office, groups=[uuid5(_IDS, "another")]) == []
    refused = await office.say("GET", "/reported-posts", token=office.token("school"))
    assert refused.status_code == 403


async def test_an_address_that_is_reported_anew_becomes_the_persons(
    office: Office, say: Said
) -> None:
    school, person_id = await office.school(), str(uuid5(_IDS, "new"))
    await say(named(), matched(person_id, by=MatchedBy.NEW_PERSON), reported(school))
    await say(named("Bo Renamed", email="b.new@ash.example"))
    person = await office.look(f"/people/{person_id}")
    assert (person["name"], person["email"]) == ("Bo New", "b.new@ash.example")
    *_, (last, profile) = await office.events(person_id)
    assert last == "PersonProfile"
    assert profile is not None
    assert profile["email"] == "b.new@ash.example"
    await say(named(None))
    kept = await office.pool.fetch("SELECT name, email, told_email FROM reported_post")
    assert [tuple(each) for each in kept] == [(None, None, None)]
