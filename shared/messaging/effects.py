"""Effects: what other services' events change here. A service registers one function a type."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import asyncpg

from shared.events import Caused, Event, Received, Topic

E = TypeVar("E", bound=Event)

EffectOf = Callable[[asyncpg.Connection, Sequence[Received[E]]], Awaitable[Iterable[Caused] | None]]
Effect = EffectOf[Any]


class Effects:
    """The effects of a service, by event type.

    An effect is a plain async function of a connection (in the batch's transaction) and a list of
    events of one type, in which a key occurs once at most. It writes only rows that the events'
    keys own, with a few set-based statements, and may return events that it causes.

    One that takes `runs` may find a key several times, in the order of its events: fewer calls
    where a key says the same again and again.
    """

    def __init__(self) -> None:
        self._by_type: dict[str, Effect] = {}
        self._topics: dict[str, Topic] = {}
        self.taking_runs: set[str] = set()

    def on(self, event: type[E], *, runs: bool = False) -> Callable[[EffectOf[E]], EffectOf[E]]:
        """Registers the decorated function as the effect of `event`.

        Raises:
            ValueError: the type has an effect already.
        """

        def register(effect: EffectOf[E]) -> EffectOf[E]:
            if event.type in self._by_type:
                raise ValueError(f"{event.type} has an effect already: {self._by_type[event.type]}")
            self._by_type[event.type] = effect
            if runs:
                self.taking_runs.add(event.type)
            self._topics[event.topic.name] = event.topic
            return effect

        return register

    def of(self, event_type: str) -> Effect | None:
        """The effect of a type; None for a type that this service does not use."""
        return self._by_type.get(event_type)

    @property
    def types(self) -> frozenset[str]:
        """The types that this service uses."""
        return frozenset(self._by_type)

    @property
    def topics(self) -> list[Topic]:
        """The topics that the registered types come from."""
        return list(self._topics.values())
