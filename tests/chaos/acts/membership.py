"""Networks, their advisers, the schools that join them, and what the register says of these."""

import csv
import io
from random import Random

from shared.events.vocabulary import Region
from tests.chaos.acts.world import FIRST_DAY, TODAY, Act, Maker, Membership, World

JUDGEMENTS = ("outstanding", "good", "requires_improvement", "inadequate")


def establish(world: World, random: Random) -> Act | None:
    if len(world.networks) >= 8:
        return None
    return Act(
        "establish",
        "membership",
        "/networks",
        {
            "name": f"Network {next(world.numbers)}",
            "region": random.choice(list(Region)),
            "established_on": FIRST_DAY.isoformat(),
        },
        learned=lambda answer: world.networks.append(answer["network_id"]),
    )


def rename(world: World, random: Random) -> Act | None:
    if not world.networks:
        return None
    network = random.choice(world.networks)
    name = f"Network {next(world.numbers)}"
    return Act("rename", "membership", f"/networks/{network}", {"name": name}, method="PATCH")


def introduce_adviser(world: World, random: Random) -> Act | None:
    if len(world.advisers) >= 12:
        return None
    name = f"Adviser {next(world.numbers)}"
    return Act(
        "introduce adviser",
        "membership",
        "/people",
        {"name": name},
        learned=lambda answer: world.advisers.append(answer["person_id"]),
    )


def assign(world: World, random: Random) -> Act | None:
    free = [each for each in world.advisers if each not in world.assigned]
    if not free or not world.networks:
        return None
    adviser, network = random.choice(free), random.choice(world.networks)
    return Act(
        "assign",
        "membership",
        f"/networks/{network}/advisers",
        {"person_id": adviser, "assigned_on": FIRST_DAY.isoformat()},
        learned=lambda _: world.assigned.update({adviser: network}),
    )


def join(world: World, random: Random) -> Act | None:
    if not world.outside or not world.networks:
        return None
    school = world.outside.pop(random.randrange(len(world.outside)))
    network = random.choice(world.networks)
    return Act(
        "join",
        "membership",
        "/memberships",
        {
            "school_id": school,
            "network_id": network,
            "pathway": "partner_schools",
            "joined_on": FIRST_DAY.isoformat(),
            "starting_point": {
                "framework": "overall_grade",
                "judgement": random.choice(JUDGEMENTS),
            },
        },
        learned=lambda answer: world.memberships.append(
            Membership(answer["membership_id"], school, network)
        ),
    )


def move(world: World, random: Random) -> Act | None:
    if not world.memberships or len(world.networks) < 2:
        return None
    member = random.choice(world.memberships)
    to = random.choice([each for each in world.networks if each != member.network_id])

    def learned(_: object) -> None:
        member.network_id = to
        for person in world.people:
            if person.school_id == member.school_id:
                person.network_id = to

    path = f"/memberships/{member.membership_id}/move"
    return Act(
        "move",
        "membership",
        path,
        {"network_id": to, "moved_on": TODAY.isoformat()},
        learned=learned,
    )


def pause(world: World, random: Random) -> Act | None:
    active = [each for each in world.memberships if each.active]
    if len(active) < 6:
        return None
    member = random.choice(active)
    member.active = False
    path = f"/memberships/{member.membership_id}/pause"
    return Act("pause", "membership", path, {"paused_on": TODAY.isoformat()})


def resume(world: World, random: Random) -> Act | None:
    paused = [each for each in world.memberships if not each.active]
    if not paused:
        return None
    member = random.choice(paused)
    member.active = True
    path = f"/memberships/{member.membership_id}/resume"
    return Act("resume", "membership", path, {"resumed_on": TODAY.isoformat()})


def inspect(world: World, random: Random) -> Act | None:
    if not world.memberships:
        return None
    school = random.choice(world.memberships).school_id
    year, month, day = (
        random.randrange(2012, 2024),
        random.randrange(1, 13),
        random.randrange(1, 29),
    )
    inspection = {
        "framework": "overall_grade",
        "judgement": random.choice(JUDGEMENTS),
        "inspected_on": f"{year}-{month:02}-{day:02}",
    }
    path = f"/schools/{school}/inspections"
    return Act("inspect", "membership", path, {"inspection": inspection})


def refresh(world: World, random: Random) -> Act | None:
    """A register in which every school has another name: one command, an event for each."""
    number = next(world.numbers)
    rows = list(csv.reader(io.StringIO(world.register.decode("cp1252"))))
    named = rows[0].index("EstablishmentName")
    for row in rows[1:]:
        row[named] = f"School {number}"
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    return Act("refresh", "membership", "/register-imports", file.getvalue().encode("cp1252"))


ACTS: dict[Maker, float] = {
    establish: 1,
    rename: 1,
    introduce_adviser: 1,
    assign: 1,
    join: 2,
    move: 1,
    pause: 0.5,
    resume: 0.5,
    inspect: 2,
    refresh: 0.7,
}
