"""Own records of leaders in cpd: entered and revoked."""

from random import Random

from tests.chaos.acts.days import STRANDS
from tests.chaos.acts.world import Act, Maker, World, some_date


def enter(world: World, random: Random) -> Act | None:
    if not world.people:
        return None
    person = random.choice(world.people).person_id
    return Act(
        "enter",
        "cpd",
        f"/people/{person}/own-records",
        {
            "hours": random.choice(("0.25", "1", "2.5")),
            "strand": random.choice(STRANDS),
            "earned_on": some_date(random),
            "title": f"Course {next(world.numbers)}",
        },
        learned=lambda answer: world.own_records.append((person, answer["credit_id"])),
    )


def revoke(world: World, random: Random) -> Act | None:
    if len(world.own_records) < 3:
        return None
    person, credit = world.own_records.pop(random.randrange(len(world.own_records)))
    return Act("revoke", "cpd", f"/people/{person}/own-records/{credit}/revocation", {})


ACTS: dict[Maker, float] = {enter: 4, revoke: 1}
