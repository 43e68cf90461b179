"""A batch of records becomes its effects, in one transaction.

The order inside: claim the keys in the inbox (so that effects run under their locks), unless it is
to stand still; apply in waves, set aside and park, remember the positions, append what the effects
caused.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import asyncpg

from shared.discretion import told
from shared.events import TOPICS, Event, Received
from shared.messaging import faults, inbox, journal, positions
from shared.messaging.connections import acquire
from shared.messaging.decoding import decode, read_bodies, read_head
from shared.messaging.effects import Effects
from shared.messaging.failures import FaultIsOurs, Readable, is_about_data, is_ours
from shared.messaging.inbox import OVERTAKEN, Key, Known, Parking
from shared.messaging.plan import EARLIER_IS_PARKED, KeyPlan, KeyState, plan
from shared.messaging.positions import Misplaced, Partition
from shared.messaging.records import Entry, Record, Unreadable
from shared.messaging.stops import Stopped
from shared.messaging.tracing import statements
from shared.messaging.waves import Waves

PART = "consumer"

ALIKE_FAILURES = 5
"""So many different keys whose events fail alike are our fault, not the messages'."""

MANY = 200
"""Records from which on planning each statement anew is cheaper than a plan that does not fit: one
for any takes arrays to be short, and joins in loops."""
READABLE_SECONDS = 60
"""A model that could read one of its type so short ago is right."""

MALFORMED = "malformed"
OF_THE_MESSAGE = frozenset({"unreadable", "contradicting", MALFORMED, EARLIER_IS_PARKED})
"""Failures that are never ours, however many there are."""


Plans = Sequence[tuple[Key, KeyState, KeyPlan]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; `repeats` says how often it was started over."""

    applied: Sequence[Received[Event]] = ()
    without_effect: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Events passed over because this release does not know their type, by type."""
    seen: int = 0
    set_aside: int = 0
    parked: Sequence[Parking] = field(default=())
    appended: int = 0
    ends: Mapping[Partition, Record] = field(default_factory=dict)
    """The last record of each partition."""
    repeats: int = 0


async def take(
    pool: asyncpg.Pool,
    service: str,
    effects: Effects,
    records: Sequence[Record],
    transaction_timeout_seconds: float = 60,
    since: Mapping[Partition, int] | None = None,
    readable: Readable | None = None,
) -> Outcome:
    """Takes a batch, whole: it returns when the transaction has committed.

    It starts over where another replica was faster or the database chose this transaction as a
    deadlock's victim, and once more, carefully, where an effect failed for its data.

    `since` says where the database must be at least in each partition; without it anywhere.
    `readable` remembers from batch to batch which types could be read.

    Raises:
        FaultIsOurs: too many different keys fail alike, or our SQL does not fit.
        Misplaced: the database was restored from before what this replica has taken.
        Stopped: the consumer of this service is to stand still.
        Exception: the database is away or in trouble; nothing has happened, call again.
    """
    careful, repeats = False, 0
    readable = readable or Readable()
    while True:
        try:
            async with acquire(pool) as connection, connection.transaction():
                with statements(connection):
                    outcome = await _take(
                        connection, service, effects, records, since or {}, readable, careful,
                        transaction_timeout_seconds,
                    )  # fmt: skip
        except OVERTAKEN:
            repeats += 1
        except (FaultIsOurs, Misplaced, Stopped):
            raise
        except Exception as error:
            if not is_about_data(error):
                raise
            if careful or is_ours(error):
                raise FaultIsOurs(f"a batch fails as a whole: {told(error)}") from error
            careful = True
        else:
            return replace(outcome, repeats=repeats)


async def _take(
    connection: asyncpg.Connection,
    service: str,
    effects: Effects,
    records: Sequence[Record],
    since: Mapping[Partition, int],
    readable: Readable,
    careful: bool,
    limit_seconds: float,
) -> Outcome:
    entries, unreadable = _by_key(records)
    queues, plans = await _claim(
        connection, entries, effects, limit_seconds, many=len(records) >= MANY
    )
    readable.note({e.type for of in entries.values() for e in of if e.type and e.event})
    await faults.reach("after_claim_before_effects")
    waves = Waves(connection, effects, careful)
    await waves.apply(queues)
    parked = [*_unreadable(unreadable, plans), *_held(plans), *waves.failed]
    await _stop_if_ours(connection, parked, readable)
    await _keep(connection, plans, parked)
    await faults.reach("after_effects_before_position")
    ends = positions.ends_of(records)
    await positions.remember(connection, ends, since)
    await faults.reach("after_position_before_append")
    appended = await journal.append(
        connection, journal.identified(waves.caused), f"service:{service}"
    )
    await faults.reach("after_caused_before_commit")
    moved = sum(map(len, queues)) + sum(
        len(each.park) + len(each.set_aside) - len(each.released) for _, _, each in plans
    )
    contradicting = sum(len(each.contradicting) for _, _, each in plans)
    return Outcome(
        applied=[entry.event for entry in waves.applied if entry.event is not None],
        without_effect=waves.without_effect,
        unknown=waves.unknown,
        seen=len(records) - len(unreadable) - contradicting - moved,
        set_aside=sum(len(each.set_aside) for _, _, each in plans),
        parked=parked,
        appended=appended,
        ends=ends,
    )


def _by_key(records: Iterable[Record]) -> tuple[dict[Key, list[Entry]], list[Unreadable]]:
    entries: dict[Key, list[Entry]] = defaultdict(list)
    unreadable: list[Unreadable] = []
    for record in records:
        entry = read_head(record)
        if isinstance(entry, Entry):
            entries[record.topic, entry.key].append(entry)
        else:
            unreadable.append(entry)
    return entries, unreadable


async def _claim(
    connection: asyncpg.Connection,
    entries: Mapping[Key, list[Entry]],
    effects: Effects,
    limit_seconds: float,
    *,
    many: bool,
) -> tuple[list[Sequence[Entry]], Plans]:
    """Claims the keys; answers what to apply of each, and the plans of those with more to do.

    Keys that go straight on are claimed unread, and their bodies are read in the meantime. Only
    the others need to be looked up and decided on.
    """
    straight = {key: of for key, of in entries.items() if _goes_straight_on(key, of)}
    advancing = asyncio.create_task(
        inbox.begin(connection, straight, PART, limit_seconds, many=many)
    )
    well = False
    try:
        await asyncio.sleep(0)
        well = read_bodies(chain.from_iterable(entries.values()), effects.types)
    finally:
        advanced = await advancing
    plans: list[tuple[Key, KeyState, KeyPlan]] = []
    if len(advanced) < len(entries):
        others = {key: of for key, of in entries.items() if key not in advanced}
        known = await inbox.read(connection, others)
        plans += [_plan(key, of, known, effects) for key, of in others.items()]
        await inbox.claim(connection, [each for each in plans if each[2].moves])
    queues: list[Sequence[Entry]] = []
    for key in advanced:
        of = entries[key]
        if well or all(entry.fault is None for entry in of):
            queues.append(of)
        else:
            before = KeyState(of[0].sequence - 1)
            plans.append((key, before, plan(before, of)))
    queues += [each.apply for _, _, each in plans]
    return queues, plans


def _goes_straight_on(key: Key, entries: Sequence[Entry]) -> bool:
    """Whether a key's events follow one another, as nearly always."""
    numbers = range(entries[0].sequence, entries[0].sequence + len(entries))
    return not TOPICS[key[0]].compacted and (
        len(entries) == 1 or [entry.sequence for entry in entries] == list(numbers)
    )


def _unreadable(unreadable: Sequence[Unreadable], plans: Plans) -> list[Parking]:
    contradicting = [entry for _, _, each in plans for entry in each.contradicting]
    return [
        *(Parking(entry, entry.reason, "unreadable") for entry in unreadable),
        *(Parking(entry, entry.reason, "contradicting") for entry in contradicting),
    ]


def _held(plans: Plans) -> list[Parking]:
    """Events that cannot be read, and those that follow a parked one."""
    return [
        Parking(
            entry,
            reason,
            EARLIER_IS_PARKED if reason == EARLIER_IS_PARKED else entry.alike or MALFORMED,
        )
        for _, _, each in plans
        for entry, reason in each.park
    ]


def _plan(
    key: Key, entries: Sequence[Entry], known: Known, effects: Effects
) -> tuple[Key, KeyState, KeyPlan]:
    state = known.states.get(key, KeyState())
    waiting = [decode(record, effects.types) for record in known.waiting.get(key, ())]
    decided = plan(
        state,
        entries,
        {entry.sequence: entry for entry in waiting if isinstance(entry, Entry)},
        known.discarded.get(key, frozenset()),
        compacted=TOPICS[key[0]].compacted,
    )
    return key, state, decided


async def _stop_if_ours(
    connection: asyncpg.Connection, parked: Sequence[Parking], readable: Readable
) -> None:
    """Counts different keys that fail alike, here and among what was parked in the last hour.

    Events that their model refuses count only while it refuses all of their type: not where one
    could be read in the last minute, and not from before the last one. An operator who resumed
    after a stop for the same failure has decided that it is the messages'.
    """
    alike = Counter(each.failure for each in parked if each.failure not in OF_THE_MESSAGE)
    for failure, keys in alike.items():
        well_for = readable.seconds_since(failure.partition(": ")[0])
        if well_for < READABLE_SECONDS:
            continue
        row = await connection.fetchrow(
            """
            SELECT count(DISTINCT (topic, key)) AS earlier,
                   EXISTS (SELECT
                             FROM stop
                            WHERE part = 'consumer'
                              AND resumed_at > now() - interval '1 hour'
                              AND right(reason, length($1)) = $1) AS consented
              FROM parked
             WHERE failure = $1
               AND key IS NOT NULL
               AND since > now() - make_interval(secs => $2)
            """,
            inbox.storable(failure),
            min(well_for, 3600),
        )
        assert row is not None
        if row["earlier"] + keys >= ALIKE_FAILURES and not row["consented"]:
            raise FaultIsOurs(f"events of {row['earlier'] + keys} keys fail alike: {failure}")


async def _keep(connection: asyncpg.Connection, plans: Plans, parked: Sequence[Parking]) -> None:
    """Sets aside, releases and parks; most batches have nothing of it."""
    early = [entry for _, _, each in plans for entry in each.set_aside]
    released = [(key, sequence) for key, _, each in plans for sequence in each.released]
    lifted = [key for key, _, each in plans if each.lifts_hold]
    if early:
        await inbox.set_aside(connection, early)
    if released:
        await inbox.release(connection, released)
    if lifted:
        await inbox.lift_hold(connection, lifted)
    if parked:
        await inbox.park(connection, parked)
