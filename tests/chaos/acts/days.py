"""Network Days of few places, for which more people apply than there are places."""

from random import Random
from typing import Any

from tests.chaos.acts.world import Act, Ask, Day, Maker, World, some_date

MOST_OPEN = 12
STRANDS = (
    "leadership",
    "learning_environment",
    "assessment_for_learning",
    "pedagogy_and_curriculum",
    "student_and_family_support",
)
MARKS = ("attended", "attended", "attended", "late", "excused", "absent")


def schedule(world: World, random: Random) -> Act | None:
    if not world.people or len(world.open_days()) >= MOST_OPEN:
        return None
    network = random.choice(world.people).network_id
    body = {
        "title": f"Day {next(world.numbers)}",
        "network_ids": [network],
        "date": some_date(random),
        "venue": "Town Hall",
        "places": random.randint(1, 4),
        "strand": random.choice(STRANDS),
        "hours": random.choice(("1.25", "2.5", "5", "6.75")),
    }
    return Act(
        "schedule",
        "scheduling",
        "/network-days",
        body,
        learned=lambda answer: world.days.append(Day(answer["day_id"], network)),
    )


def book(world: World, random: Random) -> Act | None:
    if not (days := world.open_days()):
        return None
    day = random.choice(days)
    people = [each for each in world.people if each.network_id == day.network_id]
    if not people:
        return None
    person = random.choice(people)
    day.applied += 1
    return Act(
        "book",
        "scheduling",
        f"/network-days/{day.day_id}/places",
        {"person_id": person.person_id, "school_id": person.school_id},
        learned=lambda answer: day.places.update({answer["place_id"]: person.person_id}),
    )


def release(world: World, random: Random) -> Act | None:
    days = [day for day in world.open_days() if day.places]
    if not days:
        return None
    day = random.choice(days)
    place = random.choice(list(day.places))
    del day.places[place]
    return Act("release", "scheduling", f"/network-days/{day.day_id}/places/{place}/release")


def reschedule(world: World, random: Random) -> Act | None:
    if not (days := world.open_days()):
        return None
    body: dict[str, Any] = {"venue": f"Hall {next(world.numbers)}"}
    if random.random() < 0.7:
        body["places"] = random.randint(1, 6)
    day = random.choice(days)
    return Act("reschedule", "scheduling", f"/network-days/{day.day_id}/reschedule", body)


def hold(world: World, random: Random) -> Act | None:
    """The list of who has a place is asked for first, and may have changed when it is sent."""
    days = [day for day in world.open_days() if day.applied >= 10 or day.register]
    if not days:
        return None
    day = random.choice(days)

    async def body(ask: Ask) -> Any:
        listed = await ask("scheduling", f"/network-days/{day.day_id}/places", limit=1000)
        if listed is None:
            return None
        return {
            "register": [
                {"place_id": each["place_id"], "attendance": random.choice(MARKS)}
                for each in listed["items"]
                if each["status"] == "booked"
            ]
        }

    def learned(_: object) -> None:
        day.state = "held" if not day.register else "held again"

    return Act("hold", "scheduling", f"/network-days/{day.day_id}/hold", body, learned=learned)


def reopen(world: World, random: Random) -> Act | None:
    days = [day for day in world.days if day.state == "held"]
    if not days:
        return None
    day = random.choice(days)
    day.state = "being reopened"

    def learned(_: object) -> None:
        day.state, day.register = "scheduled", {"": "reopened"}

    return Act("reopen", "scheduling", f"/network-days/{day.day_id}/reopen", {}, learned=learned)


def correct(world: World, random: Random) -> Act | None:
    """An entry that is said anew; once for each, and never as it was."""
    days = [day for day in world.days if day.state == "held" and day.places]
    if not days:
        return None
    day = random.choice(days)
    place, _ = day.places.popitem()
    path = f"/network-days/{day.day_id}/places/{place}/attendance-correction"
    return Act("correct", "scheduling", path, {"attendance": random.choice(MARKS)})


def cancel(world: World, random: Random) -> Act | None:
    if len(days := world.open_days()) < MOST_OPEN // 2:
        return None
    day = random.choice(days)
    day.state = "cancelled"
    return Act("cancel", "scheduling", f"/network-days/{day.day_id}/cancel", {"reason": "venue"})


ACTS: dict[Maker, float] = {
    schedule: 5,
    book: 30,
    release: 8,
    reschedule: 3,
    hold: 3,
    reopen: 0.5,
    correct: 4,
    cancel: 0.3,
}
