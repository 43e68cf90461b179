"""Network Days through HTTP: what is asked, answered and published."""

from typing import Any
from uuid import uuid4

import pytest

from shared.events import membership as said
from shared.events.vocabulary import Role
from tests.service.scheduling.world import HELD_ON, World, day_body, pointers, register


async def test_a_day_is_scheduled_booked_held_and_told(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    head = await world.leader(school_id, Role.HEADTEACHER)
    teacher = await world.leader(school_id, Role.MIDDLE_LEADER)
    day = await world.day(network_id)
    assert (day["status"], day["hours"], day["booked"]) == ("scheduled", "5.00", 0)

    places = [await world.place(day, each, school_id) for each in (head, teacher)]
    assert [(place["status"], place["number"]) for place in places] == [
        ("booked", 1),
        ("booked", 2),
    ]
    path = f"/network-days/{day['day_id']}"
    held = await world.post(f"{path}/hold", register(places, "late"))
    assert (held["status"], held["booked"]) == ("held", 2)

    names = await world.types(day["day_id"])
    assert names == ["NetworkDayScheduled", "PlaceBooked", "PlaceBooked", "NetworkDayHeld"]
    _, event = (await world.events(day["day_id"]))[-1]
    assert (event["hours"], event["date"]) == ("5.00", str(HELD_ON))
    assert [(e["person_id"], e["role"], e["attendance"]) for e in event["entries"]] == [
        (str(head), "headteacher", "late"),
        (str(teacher), "middle_leader", "late"),
    ]
    assert await world.get(path) == held


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"places": 0}, ["#/places"]),
        ({"places": -3, "hours": "-1"}, ["#/places", "#/hours"]),
        ({"hours": "0.1"}, ["#/hours"]),
        ({"hours": "999"}, ["#/hours"]),
        ({"hours": "NaN"}, ["#/hours"]),
        ({"date": "2126-01-01"}, ["#/date"]),
        ({"date": "31.12.2026"}, ["#/date"]),
        ({"title": "  ", "strand": "juggling"}, ["#/title", "#/strand"]),
        ({"network_ids": []}, ["#/network_ids"]),
        ({"network_ids": [str(uuid4())]}, ["#/network_ids/0"]),
    ],
)
async def test_a_day_that_cannot_be_is_refused_with_all_its_faults(
    world: World, changes: dict[str, Any], fields: list[str]
) -> None:
    network_id = await world.network()
    problem = await world.post("/network-days", day_body(network_id, **changes), expect=422)
    assert pointers(problem) == fields
    assert await world.pool.fetchval("SELECT count(*) FROM event") == 0


async def test_the_waiting_list_moves_up_with_each_release_and_added_place(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id, places=1)
    path = f"/network-days/{day['day_id']}"
    first, second, third = [
        await world.place(day, person, school_id) for person in await world.leaders(school_id, 3)
    ]
    assert [p["status"] for p in (first, second, third)] == ["booked", "waiting", "waiting"]

    released = await world.post(f"{path}/places/{first['place_id']}/release")
    assert released["status"] == "released"
    again = await world.post(f"{path}/places/{first['place_id']}/release", expect=409)
    assert again["type"].endswith("/place-already-released")
    refused = await world.post(f"{path}/reschedule", {"places": 0}, expect=422)
    assert pointers(refused) == ["#/places"]
    rescheduled = await world.post(f"{path}/reschedule", {"places": 2, "venue": "The Mill"})
    assert (rescheduled["booked"], rescheduled["waiting"]) == (2, 0)
    await world.post(f"{path}/reschedule", {"places": 1}, expect=422)

    events = await world.events(day["day_id"])
    assert [(name, body.get("place_id")) for name, body in events[3:]] == [
        ("PlaceWaitlisted", third["place_id"]),
        ("PlaceReleased", first["place_id"]),
        ("PlaceBooked", second["place_id"]),
        ("NetworkDayRescheduled", None),
        ("PlaceBooked", third["place_id"]),
    ]
    assert [body["from_waiting_list"] for name, body in events[-3:] if name == "PlaceBooked"] == [
        True,
        True,
    ]


async def test_a_place_is_refused_to_whoever_does_not_belong(world: World) -> None:
    network_id, other = await world.network(), await world.network()
    school_id, elsewhere = await world.school(network_id), await world.school(other)
    no_member = await world.school(None)
    day = await world.day(network_id)

    async def refused(person_id: Any, at: Any) -> str:
        body = {"person_id": person_id, "school_id": at}
        answer = await world.post(f"/network-days/{day['day_id']}/places", body, expect=422)
        return str(answer["type"].rsplit("/")[-1])

    assert await refused(await world.leader(elsewhere), elsewhere) == "school-not-in-network"
    assert await refused(await world.leader(no_member), no_member) == "school-not-in-network"
    assert await refused(await world.leader(elsewhere), school_id) == "no-post-at-school"
    assert await refused(uuid4(), school_id) == "no-post-at-school"
    erased = await world.leader(school_id)
    await world.tell(said.PersonErased(person_id=erased))
    assert await refused(erased, school_id) == "no-post-at-school"
    left = said.LeaderAppointed(
        person_id=uuid4(),
        post_id=uuid4(),
        school_id=school_id,
        role=Role.OTHER,
        appointed_on=HELD_ON.replace(year=2025),
    )
    await world.tell(
        left,
        said.LeaderLeft(
            person_id=left.person_id,
            post_id=left.post_id,
            school_id=school_id,
            left_on=HELD_ON.replace(day=19),
        ),
    )
    assert await refused(left.person_id, school_id) == "no-post-at-school"


async def test_a_person_has_one_place_under_every_id_and_may_rebook(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    stays, merged = await world.leaders(school_id, 2)
    day = await world.day(network_id)
    path = f"/network-days/{day['day_id']}/places"
    place = await world.place(day, merged, school_id)
    await world.tell(said.PeopleMerged(person_id=stays, merged_person_id=merged))
    for person_id in (stays, merged):
        body = {"person_id": person_id, "school_id": school_id}
        answer = await world.post(path, body, expect=409)
        assert answer["type"].endswith("/already-has-a-place")
    assert [p["person_id"] for p in await world.items(path)] == [str(stays)]
    await world.post(f"{path}/{place['place_id']}/release")
    assert (await world.place(day, merged, school_id))["person_id"] == str(stays)


async def test_events_of_a_place_keep_the_id_that_it_was_booked_under(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    stays, merged = await world.leaders(school_id, 2)
    day = await world.day(network_id)
    path = f"/network-days/{day['day_id']}"
    place = await world.place(day, merged, school_id)
    await world.post(f"{path}/hold", register([place]))
    await world.tell(said.PeopleMerged(person_id=stays, merged_person_id=merged))
    correction = f"{path}/places/{place['place_id']}/attendance-correction"
    answer = await world.post(correction, {"attendance": "absent"})
    assert answer["person_id"] == str(stays)
    await world.post(f"{path}/reopen")
    await world.post(f"{path}/hold", register([place]))
    await world.post(f"{path}/reopen")
    await world.post(f"{path}/places/{place['place_id']}/release")
    told = [
        body["entries"][0]["person_id"] if name == "NetworkDayHeld" else body["person_id"]
        for name, body in await world.events(day["day_id"])
        if "entries" in body or "person_id" in body
    ]
    assert told == [str(merged)] * 5


async def test_a_person_of_two_merged_records_is_present_once(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    stays, merged = await world.leaders(school_id, 2)
    day = await world.day(network_id)
    path = f"/network-days/{day['day_id']}"
    first, second = [await world.place(day, person, school_id) for person in (stays, merged)]
    await world.tell(said.PeopleMerged(person_id=stays, merged_person_id=merged))
    refused = await world.post(f"{path}/hold", register([first, second]), expect=422)
    assert refused["type"].endswith("/present-twice")
    assert all(place["place_id"] in refused["detail"] for place in (first, second))
    entries = register([first])["register"] + register([second], "absent")["register"]
    await world.post(f"{path}/hold", {"register": entries})
    correction = f"{path}/places/{second['place_id']}/attendance-correction"
    refused = await world.post(correction, {"attendance": "late"}, expect=422)
    assert pointers(refused) == ["#/attendance"]
    await world.post(correction, {"attendance": "excused"})


async def test_a_register_with_faulty_entries_is_refused_whole(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id)
    first, second = [
        await world.place(day, person, school_id) for person in await world.leaders(school_id, 2)
    ]
    path = f"/network-days/{day['day_id']}"
    faulty = register([first, first, {"place_id": uuid4()}])
    problem = await world.post(f"{path}/hold", faulty, expect=422)
    assert problem["type"].endswith("/register-refused")
    assert len(pointers(problem)) == 4
    assert second["place_id"] in problem["errors"][-1]["detail"]
    assert (await world.get(path))["status"] == "scheduled"


async def test_a_day_is_held_once_reopened_by_the_office_and_held_again(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id)
    place = await world.place(day, await world.leader(school_id), school_id)
    path = f"/network-days/{day['day_id']}"
    await world.post(f"{path}/hold", register([place]))
    twice = await world.post(f"{path}/hold", register([place]), expect=409)
    assert twice["type"].endswith("/day-already-held")
    await world.post(f"{path}/reopen", role="adviser", networks=[network_id], expect=403)
    assert (await world.post(f"{path}/reopen"))["status"] == "scheduled"
    await world.post(f"{path}/hold", register([place], "absent"))
    names = await world.types(day["day_id"])
    assert names[-3:] == ["NetworkDayHeld", "NetworkDayReopened", "NetworkDayHeld"]


async def test_a_day_is_not_held_before_its_date_nor_without_anybody(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    ahead = await world.day(network_id, date="2026-11-26")
    place = await world.place(ahead, await world.leader(school_id), school_id)
    early = await world.post(f"/network-days/{ahead['day_id']}/hold", register([place]), expect=409)
    assert early["type"].endswith("/day-not-yet-come")
    empty = await world.day(network_id)
    answer = await world.post(f"/network-days/{empty['day_id']}/hold", register([]), expect=409)
    assert answer["type"].endswith("/nobody-booked")


async def test_a_correction_of_the_register_keeps_its_trail(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id)
    place = await world.place(day, await world.leader(school_id), school_id)
    path = f"/network-days/{day['day_id']}"
    correction = f"{path}/places/{place['place_id']}/attendance-correction"
    early = await world.post(correction, {"attendance": "late"}, expect=409)
    assert early["type"].endswith("/day-not-held")
    await world.post(f"{path}/hold", register([place]))
    for attendance in ("absent", "absent", "excused"):
        answer = await world.post(correction, {"attendance": attendance})
        assert answer["attendance"] == attendance
    (listed,) = await world.items(f"{path}/places")
    assert [(c["was"], c["attendance"]) for c in listed["corrections"]] == [
        ("attended", "absent"),
        ("absent", "excused"),
    ]
    corrected = [b for n, b in await world.events(day["day_id"]) if n == "AttendanceCorrected"]
    assert [(b["was"], b["attendance"]) for b in corrected] == [
        ("attended", "absent"),
        ("absent", "excused"),
    ]
    await world.post(
        f"{path}/places/{uuid4()}/attendance-correction", {"attendance": "late"}, expect=404
    )


async def test_a_cancelled_day_accepts_nothing_more(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    day = await world.day(network_id)
    place = await world.place(day, await world.leader(school_id), school_id)
    path = f"/network-days/{day['day_id']}"
    cancelled = await world.post(f"{path}/cancel", {"reason": "weather"})
    assert (cancelled["status"], cancelled["reason"], cancelled["booked"]) == (
        "cancelled",
        "weather",
        1,
    )
    for act, body in (
        ("hold", register([place])),
        ("reschedule", {"places": 5}),
        ("cancel", {"reason": "venue"}),
        ("places", {"person_id": await world.leader(school_id), "school_id": school_id}),
        (f"places/{place['place_id']}/release", {}),
    ):
        answer = await world.post(f"{path}/{act}", body, expect=409)
        assert answer["type"].endswith("/day-is-cancelled")
    assert (await world.types(day["day_id"]))[-1] == "NetworkDayCancelled"


async def test_days_are_listed_by_network_status_and_date_in_pages(world: World) -> None:
    network_id, other = await world.network(), await world.network()
    days = [await world.day(network_id, date=f"2026-11-{number}") for number in range(10, 15)]
    await world.day(other)
    await world.post(f"/network-days/{days[0]['day_id']}/cancel", {"reason": "venue"})

    async def found(query: str) -> set[str]:
        return {day["day_id"] for day in await world.items(f"/network-days?{query}")}

    ids = [day["day_id"] for day in days]
    assert await found(f"network_id={network_id}") == set(ids)
    assert await found(f"network_id={network_id}&status=cancelled") == {ids[0]}
    assert await found(f"network_id={network_id}&from=2026-11-11&to=2026-11-12") == set(ids[1:3])

    walked: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await world.get(f"/network-days?network_id={network_id}&limit=2{cursor}")
        walked += [day["day_id"] for day in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert walked == sorted(ids)


async def test_a_day_whose_places_change_is_listed_as_updated(world: World) -> None:
    network_id = await world.network()
    school_id = await world.school(network_id)
    untouched, day = await world.day(network_id), await world.day(network_id)
    since = "2021-01-01T00:00:00Z"
    await world.pool.execute("UPDATE network_day SET updated_at = '2020-01-01'")
    await world.place(day, await world.leader(school_id), school_id)
    listed = await world.items(f"/network-days?updated_since={since}")
    assert untouched["day_id"] not in {each["day_id"] for each in listed}
    assert [(each["day_id"], each["booked"]) for each in listed] == [(day["day_id"], 1)]
