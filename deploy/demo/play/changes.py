"""What changes between the terms: moves, pauses, leavers, successors, a person known twice."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from deploy.demo.clients import each
from deploy.demo.plan.parts import Leader, MemberSchool, Plan
from deploy.demo.play.opening import introduce, learned_of
from deploy.demo.play.staff import report_leaving, report_staff
from deploy.demo.play.stage import Done, Stage
from deploy.demo.terms import Term
from shared.events.vocabulary import LeavingReason


def changes_before(plan: Plan, term: Term) -> list[Callable[[Stage], Awaitable[None]]]:
    """The changes that hold from the beginning of a term."""
    changes: list[Callable[[Stage], Awaitable[None]]] = []
    for school in plan.schools:
        if school.moves_to is not None and school.moves_to[1] == term.begins:
            changes.append(_bound(_move, school))
        if school.paused_on == term.begins:
            changes.append(_bound(_pause, school))
        if school.resumed_on == term.begins:
            changes.append(_bound(_resume, school))
        if school.left_on is not None and school.left_on + timedelta(days=1) == term.begins:
            changes.append(_bound(_leave, school))
    for leader in plan.leaders:
        if leader.succeeds is not None and leader.appointed_on == term.begins:
            changes.append(_bound(_succeed, leader))
        if leader.same_as is not None and term == plan.terms[1]:
            changes.append(_bound(_merge, leader))
    return changes


async def make_changes(stage: Stage, term: Term, done: Done) -> None:
    """Make them, and see that scheduling has learned of each."""
    await each((change(stage) for change in changes_before(stage.plan, term)), done)


def _bound(change: Callable[[Stage, Any], Awaitable[None]], of: Any) -> Any:
    return lambda stage: change(stage, of)


async def _move(stage: Stage, school: MemberSchool) -> None:
    assert school.moves_to is not None
    to, day = stage.networks[school.moves_to[0]], school.moves_to[1]
    await _tell(stage, school, "move", network_id=to, moved_on=day.isoformat())
    await _learned(stage, school, lambda membership: membership["network_id"] == to)


async def _pause(stage: Stage, school: MemberSchool) -> None:
    assert school.paused_on is not None
    await _tell(stage, school, "pause", paused_on=school.paused_on.isoformat())
    await _learned(stage, school, lambda membership: not membership["active"])


async def _resume(stage: Stage, school: MemberSchool) -> None:
    assert school.resumed_on is not None
    await _tell(stage, school, "resume", resumed_on=school.resumed_on.isoformat())
    await _learned(stage, school, lambda membership: membership["active"])


async def _leave(stage: Stage, school: MemberSchool) -> None:
    assert school.left_on is not None
    reasons = list(LeavingReason)
    reason = reasons[school.number % 3]
    await _tell(stage, school, "leave", left_on=school.left_on.isoformat(), reason=reason)
    await _learned(stage, school, lambda membership: membership["ended_on"] is not None)


async def _tell(stage: Stage, school: MemberSchool, act: str, **body: Any) -> None:
    path = f"/memberships/{stage.memberships[school.number]}/{act}"
    await stage.clients.post("membership", path, stage.clients.office, **body)


async def _learned(
    stage: Stage, school: MemberSchool, holds: Callable[[dict[str, Any]], bool]
) -> None:
    await stage.clients.until(
        "scheduling",
        f"/schools/{school.school.school_id}",
        lambda found: holds(found["membership"]),
        "of a change of a membership",
    )


async def _succeed(stage: Stage, leader: Leader) -> None:
    assert leader.succeeds is not None
    goes = stage.plan.leaders[leader.succeeds]
    if stage.system_of(goes.school):
        await report_leaving(stage, goes)
        await report_staff(stage, [leader], lambda: None)
    else:
        await _leave_post(stage, goes)
        await introduce(stage, leader)
    await learned_of(stage, leader)


async def _leave_post(stage: Stage, leader: Leader) -> None:
    assert leader.left_on is not None
    await stage.clients.post(
        "membership",
        f"/people/{stage.people[leader.number]}/posts/{stage.posts[leader.number]}/leave",
        stage.school_token(leader.school),
        left_on=leader.left_on.isoformat(),
    )


async def _merge(stage: Stage, leader: Leader) -> None:
    assert leader.same_as is not None
    stays, goes = stage.people[leader.same_as], stage.people[leader.number]
    await stage.clients.post(
        "membership", f"/people/{stays}/merge", stage.clients.office, merged_person_id=goes
    )
    stage.tally.merged[goes] = stays
    await stage.clients.until(
        "scheduling",
        f"/people/{goes}",
        lambda found: found["person_id"] == stays,
        "that two records are one person",
    )
