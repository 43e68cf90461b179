"""A batch of records becomes its effects, in one transaction.

The order inside: read the inbox, decide, claim the keys (so that effects run under their locks),
apply in waves, set aside and park, remember the positions, append what the effects caused.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from shared.events import TOPICS, Event, Received
from shared.messaging import inbox, journal
from shared.messaging.connections import acquire
from shared.messaging.effects import Effects
from shared.messaging.failures import describe, is_about_data
from shared.messaging.inbox import Key, Known, Overtaken, Parking
from shared.messaging.plan import EARLIER_IS_PARKED, KeyPlan, KeyState, plan
from shared.messaging.records import Entry, Record, Unreadable, decode
from shared.messaging.waves import Waves

ALIKE_FAILURES = 5
"""So many different keys whose events fail alike are our fault, not the messages'."""

Plans = Sequence[tuple[Key, KeyState, KeyPlan]]


class FaultIsOurs(Exception):  # noqa: N818 - reads as a claim
    """Well-formed records of many keys fail alike: nothing is parked, the consumer stops."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; `repeats` says how often it was started over."""

    applied: Sequence[Received[Event]] = ()
    without_effect: int = 0
    seen: int = 0
    set_aside: int = 0
    parked: Sequence[Parking] = field(default=())
    appended: int = 0
    repeats: int = 0


async def take(
    pool: asyncpg.Pool,
    service: str,
    effects: Effects,
    records: Sequence[Record],
    transaction_timeout_seconds: float = 60,
) -> Outcome:
    """Takes a batch, whole: it returns when the transaction has committed.

    It starts over where another replica was faster or the database chose this transaction as a
    deadlock's victim, and once more, carefully, where an effect failed for its data.

    Raises:
        FaultIsOurs: too many different keys fail alike.
        Exception: the database is away or in trouble; nothing has happened, call again.
    """
    careful, repeats = False, 0
    timeout_ms = int(transaction_timeout_seconds * 1000)
    while True:
        try:
            async with acquire(pool) as connection, connection.transaction():
                # A stopped process must not hold its locks for ever.
                await connection.execute(f"SET LOCAL transaction_timeout = {timeout_ms}")
                return await _take(connection, service, effects, records, careful, repeats)
        except (Overtaken, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            repeats += 1
        except FaultIsOurs:
            raise
        except Exception as error:
            if not is_about_data(error):
                raise
            if careful:
                raise FaultIsOurs(f"fails outside the effects: {describe(error)}") from error
            careful = True


async def _take(
    connection: asyncpg.Connection,
    service: str,
    effects: Effects,
    records: Sequence[Record],
    careful: bool,
    repeats: int,
) -> Outcome:
    entries, unreadable = _read(records, effects)
    known = await inbox.read(connection, entries)
    plans = [_plan(key, entries[key], known, effects) for key in entries]
    moving = [each for each in plans if each[2].moves]
    await inbox.claim(connection, moving)
    waves = Waves(connection, effects, careful)
    await waves.apply([each.apply for _, _, each in moving])
    parked = [
        *(Parking(entry, entry.reason, "unreadable") for entry in unreadable),
        *(
            Parking(entry, entry.reason, "contradicting")
            for _, _, each in plans
            for entry in each.contradicting
        ),
        *(
            Parking(entry, reason, EARLIER_IS_PARKED if entry.fault is None else "not as published")
            for _, _, each in moving
            for entry, reason in each.park
        ),
        *waves.failed,
    ]
    await _stop_if_ours(connection, waves.failed)
    await _keep(connection, moving, parked)
    await inbox.remember_positions(connection, _last_of_partitions(records, entries))
    appended = await journal.append(
        connection, journal.identified(waves.caused), f"service:{service}"
    )
    moved = sum(
        len(each.apply) + len(each.park) + len(each.set_aside) - len(each.released)
        for _, _, each in moving
    )
    contradicting = sum(len(each.contradicting) for _, _, each in plans)
    return Outcome(
        applied=[entry.event for entry in waves.applied if entry.event is not None],
        without_effect=waves.without_effect,
        seen=len(records) - len(unreadable) - contradicting - moved,
        set_aside=sum(len(each.set_aside) for _, _, each in moving),
        parked=parked,
        appended=appended,
        repeats=repeats,
    )


def _read(
    records: Iterable[Record], effects: Effects
) -> tuple[dict[Key, list[Entry]], list[Unreadable]]:
    entries: dict[Key, list[Entry]] = defaultdict(list)
    unreadable: list[Unreadable] = []
    for record in records:
        match decode(record, effects.types):
            case Entry() as entry:
                entries[record.topic, entry.key].append(entry)
            case Unreadable() as unread:
                unreadable.append(unread)
    return entries, unreadable


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


async def _stop_if_ours(connection: asyncpg.Connection, failed: Sequence[Parking]) -> None:
    """Counts different keys that fail alike, here and among what was parked since the last stop."""
    alike = Counter(each.failure for each in failed if each.failure != EARLIER_IS_PARKED)
    for failure, keys in alike.items():
        earlier = await connection.fetchval(
            """
            SELECT count(DISTINCT (topic, key))
              FROM parked
             WHERE failure = $1
               AND key IS NOT NULL
               AND since > greatest(now() - interval '1 hour',
                                    (SELECT max(resumed_at) FROM stop WHERE part = 'consumer'))
            """,
            failure,
        )
        if earlier + keys >= ALIKE_FAILURES:
            raise FaultIsOurs(f"events of {earlier + keys} different keys fail alike: {failure}")


async def _keep(connection: asyncpg.Connection, moving: Plans, parked: Sequence[Parking]) -> None:
    """Sets aside, releases and parks; most batches have nothing of it."""
    early = [entry for _, _, each in moving for entry in each.set_aside]
    released = [(key, sequence) for key, _, each in moving for sequence in each.released]
    lifted = [key for key, _, each in moving if each.lifts_hold]
    if early:
        await inbox.set_aside(connection, early)
    if released:
        await inbox.release(connection, released)
    if lifted:
        await inbox.lift_hold(connection, lifted)
    if parked:
        await inbox.park(connection, parked)


def _last_of_partitions(
    records: Sequence[Record], entries: dict[Key, list[Entry]]
) -> list[tuple[Record, UUID | None]]:
    last: dict[tuple[str, int], Record] = {}
    for record in records:
        last[record.topic, record.partition] = record
    ids = {
        (entry.record.topic, entry.record.partition, entry.record.offset): entry.id
        for each in entries.values()
        for entry in each
    }
    return [
        (record, ids.get((record.topic, record.partition, record.offset)))
        for _, record in sorted(last.items())
    ]
