"""Has a planned year happen, phase by phase, through the public HTTP APIs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from deploy.demo.play.changes import changes_before, make_changes
from deploy.demo.play.development_days import (
    development_days_in,
    enter_own_records,
    play_development_days,
)
from deploy.demo.play.network_days import network_days_in, play_network_days
from deploy.demo.play.opening import appoint_leaders, establish_networks, join_schools
from deploy.demo.play.stage import Done, Stage
from deploy.demo.play.trusts import CONNECTED, connect_trusts, trusts_know

__all__ = ["Phase", "Stage", "phases"]


@dataclass(frozen=True)
class Phase:
    """A part of the year: so many steps, each of which is reported when it is done."""

    name: str
    steps: int
    play: Callable[[Done], Awaitable[None]]


def phases(stage: Stage) -> list[Phase]:
    """The phases of the year, in their order."""
    plan = stage.plan
    first = sum(leader.succeeds is None for leader in plan.leaders)
    opening = [
        Phase("Networks and advisers", len(plan.networks), partial(establish_networks, stage)),
        Phase("Schools join", len(plan.schools), partial(join_schools, stage)),
        Phase("Trusts connect", CONNECTED, partial(connect_trusts, stage)),
        Phase("Leaders in post", first, partial(appoint_leaders, stage)),
    ]
    terms = []
    for term in plan.terms:
        if changes := changes_before(plan, term):
            name = f"Changes before {term.name.lower()}"
            terms.append(Phase(name, len(changes), partial(make_changes, stage, term)))
        days, visits = network_days_in(stage, term), development_days_in(stage, term)
        terms.append(
            Phase(f"{term.name}: Network Days", len(days), partial(play_network_days, stage, term))
        )
        terms.append(
            Phase(
                f"{term.name}: Development Days",
                len(visits),
                partial(play_development_days, stage, term),
            )
        )
    own = Phase("Leaders' own records", len(plan.own_records), partial(enter_own_records, stage))
    told = Phase("Trusts know what is theirs", CONNECTED, partial(trusts_know, stage))
    return [*opening, *terms, own, told]
