"""What clients may do next, given what they were told before; each kind with its weight."""

from random import Random

from tests.chaos.acts import days, learning, membership, people, visits
from tests.chaos.acts.world import Act, World

__all__ = ["Act", "World", "next_act"]

_ACTS = {**membership.ACTS, **people.ACTS, **days.ACTS, **visits.ACTS, **learning.ACTS}


def next_act(world: World, random: Random) -> Act:
    """An act at random, of those that are possible."""
    while True:
        [make] = random.choices(list(_ACTS), list(_ACTS.values()))
        act = make(world, random)
        if act is not None:
            return act
