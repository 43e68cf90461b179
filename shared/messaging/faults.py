"""Named points between two acts of the kernel, at which a test ends the process or holds it.

Nothing is armed here, and no setting or environment variable can do it: only code that calls
`arm`, which tests do, in the process that is to die.
"""

from collections.abc import Awaitable, Callable
from typing import Final

POINTS: Final = (
    # a command
    "after_append_before_commit",
    "after_commit_before_wake",
    # the relay
    "before_send",
    "after_send_before_transaction_ends",
    "after_send_before_delete",
    "after_delete_before_commit",
    # the consumer
    "after_read_before_claim",
    "after_claim_before_effects",
    "between_waves",
    "after_effects_before_position",
    "after_position_before_append",
    "after_caused_before_commit",
    "after_effect_before_offset_commit",
    # an operator
    "after_replay_before_commit",
    "after_discard_before_commit",
    "after_take_over_before_commit",
)
"""In the order in which an event passes them."""

_act: Callable[[str], Awaitable[None]] | None = None


async def reach(point: str) -> None:
    """The kernel has come to `point`; nothing happens there unless a test has armed it."""
    if _act is not None:
        await _act(point)


def arm(act: Callable[[str], Awaitable[None]] | None) -> None:
    """Has `act` called at every point, with its name; None ends that."""
    global _act
    _act = act
