"""What to do with the records of a key: plain decisions, without I/O.

`plan` sorts a key's new records, and those set aside earlier, into seen, next, early and
contradicting ones, given how far the key has come.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from shared.messaging.records import Entry, Unreadable

Discarded = frozenset[tuple[int, UUID | None]]

EARLIER_IS_PARKED = "an earlier event of this key is parked"


@dataclass(frozen=True, slots=True)
class KeyState:
    """How far a key has come in this service's database; version 0 where it has no row yet."""

    sequence: int = 0
    last_id: UUID | None = None
    version: int = 0
    held: bool = False
    """An event of this key is parked, so later ones are, too."""


@dataclass(slots=True)
class KeyPlan:
    """What to do with a key; `sequence` and `last_id` are the key's after it."""

    sequence: int
    last_id: UUID | None
    apply: list[Entry] = field(default_factory=list)
    park: list[tuple[Entry, str]] = field(default_factory=list)
    set_aside: list[Entry] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    """Sequences that were set aside and are now applied or parked."""
    contradicting: list[Unreadable] = field(default_factory=list)
    unsettled: bool = False
    """Something of the key is parked or set aside: its next events need to be decided on."""
    lifts_hold: bool = False
    """On a compacted topic: a later record takes the place of the parked ones."""

    @property
    def moves(self) -> bool:
        """Whether the key's inbox row changes: only then need the key be claimed."""
        return bool(self.apply or self.park or self.set_aside or self.released)


def plan(
    state: KeyState,
    entries: Iterable[Entry],
    waiting: Mapping[int, Entry] | None = None,
    discarded: Discarded = frozenset(),
    *,
    compacted: bool = False,
) -> KeyPlan:
    """Decides for one key.

    Args:
        state: how far the key has come.
        entries: the key's records of a batch, as they came.
        waiting: the key's set-aside records, by sequence.
        discarded: sequences and ids that an operator decided to do without; they have no effect.
        compacted: gaps are normal, and only the newest record counts.
    """
    if compacted:
        return _plan_compacted(state, entries, discarded)
    waiting = waiting or {}
    pending = dict(waiting)
    result = KeyPlan(state.sequence, state.last_id)
    for entry in entries:
        known = pending.get(entry.sequence)
        known_id = known.id if known else state.last_id
        if entry.sequence < state.sequence:
            continue
        if known is None and entry.sequence > state.sequence:
            pending[entry.sequence] = entry
        elif entry.id != known_id:
            result.contradicting.append(_contradiction(entry, known_id))
    held = state.held
    while (entry_or_none := pending.pop(result.sequence + 1, None)) is not None:
        entry = entry_or_none
        result.sequence, result.last_id = entry.sequence, entry.id
        if entry.sequence in waiting:
            result.released.append(entry.sequence)
        held = _take(result, entry, held, discarded)
    result.set_aside = [entry for sequence, entry in pending.items() if sequence not in waiting]
    result.unsettled = held or bool(pending)
    return result


def _plan_compacted(state: KeyState, entries: Iterable[Entry], discarded: Discarded) -> KeyPlan:
    result = KeyPlan(state.sequence, state.last_id)
    newest: Entry | None = None
    for entry in entries:
        sequence, known_id = (
            (newest.sequence, newest.id) if newest else (state.sequence, state.last_id)
        )
        if entry.sequence > sequence:
            newest = entry
        elif entry.sequence == sequence and entry.id != known_id:
            result.contradicting.append(_contradiction(entry, known_id))
    if newest is not None:
        result.sequence, result.last_id = newest.sequence, newest.id
        result.lifts_hold = state.held
        result.unsettled = _take(result, newest, False, discarded)
    return result


def _take(result: KeyPlan, entry: Entry, held: bool, discarded: Discarded) -> bool:
    """Applies or parks the next event of a key; answers whether the key is held from here on."""
    if (entry.sequence, entry.id) in discarded:
        result.apply.append(_without_effect(entry))
        return held
    if entry.fault is not None:
        result.park.append((entry, entry.fault))
        return True
    if held:
        result.park.append((entry, EARLIER_IS_PARKED))
        return True
    result.apply.append(entry)
    return False


def _without_effect(entry: Entry) -> Entry:
    return Entry(entry.record, entry.key, entry.sequence, entry.id, entry.type)


def _contradiction(entry: Entry, known: UUID | None) -> Unreadable:
    return Unreadable(
        entry.record,
        f"sequence {entry.sequence} of key {entry.key} was taken with id {known}, "
        f"and comes again with id {entry.id}",
    )
