"""Network Days as they go: scheduled, booked, released, held, and put right afterwards."""

from typing import Any

from deploy.demo.clients import each
from deploy.demo.plan.parts import NetworkDay
from deploy.demo.play.stage import Done, Stage
from deploy.demo.terms import Term
from shared.events.vocabulary import Attendance


def network_days_in(stage: Stage, term: Term) -> list[NetworkDay]:
    """The Network Days of a term, in the order of their dates."""
    days = (day for day in stage.plan.network_days if term.days[0] <= day.date <= term.days[-1])
    return sorted(days, key=lambda day: (day.date, day.networks))


async def play_network_days(stage: Stage, term: Term, done: Done) -> None:
    """All Network Days of a term, side by side; each by itself in its order."""
    await each((_play(stage, day) for day in network_days_in(stage, term)), done)


async def _play(stage: Stage, day: NetworkDay) -> None:
    # A day of several networks is the office's; advisers have days of their own network.
    joint = len(day.networks) > 1
    token = stage.clients.office if joint else stage.adviser_token(day.networks[0])
    made = await stage.clients.post(
        "scheduling",
        "/network-days",
        token,
        title=day.title,
        network_ids=[stage.networks[network] for network in day.networks],
        date=(day.first_date or day.date).isoformat(),
        venue=day.venue,
        places=day.places,
        strand=day.strand,
        hours=str(day.hours),
    )
    path = f"/network-days/{made['day_id']}"
    places = await _book(stage, day, path)
    if day.cancelled is not None:
        await stage.clients.post("scheduling", f"{path}/cancel", token, reason=day.cancelled)
        stage.tally.cancelled += 1
        return
    for leader in day.released:
        await stage.clients.post(
            "scheduling",
            f"{path}/places/{places[leader]}/release",
            stage.school_token(stage.plan.leaders[leader].school),
        )
    await _reschedule(stage, day, path, token)
    await _hold(stage, day, path, token, made["day_id"], places)


async def _book(stage: Stage, day: NetworkDay, path: str) -> dict[int, str]:
    """Each school books for its leaders, one after the other: the queue is in this order."""
    places = {}
    for leader in day.applicants:
        school = stage.plan.leaders[leader].school
        place = await stage.clients.post(
            "scheduling",
            f"{path}/places",
            stage.school_token(school),
            person_id=stage.person(leader),
            school_id=stage.school_id(school),
        )
        places[leader] = place["place_id"]
        stage.tally.person_of_place[place["place_id"]] = stage.person(leader)
    return places


async def _reschedule(stage: Stage, day: NetworkDay, path: str, token: str) -> None:
    changes: dict[str, Any] = {}
    if day.first_date is not None:
        changes["date"] = day.date.isoformat()
    if day.more_places:
        changes["places"] = day.places + day.more_places
    if changes:
        await stage.clients.post("scheduling", f"{path}/reschedule", token, **changes)


async def _hold(
    stage: Stage, day: NetworkDay, path: str, token: str, day_id: str, places: dict[int, str]
) -> None:
    """The adviser takes the list of those who have a place, and marks who came."""
    clients = stage.clients
    listed = await clients.every("scheduling", f"{path}/places")
    booked = {place["place_id"] for place in listed if place["status"] == "booked"}
    register = {
        place: day.attendance[leader] for leader, place in places.items() if place in booked
    }
    if day.reopened:
        nobody = dict.fromkeys(register, Attendance.ABSENT)
        await clients.post("scheduling", f"{path}/hold", token, register=_entries(nobody))
        await clients.post("scheduling", f"{path}/reopen", clients.office)
    await clients.post("scheduling", f"{path}/hold", token, register=_entries(register))
    for leader, attendance in day.corrections.items():
        place = places[leader]
        if place in register:
            await clients.post(
                "scheduling",
                f"{path}/places/{place}/attendance-correction",
                token,
                attendance=attendance,
            )
            register[place] = attendance
    stage.tally.registers[day_id] = register
    stage.tally.hours_of_day[day_id] = day.hours
    for network in day.networks:
        stage.held.setdefault(network, []).append((day.date, day_id))


def _entries(register: dict[str, Attendance]) -> list[dict[str, str]]:
    return [{"place_id": place, "attendance": mark} for place, mark in register.items()]
