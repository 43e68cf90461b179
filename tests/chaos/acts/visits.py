"""Development Days: planned, delivered, corrected, cancelled."""

from random import Random

from tests.chaos.acts.days import STRANDS
from tests.chaos.acts.world import Act, Maker, Visit, World, some_date


def plan(world: World, random: Random) -> Act | None:
    adviser = random.choice(list(world.assigned)) if world.assigned else None
    schools = [
        each.school_id
        for each in world.memberships
        if adviser and each.network_id == world.assigned[adviser]
    ]
    if not schools:
        return None
    body = {
        "school_id": random.choice(schools),
        "adviser_id": adviser,
        "date": some_date(random),
        "strand": random.choice(STRANDS),
    }
    return Act(
        "plan",
        "scheduling",
        "/development-days",
        body,
        learned=lambda answer: world.visits.append(
            Visit(
                answer["day_id"],
                [each.person_id for each in world.people if each.school_id == answer["school_id"]],
            )
        ),
    )


def deliver(world: World, random: Random) -> Act | None:
    visits = [each for each in world.visits if each.state == "planned" and each.people]
    if not visits:
        return None
    visit = random.choice(visits)
    body = {
        "hours": random.choice(("1.5", "3", "6")),
        "participants": random.sample(visit.people, min(len(visit.people), 3)),
    }

    def learned(_: object) -> None:
        visit.state = "delivered"

    return Act(
        "deliver", "scheduling", f"/development-days/{visit.day_id}/deliver", body, learned=learned
    )


def correct_visit(world: World, random: Random) -> Act | None:
    """Hours that no other command says, so that it always changes something."""
    visits = [each for each in world.visits if each.state == "delivered"]
    if not visits:
        return None
    visit = random.choice(visits)
    visit.state = "corrected"
    path = f"/development-days/{visit.day_id}/correction"
    return Act("correct visit", "scheduling", path, {"hours": "2.25"})


def cancel_visit(world: World, random: Random) -> Act | None:
    visits = [each for each in world.visits if each.state == "planned"]
    if not visits:
        return None
    visit = random.choice(visits)
    visit.state = "cancelled"
    path = f"/development-days/{visit.day_id}/cancel"
    return Act("cancel visit", "scheduling", path, {"reason": "school_request"})


ACTS: dict[Maker, float] = {plan: 5, deliver: 5, correct_visit: 1, cancel_visit: 0.5}
