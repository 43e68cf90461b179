"""Staff that a trust's system reports: who they are is known once the trust is told."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from deploy.demo.clients import Unexpected
from deploy.demo.plan.parts import Leader
from deploy.demo.play.stage import Done, Stage
from deploy.demo.trusts import System
from shared.events.vocabulary import Role

CODES: Final = {Role.HEADTEACHER: "HT", Role.SENIOR_LEADER: "SLT", Role.MIDDLE_LEADER: "HOD"}
"""What the trusts' systems call roles; any other code means another role."""
ANOTHER_ROLE: Final = "ADM"
SECONDS_TO_MATCH: Final = 60.0
POLL_SECONDS: Final = 0.1


def external_id(leader: Leader) -> str:
    """What a trust's system calls a member of staff."""
    return f"E{leader.number:04d}"


async def report_staff(stage: Stage, leaders: Sequence[Leader], done: Done) -> None:
    """Each trust's system reports those of them who are its own, in one go."""
    own: dict[System, list[Leader]] = defaultdict(list)
    for leader in leaders:
        system = stage.system_of(leader.school)
        assert system is not None
        own[system].append(leader)
    for system, staff in own.items():
        await system.report("StaffReported", [_report(stage, leader) for leader in staff])
    for system, staff in own.items():
        for leader in staff:
            stage.people[leader.number] = await _matched(stage, system, leader)
            done()


async def report_leaving(stage: Stage, leader: Leader) -> None:
    """The trust's system reports the last day in the post."""
    system = stage.system_of(leader.school)
    assert system is not None
    assert leader.left_on is not None
    left = {"external_id": external_id(leader), "left_on": leader.left_on.isoformat()}
    await system.report("StaffLeft", [left])


def _report(stage: Stage, leader: Leader) -> dict[str, Any]:
    return {
        "external_id": external_id(leader),
        "name": leader.name,
        "school_urn": int(stage.plan.schools[leader.school].school.urn),
        "role_code": CODES.get(leader.role, ANOTHER_ROLE),
        "from": leader.appointed_on.isoformat(),
        "work_email": leader.email,
    }


async def _matched(stage: Stage, system: System, leader: Leader) -> str:
    """Who it is, as the trust was told; and membership has that person. Raises Unexpected."""
    deadline = time.monotonic() + SECONDS_TO_MATCH
    while (person := system.records.person(external_id(leader))) is None:
        if time.monotonic() > deadline:
            raise Unexpected(
                f"A trust has not been told within {SECONDS_TO_MATCH:.0f} s who "
                f"{external_id(leader)} is. `aspire status` shows how integration is."
            )
        await _decide(stage)
        await asyncio.sleep(POLL_SECONDS)
    await stage.clients.until(
        "membership",
        f"/people/{person}",
        lambda found: found["name"] == leader.name,
        "of reported staff",
    )
    return person


async def _decide(stage: Stage) -> None:
    """Where somebody has a namesake in the trust, its own people say that it is somebody else."""
    for match in await stage.clients.every("integration", "/matches"):
        token = stage.clients.trust(match["trust_id"])
        path = f"/matches/{match['match_id']}"
        await stage.clients.post("integration", path, token, new_person=True)
