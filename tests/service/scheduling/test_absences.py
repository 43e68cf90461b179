"""An absence on the day of a booked place tells the school, and frees nothing."""

from datetime import date
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from shared.events import Event, mis
from shared.events import membership as said
from shared.events.integration import StaffMatched
from shared.events.vocabulary import MatchedBy
from tests.service.scheduling import test_scopes
from tests.service.scheduling.test_scopes import Town
from tests.service.scheduling.world import World

DAY = date(2026, 12, 4)
base = test_scopes.town
TRUST = uuid4()
RECORD = mis.record_of(TRUST, "E1")


@pytest_asyncio.fixture
async def town(base: Town) -> Town:
    """Its day is still to come."""
    moved = {"date": DAY, "venue": "Town hall", "places": 20}
    await base.world.post(f"{base.path}/reschedule", moved)
    return base


def matched(person_id: UUID) -> StaffMatched:
    return StaffMatched(
        record=RECORD, trust_id=TRUST, external_id="E1", person_id=person_id,
        matched_by=MatchedBy.WORK_EMAIL,
    )  # fmt: skip


def away(school_id: UUID, first: date, last: date | None) -> mis.AbsenceReported:
    return mis.AbsenceReported(
        record=RECORD, trust_id=TRUST, external_id="E1", school_id=school_id,
        from_on=first, to_on=last,
    )  # fmt: skip


async def absent(world: World, **who: Any) -> list[str]:
    return [each["place_id"] for each in await world.items("/absent-places", **who)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_school_is_told_whatever_comes_first(town: Town, order: tuple[int, ...]) -> None:
    other = uuid4()
    events: list[Event] = [
        matched(other),
        away(town.school, DAY, DAY),
        said.PeopleMerged(person_id=town.person, merged_person_id=other),
    ]
    await town.world.tell(*(events[each] for each in order))
    school: dict[str, Any] = {"role": "school", "schools": [town.school]}
    [found] = await town.world.items("/absent-places", **school)
    assert (found["place_id"], found["person_id"], found["status"]) == (
        town.place["place_id"],
        str(town.person),
        "booked",
    )
    [place] = await town.world.items(f"{town.path}/places", **school)
    assert (place["status"], place["absence_reported"]) == ("booked", True)


@pytest.mark.parametrize(
    ("first", "last", "tells"),
    [(0, None, True), (-3, 0, True), (-3, -1, False), (1, None, False)],
)
async def test_only_an_absence_on_the_day_counts(
    town: Town, first: int, last: int | None, tells: bool
) -> None:
    day = DAY.toordinal()
    first_day = date.fromordinal(day + first)
    last_day = None if last is None else date.fromordinal(day + last)
    await town.world.tell(matched(town.person), away(town.school, first_day, last_day))
    assert bool(await absent(town.world)) is tells


async def test_an_absence_that_is_told_again_has_its_new_end(town: Town) -> None:
    before = date.fromordinal(DAY.toordinal() - 1)
    await town.world.tell(matched(town.person), away(town.school, before, None))
    assert await absent(town.world) == [town.place["place_id"]]
    await town.world.tell(away(town.school, before, before))
    assert await absent(town.world) == []


async def test_it_is_told_to_nobody_else(town: Town) -> None:
    """Neither the neighbour nor the adviser learns of it, and another school's absence of the same
    person says nothing of this place."""
    await town.world.tell(matched(town.person), away(town.school, DAY, None))
    assert await absent(town.world, role="school", schools=[town.neighbour]) == []
    await town.world.get("/absent-places", role="adviser", networks=[town.network_id], expect=403)
    seen = await town.world.items(f"{town.path}/places", role="adviser", networks=[town.network_id])
    assert [place["absence_reported"] for place in seen] == [None, None]
    assert await absent(town.world, role="participant", person=town.person) == [
        town.place["place_id"]
    ]
    await town.world.tell(away(town.stranger, DAY, None))
    assert await absent(town.world) == []


async def test_a_released_place_or_a_cancelled_day_is_not_shown(town: Town) -> None:
    await town.world.tell(matched(town.person), away(town.school, DAY, None))
    await town.world.post(f"{town.path}/places/{town.place['place_id']}/release")
    assert await absent(town.world) == []
    again = await town.world.place(town.day, town.person, town.school)
    assert await absent(town.world) == [again["place_id"]]
    await town.world.post(f"{town.path}/cancel", {"reason": "venue"})
    assert await absent(town.world) == []
