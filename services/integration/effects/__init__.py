"""What other services' events change here: what is known of trusts, schools and people, and what of
the events is told to trusts.

An effect writes rows of its event's key only; what spans keys is joined when it is read, or by the
feeder.
"""

from collections.abc import Iterable, Sequence
from functools import wraps
from typing import Any

import asyncpg

from services.integration.domain import telling
from services.integration.effects.knowing import effects as known
from services.integration.store import telling as store
from shared.events import EVENT_TYPES, Event
from shared.messaging import Caused, Effect, Effects, Received

effects = Effects()


async def tell(tx: asyncpg.Connection, events: Sequence[Received[Event]]) -> None:
    """What concerns schools, groups and people of trusts goes out to those."""
    await store.tell(tx, [each for event in events for each in telling.slices(event)])


def _and_tell(know: Effect) -> Effect:
    @wraps(know)
    async def both(
        tx: asyncpg.Connection, events: Sequence[Received[Any]]
    ) -> Iterable[Caused] | None:
        caused = await know(tx, events)
        await tell(tx, events)
        return caused

    return both


for event_type in sorted(known.types | telling.TYPES):
    know = known.of(event_type)
    if know is None:
        effect: Effect = tell
    elif event_type in telling.TYPES:
        effect = _and_tell(know)
    else:
        effect = know
    effects.on(EVENT_TYPES[event_type])(effect)
