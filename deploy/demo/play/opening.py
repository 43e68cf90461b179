"""The year opens: networks and advisers, schools and groups that join, and their leaders."""

import asyncio
from typing import Any

from deploy.demo.clients import each
from deploy.demo.names import email
from deploy.demo.plan.parts import Group, Leader, MemberSchool, Network
from deploy.demo.play.staff import report_staff
from deploy.demo.play.stage import Done, Stage


async def establish_networks(stage: Stage, done: Done) -> None:
    """The office establishes each network and assigns its two advisers."""
    await each((_network(stage, network) for network in stage.plan.networks), done)


async def join_schools(stage: Stage, done: Done) -> None:
    """The office registers the groups, and has the schools join."""
    for number, group in enumerate(stage.plan.groups):
        await _group(stage, number, group)
    await each((_join(stage, school) for school in stage.plan.schools), done)


async def appoint_leaders(stage: Stage, done: Done) -> None:
    """Each school introduces its own leaders, or its trust's system reports them; successors come
    later in the year."""
    first = [leader for leader in stage.plan.leaders if leader.succeeds is None]
    reported = [leader for leader in first if stage.system_of(leader.school)]
    others = [leader for leader in first if not stage.system_of(leader.school)]
    async with asyncio.TaskGroup() as group:
        group.create_task(each((introduce(stage, leader) for leader in others), done))
        group.create_task(report_staff(stage, reported, done))
    # Asked for afterwards, not one by one: meanwhile most of it has arrived.
    await each((learned_of(stage, leader) for leader in first), lambda: None)


async def introduce(stage: Stage, leader: Leader) -> None:
    """A school introduces one of its staff."""
    person = await stage.clients.post(
        "membership",
        "/people",
        stage.school_token(leader.school),
        name=leader.name,
        email=leader.email,
        post={
            "school_id": stage.school_id(leader.school),
            "role": leader.role,
            "appointed_on": leader.appointed_on.isoformat(),
        },
    )
    stage.people[leader.number] = person["person_id"]
    stage.posts[leader.number] = person["posts"][0]["post_id"]


async def learned_of(stage: Stage, leader: Leader) -> None:
    """Scheduling has learned of a leader's post."""
    path = f"/people/{stage.people[leader.number]}"
    await stage.clients.until("scheduling", path, _has_posts, "of a leader's post")


async def _network(stage: Stage, network: Network) -> None:
    clients, office = stage.clients, stage.clients.office
    day = network.established_on.isoformat()
    made = await clients.post(
        "membership", "/networks", office,
        name=network.name, region=network.region, established_on=day,
    )  # fmt: skip
    network_id = made["network_id"]
    stage.networks[network.number] = network_id
    advisers = []
    for number, name in enumerate(network.advisers):
        address = email(name, 2 * network.number + number, school=False)
        person = await clients.post("membership", "/people", office, name=name, email=address)
        advisers.append(person["person_id"])
        await clients.post(
            "membership", f"/networks/{network_id}/advisers", office,
            person_id=person["person_id"], assigned_on=day,
        )  # fmt: skip
    stage.advisers[network.number] = (advisers[0], advisers[1])
    stage.tally.networks += 1
    stage.tally.newly_established += network.established_on in stage.plan.year
    await clients.until(
        "scheduling",
        f"/networks/{network_id}",
        lambda found: set(advisers) <= set(found["advisers"]),
        "of a network and its advisers",
    )


async def _group(stage: Stage, number: int, group: Group) -> None:
    made = await stage.clients.post(
        "membership", "/groups", stage.clients.office, name=group.name, kind=group.kind
    )
    stage.groups[number] = made["group_id"]


async def _join(stage: Stage, school: MemberSchool) -> None:
    clients, office = stage.clients, stage.clients.office
    school_id = school.school.school_id
    in_group: dict[str, Any] = {}
    if school.group is not None:
        in_group = {"group_id": stage.groups[school.group]}
        await clients.post(
            "membership",
            f"/groups/{in_group['group_id']}/schools",
            office,
            school_id=school_id,
            joined_on=stage.plan.groups[school.group].founded_on.isoformat(),
        )
    made = await clients.post(
        "membership",
        "/memberships",
        office,
        school_id=school_id,
        network_id=stage.networks[school.network],
        pathway=school.pathway,
        joined_on=school.joined_on.isoformat(),
        starting_point=dict(school.starting_point),
        **in_group,
    )
    stage.memberships[school.number] = made["membership_id"]
    stage.tally.member_schools += 1
    stage.tally.joined += school.joined_on in stage.plan.year
    await clients.until(
        "scheduling",
        f"/schools/{school_id}",
        lambda found: found["membership"] is not None,
        "that a school has joined",
    )


def _has_posts(found: dict[str, Any]) -> bool:
    return bool(found["posts"])
