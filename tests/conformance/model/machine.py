"""The rules: what may happen next to commands, relays, consumers, operators and servers."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conformance import checks
from tests.conformance.model.actors import NO_END
from tests.conformance.model.world import GROUP, KEYS, PERSON, World, said
from tests.standin import Fate

T = TypeVar("T")

PARTS = st.sampled_from(
    [f"{part} {number}" for number in (1, 2) for part in ("relay", "consumer", "moves")]
)
ANY_KEY = st.sampled_from([*KEYS, PERSON])
KINDS = st.sampled_from(["used", "used", "unused", "poison"])
NUMBERS = st.sampled_from(["1", "2"])
OTHER = {"1": "2", "2": "1"}
Fates = Sequence[Fate]
FATES = st.lists(st.sampled_from(list(Fate)), min_size=1, max_size=6)
Said = Sequence[tuple[Any, str]]
SAID = st.lists(st.tuples(ANY_KEY, KINDS), min_size=1, max_size=5)
MOSTLY = st.sampled_from([True, True, True, False])
CHANGES = ["last first", "aspire.membership", "aspire.cpd", "compacted"]
WHICH = st.integers(0, 9)
"""Of those that there are: what is drawn does not depend on them, so that a run can be repeated."""
MENDED = st.booleans()
FEW = st.integers(1, 15)
BEFORE = st.sampled_from(["new", "settled", "failed"])
"""What a relay has been through."""
OVERTAKING = ["1", "2", "discard", "replay"]
"""A consumer, or another operator."""
SHARES = {
    "all to the first": lambda _: 0,
    "all to the second": lambda _: 1,
    "dealt out": lambda number: number,
    "dealt out the other way": lambda number: number + 1,
}
MOST_PARTITIONS = 6
MOST_OTHERS = 4
"""Commands and operators' acts under way: each has a connection of the pool."""
SECONDS_FOR_A_STEP = 30
"""A step takes milliseconds; one that never ends is a fault."""


def _one_of(there: Sequence[T], which: int) -> Sequence[T]:
    """One of those that there are, or none where there is none."""
    return [there[which % len(there)]] if there else []


class Kernel(RuleBasedStateMachine):
    """Each run has an empty database and a new broker; `begin` and `loop` are set before."""

    loop: ClassVar[asyncio.Runner]
    begin: ClassVar[Any]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world: World = self._do(Kernel.begin())
        self.names = self.acts = 0
        self.resends = False

    def _do(self, act: Coroutine[Any, Any, T]) -> T:
        async def within_time() -> T:
            async with asyncio.timeout(SECONDS_FOR_A_STEP):
                return await act

        return Kernel.loop.run(within_time())

    @initialize(resends=st.booleans(), runs=st.booleans(), said=SAID)
    def begin_anew(self, resends: bool, runs: bool, said: Said) -> None:
        """In some runs all is sent again, which would hide a loss in the others."""
        self.resends = resends
        if runs:
            self.world.take_runs()
        self._command(said, NO_END, commit=True)
        for part in ("relay 1", "consumer 1"):
            self._do(self.world.go(part, 0))

    def _go(self, name: str, steps: int) -> None:
        note(f"    {name} stands before: {self._do(self.world.go(name, steps))}")

    # Commands

    @rule(said=SAID, steps=st.one_of(st.just(NO_END), st.integers(1, 4)), commit=MOSTLY)
    def command(self, said: Said, steps: int, commit: bool) -> None:
        """A transaction with its events; it may stand still before its end, or be rolled back."""
        self._command(said, steps, commit=commit)

    def _command(self, chosen: Said, steps: int, *, commit: bool) -> None:
        events, names = [], []
        for key, kind in chosen:
            self.names += 1
            name = f"{kind} {self.names}"
            events.append(said(key, kind, name))
            if kind != "unused":
                names.append(name)
            if kind == "poison":
                self.world.poison.add(name)
        self._act("command", self.world.say(events, names, commit=commit), steps)

    # Processes

    @rule(part=PARTS, steps=st.one_of(st.just(NO_END), st.integers(1, 40)))
    def goes_on(self, part: str, steps: int) -> None:
        """A relay, a consumer, or a consumer's partitions being moved; begun where it is not."""
        self._go(part, steps)

    @rule(which=WHICH, steps=st.integers(1, 10))
    def other_goes_on(self, which: int, steps: int) -> None:
        """A command or an operator's act that stands still."""
        for name in _one_of(self.world.others, which):
            self._go(name, steps)

    @rule(which=WHICH)
    def dies(self, which: int) -> None:
        """Whoever it is, between any two acts."""
        for name in _one_of(list(self.world.actors), which):
            note(f"    {name} dies before: {self.world.actors[name].at}")
            self._do(self.world.kill(name))
            self._do(self.world.settle())

    # The network and the database

    @rule()
    def late_requests_arrive(self) -> None:
        """Of producers that may have gone since."""
        self.world.broker.deliver_late()

    @rule(which=WHICH, committed=st.booleans())
    def a_connection_breaks(self, which: int, committed: bool) -> None:
        """After the next commit, whose answer is lost; or now, as the database ends a transaction
        that has stood still for too long, whose process wakes up later."""
        for name in _one_of(self.world.transactions, which):
            note(f"    it is {name}'s")
            if committed:
                self.world.actors[name].loses_answer = True
            else:
                self._do(self.world.end_transaction(name))

    @rule(how=st.sampled_from(sorted(SHARES)))
    def partitions_move(self, how: str) -> None:
        """The broker has decided; a consumer learns it when it goes on."""
        if self.world.readers:
            self.world.broker.move(GROUP, SHARES[how])

    @rule(how=st.sampled_from(CHANGES))
    def topics_change(self, how: str) -> None:
        """More partitions, compaction, or what is on the last partition is read first."""
        broker = self.world.broker
        if how == "compacted":
            broker.compact()
        elif how == "last first":
            broker.last_first = not broker.last_first
        else:
            self._grow(how)

    def _grow(self, topic: str) -> None:
        there = len(self.world.broker.partitions([topic]))
        self.world.broker.create(topic, min(there + 1, MOST_PARTITIONS))

    # One comes between another's steps

    @rule(number=NUMBERS, said=SAID, fates=FATES)
    def requests_are_lost(self, number: str, said: Said, fates: Fates) -> None:
        """A command's events meet what the network does to requests."""
        self._command(said, NO_END, commit=True)
        self.world.broker.fates.extend(fates)
        self._go(f"relay {number}", NO_END)

    @rule(number=NUMBERS, key=st.sampled_from(KEYS))
    def a_key_moves_to_another_partition(self, number: str, key: Any) -> None:
        """What is said of it later is read first."""
        self._command([(key, "used")] * 2, NO_END, commit=True)
        self._go(f"relay {number}", NO_END)
        self._grow("aspire.membership")
        self._command([(key, "used")] * 4, NO_END, commit=True)
        self._go(f"relay {number}", NO_END)
        self._do(self.world.go(f"consumer {number}", 0))
        self.world.give_all_to(number)
        self.world.broker.last_first = True
        for part in ("moves", "consumer"):
            self._go(f"{part} {number}", NO_END)

    @rule(first=NUMBERS, said=SAID, steps=st.integers(1, 40))
    def consumer_is_overtaken(self, first: str, said: Said, steps: int) -> None:
        """It stands still in a batch, while its partitions go to the other, who takes them."""
        second = OTHER[first]
        self._command(said, NO_END, commit=True)
        self._go(f"relay {first}", NO_END)
        for number in (first, second):
            self._do(self.world.go(f"consumer {number}", 0))
        for owner, part, many in (
            (first, "moves", NO_END),
            (first, "consumer", steps),
            (second, "moves", NO_END),
            (second, "consumer", NO_END),
        ):
            self.world.give_all_to(owner)
            self._go(f"{part} {owner}", many)

    @rule(first=NUMBERS, before=BEFORE, said=SAID, later=SAID, steps=st.integers(1, 30))
    def relay_is_overtaken(
        self, first: str, before: str, said: Said, later: Said, steps: int
    ) -> None:
        """It stands still until the database has ended its transaction and the other has sent
        what came later; then it wakes up."""
        relay = f"relay {first}"
        if before == "failed":
            self.world.broker.fates.append(Fate.LOST)
            self._command([(PERSON, "used")], NO_END, commit=True)
        if before != "new":
            self._go(relay, NO_END)
        self._command(said, NO_END, commit=True)
        self._go(relay, steps)
        if relay in self.world.transactions:
            self._do(self.world.end_transaction(relay))
        self._command([*later, (PERSON, "used")], NO_END, commit=True)
        self._go(f"relay {OTHER[first]}", NO_END)
        self._go(relay, NO_END)

    @rule(
        which=WHICH, by=st.sampled_from(OVERTAKING), mended=st.booleans(), steps=st.integers(1, 15)
    )
    def operator_is_overtaken(self, which: int, by: str, mended: bool, steps: int) -> None:
        """They stand still, while a consumer takes what comes next of the key, or another acts."""
        for topic, key in _one_of(self.world.parked, which):
            if mended:
                self.world.poison.clear()
            first = self._act("replay", self.world.replay(topic, key), steps)
            if by == "discard":
                self._act("discard", self.world.discard(), NO_END)
            elif by == "replay":
                self._act("replay", self.world.replay(topic, key), NO_END)
            else:
                self._command([(UUID(key), "used")], NO_END, commit=True)
                for part in ("relay", "moves", "consumer"):
                    self._go(f"{part} {by}", NO_END)
            if first in self.world.actors:
                self._go(first, NO_END)

    # Operators

    @rule()
    def everything_is_sent_again(self) -> None:
        if self.resends:
            self._act("resend", self.world.resend(), NO_END)

    @rule()
    def the_effect_is_mended(self) -> None:
        self.world.poison.clear()

    @rule(which=WHICH, steps=st.integers(1, 40))
    def replay(self, which: int, steps: int) -> None:
        """Of what is parked of a key."""
        for key in _one_of(self.world.parked, which):
            self._act("replay", self.world.replay(*key), steps)

    @rule(steps=st.integers(1, 15))
    def discard(self, steps: int) -> None:
        """Of the first that is parked."""
        if self.world.parked:
            self._act("discard", self.world.discard(), steps)

    def _act(self, what: str, life: Coroutine[Any, Any, Any], steps: int) -> str:
        if len(self.world.others) == MOST_OTHERS:
            self._do(self.world.kill(self.world.others[0]))
            self._do(self.world.settle())
        self.acts += 1
        name = f"{what} {self.acts}"

        async def begin() -> str:
            self.world.act(name, life)
            return await self.world.go(name, steps)

        note(f"    {name} stands before: {self._do(begin())}")
        return name

    # What must hold

    @invariant()
    def holds(self) -> None:
        Kernel.steps += 1
        self._do(checks.always(self.world))

    def teardown(self) -> None:
        try:
            self._do(checks.calm(self.world))
        finally:
            self._do(self.world.close())
