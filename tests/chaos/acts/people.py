"""Leaders: introduced, renamed, appointed, leaving, known twice, erased."""

from random import Random
from typing import Any

from tests.chaos.acts.world import FIRST_DAY, TODAY, Act, Maker, Person, World

MOST_PEOPLE = 150
ROLES = ("headteacher", "senior_leader", "middle_leader", "other")


def introduce(world: World, random: Random) -> Act | None:
    if not world.memberships or len(world.people) >= MOST_PEOPLE:
        return None
    member = random.choice(world.memberships)
    number = next(world.numbers)

    def learned(answer: Any) -> None:
        [post] = answer["posts"]
        world.people.append(
            Person(answer["person_id"], member.school_id, member.network_id, post["post_id"])
        )

    return Act(
        "introduce",
        "membership",
        "/people",
        {
            "name": f"Leader {number}",
            "email": f"leader{number}@school.example",
            "post": {
                "school_id": member.school_id,
                "role": random.choice(ROLES),
                "appointed_on": FIRST_DAY.isoformat(),
            },
        },
        learned=learned,
    )


def call(world: World, random: Random) -> Act | None:
    if not world.people:
        return None
    person = random.choice(world.people)
    name = f"Leader {next(world.numbers)}"
    return Act("call", "membership", f"/people/{person.person_id}", {"name": name}, method="PATCH")


def appoint(world: World, random: Random) -> Act | None:
    if not world.people or not world.memberships:
        return None
    person, member = random.choice(world.people), random.choice(world.memberships)
    body = {
        "school_id": member.school_id,
        "role": random.choice(ROLES),
        "appointed_on": FIRST_DAY.isoformat(),
    }
    return Act("appoint", "membership", f"/people/{person.person_id}/posts", body)


def leave_post(world: World, random: Random) -> Act | None:
    if len(world.people) < MOST_PEOPLE // 2:
        return None
    person = world.people.pop(random.randrange(len(world.people)))
    path = f"/people/{person.person_id}/posts/{person.post_id}/leave"
    return Act("leave post", "membership", path, {"left_on": TODAY.isoformat()})


def merge(world: World, random: Random) -> Act | None:
    """The record that goes is used no longer; the one that stays goes on."""
    if len(world.people) < MOST_PEOPLE // 3:
        return None
    goes = world.people.pop(random.randrange(len(world.people)))
    stays = random.choice(world.people)
    path = f"/people/{stays.person_id}/merge"
    return Act("merge", "membership", path, {"merged_person_id": goes.person_id})


def erase(world: World, random: Random) -> Act | None:
    if len(world.people) < MOST_PEOPLE // 3:
        return None
    person = world.people.pop(random.randrange(len(world.people)))
    return Act("erase", "membership", f"/people/{person.person_id}/erasure", {})


ACTS: dict[Maker, float] = {
    introduce: 6,
    call: 4,
    appoint: 1,
    leave_post: 0.5,
    merge: 0.5,
    erase: 1,
}
