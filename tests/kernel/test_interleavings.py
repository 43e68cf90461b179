"""Two replicas, one key: every pair of moves, held at every pair of points, ends as in a row.

Each move is a transaction of its own, as two replicas make them after partitions were added, or an
operator beside a consumer. Reading, claiming and committing are where another's move can come
between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, product
from typing import Any

import asyncpg
import pytest

from shared.database import create_pool
from shared.events.membership import NetworkEstablished, NetworkRenamed
from shared.messaging import Effects, Received, batch, faults, parking
from shared.messaging.plan import EARLIER_IS_PARKED
from shared.messaging.records import Record
from tests.kernel.flow import TOPIC
from tests.kernel.ledger import Kernel, Stream, ledger_effects

pytestmark = pytest.mark.bad_day

STEP_OF = {
    "after_read_before_claim": "read",
    "after_claim_before_effects": "claimed",
    "after_caused_before_commit": "done, not committed",
    "after_replay_before_commit": "done, not committed",
    "after_discard_before_commit": "done, not committed",
}
STEPS = tuple(dict.fromkeys(STEP_OF.values()))
LANES = 3
"""Cases that run side by side, each pair of replicas with connections of its own."""

Outcome = tuple[Any, ...]


@dataclass
class Case:
    """A key with its records, brought to where both moves mean something."""

    first: "Move"
    second: "Move"
    holds: tuple[str, str] | None
    """The steps at which the moves are held; None: the second begins when the first has ended."""
    partition: int
    records: list[Record] = field(init=False)
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = Stream(partition=self.partition)
        self.records = [self.stream.next(str(number)) for number in range(1, 8)]

    def __str__(self) -> str:
        held = " ".join(f"[{step}]" for step in self.holds or ())
        return f"{self.first.name} / {self.second.name} {held}".strip()

    @property
    def key(self) -> str:
        return str(self.stream.key)

    def needs(self, what: str) -> bool:
        return what in self.first.needs + self.second.needs

    @property
    def head(self) -> int:
        """How far the key has come before the moves."""
        return 2 if self.needs("parked") else 1

    @property
    def aside(self) -> int:
        """The sequence to set aside."""
        return self.head + (3 if self.needs("aside") else 2)

    def before(self) -> list[Record]:
        """What is taken first; the second record is parked where the moves need that."""
        early = [self.record(self.head + 2)] if self.needs("aside") else []
        return [*self.records[: self.head], *early]

    def record(self, sequence: int, partition: int | None = None) -> Record:
        found = self.records[sequence - 1]
        return found if partition is None else replace(found, partition=partition)


@dataclass(frozen=True)
class Replica:
    """Whose moves go through one connection."""

    pool: asyncpg.Pool
    effects: Effects
    number: int
    """0 or 1: two replicas have different partitions."""

    async def take(self, case: Case, sequence: int, value: bytes | None = None) -> Outcome:
        record = case.record(sequence, case.partition + self.number)
        if value is not None:
            record = replace(record, value=value)
        took = await batch.take(self.pool, "cpd", self.effects, [record])
        return (len(took.applied), took.seen, took.set_aside, len(took.parked))

    async def pid(self) -> int:
        pid: int = await self.pool.fetchval("SELECT pg_backend_pid()")
        return pid


@dataclass(frozen=True)
class Move:
    """What a transaction does to the key, and what it needs to find there."""

    name: str
    act: Callable[[Replica, Case], Awaitable[Outcome]]
    needs: tuple[str, ...] = ()


async def _apply_next(replica: Replica, case: Case) -> Outcome:
    return await replica.take(case, case.head + 1)


async def _set_aside(replica: Replica, case: Case) -> Outcome:
    return await replica.take(case, case.aside)


async def _park(replica: Replica, case: Case) -> Outcome:
    return await replica.take(case, case.head + 1, b"{")


async def _seen(replica: Replica, case: Case) -> Outcome:
    return await replica.take(case, 1)


async def _replay(replica: Replica, case: Case) -> Outcome:
    try:
        done = await parking.replay(
            replica.pool, "cpd", replica.effects, TOPIC, case.key, "user:ada"
        )
    except parking.NothingParked:
        return ("nothing parked",)
    return (done.applied, [sequence for sequence, _ in done.failed])


async def _discard(replica: Replica, case: Case) -> Outcome:
    number = await replica.pool.fetchval(
        "SELECT parked_id FROM parked WHERE key = $1 ORDER BY sequence LIMIT 1", case.key
    )
    try:
        return ((await parking.discard(replica.pool, number or 0, "user:ada", "bad")).sequence,)
    except parking.NothingParked:
        return ("nothing parked",)


MOVES = (
    Move("apply next", _apply_next),
    Move("set aside", _set_aside),
    Move("release", _apply_next, needs=("aside",)),
    Move("park", _park),
    Move("replay", _replay, needs=("parked",)),
    Move("discard", _discard, needs=("parked",)),
    Move("seen", _seen),
)


@dataclass
class Gate:
    """Holds one move at one step, the first time that it comes there."""

    step: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


GATE: ContextVar[Gate | None] = ContextVar("GATE", default=None)


async def _hold(point: str) -> None:
    gate = GATE.get()
    if gate is not None and STEP_OF.get(point) == gate.step:
        gate.reached.set()
        await gate.opened.wait()


@pytest.fixture
def held_at_gates() -> Iterator[None]:
    faults.arm(_hold)
    yield
    faults.arm(None)


@pytest.mark.parametrize("first", MOVES, ids=lambda move: move.name.replace(" ", "-"))
@pytest.mark.usefixtures("held_at_gates")
async def test_two_moves_of_a_key_end_as_one_after_the_other(first: Move, kernel: Kernel) -> None:
    partitions = count(0, 2)
    serial = [
        Case(*pair, None, next(partitions))
        for second in MOVES
        for pair in ((first, second), (second, first))
    ]
    cases = [
        Case(first, second, holds, next(partitions))
        for second in MOVES
        for holds in product(STEPS, STEPS)
    ]
    sick = {case.key for case in (*serial, *cases) if case.needs("parked")}
    effects = effects_failing_for(sick)
    kernel.effects = effects
    await kernel.take(*(record for case in (*serial, *cases) for record in case.before()))
    assert await kernel.pool.fetchval("SELECT count(*) FROM parked") == len(sick)
    sick.clear()
    ends = await _run(kernel, [*serial, *cases])
    allowed = {
        second: [ends[2 * number], _turned(ends[2 * number + 1])]
        for number, second in enumerate(MOVES)
    }
    odd = [
        f"{case}: {end}; in a row: {allowed[case.second]}"
        for case, end in zip(cases, ends[len(serial) :], strict=True)
        if end not in allowed[case.second]
    ]
    assert not odd, "\n".join(odd)
    await _nothing_is_stuck(kernel, serial)


async def _run(kernel: Kernel, cases: Sequence[Case]) -> list[Outcome]:
    """The cases, some at a time, each with two replicas; answers how each ended, in their order."""
    waiting = list(reversed(cases))
    results: dict[str, Outcome] = {}

    async def lane() -> None:
        pools = [await create_pool(kernel.dsn, "replica", max_size=1) for _ in range(2)]
        replicas = [Replica(pool, kernel.effects, number) for number, pool in enumerate(pools)]
        pids = [await replica.pid() for replica in replicas]
        while waiting:
            case = waiting.pop()
            results[case.key] = await _interleave(kernel.pool, case, replicas, pids)
        for pool in pools:
            await pool.close()

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return [(*results[case.key], *await _state(kernel.pool, case.key)) for case in cases]


async def _interleave(
    observer: asyncpg.Pool, case: Case, replicas: Sequence[Replica], pids: Sequence[int]
) -> Outcome:
    one, two = replicas
    if case.holds is None:
        return (await case.first.act(one, case), await case.second.act(two, case))
    gates = [Gate(step) for step in case.holds]
    tasks: list[asyncio.Task[Outcome]] = []
    for move, replica, gate, pid in zip(
        (case.first, case.second), replicas, gates, pids, strict=True
    ):
        GATE.set(gate)
        tasks.append(asyncio.ensure_future(move.act(replica, case)))
        await _settled(observer, tasks[-1], gate, pid)
    gates[0].opened.set()
    await _settled(observer, tasks[0], None, pids[0])
    gates[1].opened.set()
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    return tuple(repr(end) if isinstance(end, BaseException) else end for end in ended)


async def _settled(
    observer: asyncpg.Pool, task: asyncio.Task[Outcome], gate: Gate | None, pid: int
) -> None:
    """Until the move has ended, is held at its gate, or waits for the other's lock."""
    async with asyncio.timeout(20):
        while not task.done() and not (gate and gate.reached.is_set()):
            await asyncio.wait([task], timeout=0.003)
            if await observer.fetchval("SELECT pg_blocking_pids($1) <> '{}'", pid):
                return


async def _state(pool: asyncpg.Pool, key: str) -> Outcome:
    """The key in the database: effects, how far, parked, set aside, discarded."""
    row = await pool.fetchrow(
        """
        SELECT (SELECT array_agg(sequence ORDER BY number) FROM ledger WHERE key = $1),
               (SELECT sequence FROM inbox WHERE key = $1),
               (SELECT array_agg((sequence, reason = $2)::text ORDER BY sequence)
                  FROM parked WHERE key = $1),
               (SELECT array_agg(sequence ORDER BY sequence) FROM set_aside WHERE key = $1),
               (SELECT array_agg(sequence ORDER BY sequence) FROM discarded WHERE key = $1)
        """,
        key,
        EARLIER_IS_PARKED,
    )
    return tuple(row or ())


def _turned(end: Outcome) -> Outcome:
    """As the case with the two moves the other way round says it."""
    return (end[1], end[0], *end[2:])


async def _nothing_is_stuck(kernel: Kernel, cases: Sequence[Case]) -> None:
    """From where the moves have left them, all keys come to their ends."""
    await kernel.take(*(record for case in cases for record in case.records))
    for row in await kernel.pool.fetch("SELECT parked_id FROM parked WHERE value = '{'"):
        await parking.discard(kernel.pool, row["parked_id"], "user:ada", "cut off")
    for row in await kernel.pool.fetch("SELECT DISTINCT key FROM parked"):
        await parking.replay(kernel.pool, "cpd", kernel.effects, TOPIC, row["key"], "user:ada")
    for case in cases:
        ledger, sequence, parked, aside, discarded = await _state(kernel.pool, case.key)
        kept = [number for number in range(1, 8) if number not in (discarded or ())]
        assert (ledger, sequence, parked, aside) == (kept, 7, None, None), str(case)


def effects_failing_for(sick: set[str]) -> Effects:
    """The ledger's effects; they fail for keys that are `sick`, for each in another way."""
    effects, well = Effects(), ledger_effects()

    async def write(
        do: Any, connection: asyncpg.Connection, events: Sequence[Received[Any]]
    ) -> None:
        for event in events:
            if event.sequence == 2 and event.key in sick:
                raise type(f"Sick{event.key[:8]}", (Exception,), {})("not yet")
        await do(connection, events)

    for kind in (NetworkEstablished, NetworkRenamed):
        effects.on(kind)(partial(write, well.of(kind.type)))
    return effects
