"""In whatever order and batches a key's events come, they take effect once and in order."""

from itertools import pairwise
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.plan import KeyState, plan
from shared.messaging.records import Entry, Record

NAMESPACE = UUID(int=7)


def entry(sequence: int, fault: str | None = None) -> Entry:
    record = Record("aspire.membership", 0, sequence, b"k", (), None)
    return Entry(record, "k", sequence, uuid5(NAMESPACE, str(sequence)), "type", fault=fault)


class Key:
    """A key's rows in the database, moved as the inbox moves them."""

    def __init__(self) -> None:
        self.state = KeyState()
        self.waiting: dict[int, Entry] = {}
        self.applied: list[int] = []
        self.parked: list[int] = []

    def take(self, entries: list[Entry]) -> None:
        decided = plan(self.state, entries, self.waiting)
        assert not decided.contradicting
        self.applied += [each.sequence for each in decided.apply]
        self.parked += [each.sequence for each, _ in decided.park]
        for sequence in decided.released:
            del self.waiting[sequence]
        self.waiting |= {each.sequence: each for each in decided.set_aside}
        held = self.state.held or bool(decided.park)
        self.state = KeyState(decided.sequence, decided.last_id, self.state.version + 1, held)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """Sequences 1..n, each at least once, shuffled, some again, cut into batches."""
    length = draw(st.integers(1, 12))
    again = draw(st.lists(st.integers(1, length), max_size=12))
    order = draw(st.permutations([*range(1, length + 1), *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=6)))
    edges = [0, *cuts, len(order)]
    return length, [list(order[a:b]) for a, b in pairwise(edges)]


@given(deliveries())
def test_each_event_takes_effect_once_and_in_order(delivered: tuple[int, list[list[int]]]) -> None:
    length, batches = delivered
    key = Key()
    for batch in batches:
        key.take([entry(sequence) for sequence in batch])
        assert key.applied == list(range(1, len(key.applied) + 1))
    assert key.applied == list(range(1, length + 1))
    assert key.waiting == {}


@given(deliveries(), st.data())
def test_from_the_first_poisonous_event_on_a_key_is_parked_whole(
    delivered: tuple[int, list[list[int]]], data: st.DataObject
) -> None:
    length, batches = delivered
    poison = data.draw(st.integers(1, length))
    key = Key()
    for batch in batches:
        key.take([entry(n, "cannot be read" if n == poison else None) for n in batch])
    assert key.applied == list(range(1, poison))
    assert key.parked == list(range(poison, length + 1))


@given(deliveries())
def test_on_a_compacted_topic_the_newest_wins_and_nothing_goes_back(
    delivered: tuple[int, list[list[int]]],
) -> None:
    length, batches = delivered
    state, applied = KeyState(), [0]
    for batch in batches:
        decided = plan(state, [entry(n) for n in batch], compacted=True)
        applied += [each.sequence for each in decided.apply]
        state = KeyState(decided.sequence, decided.last_id, state.version + 1)
    assert applied == sorted(set(applied))
    assert applied[-1] == length


def test_the_same_sequence_with_another_id_contradicts() -> None:
    known = KeyState(3, uuid5(NAMESPACE, "other"), 1)
    assert plan(known, [entry(3)]).contradicting
    assert not plan(known, [entry(2)]).contradicting
    assert plan(
        KeyState(), [entry(5)], {5: Entry(entry(5).record, "k", 5, NAMESPACE)}
    ).contradicting


def test_what_an_operator_discarded_passes_without_effect_and_holds_nothing() -> None:
    discarded = frozenset({(1, entry(1).id)})
    decided = plan(KeyState(), [entry(1, "cannot be read"), entry(2)], discarded=discarded)
    assert [each.sequence for each in decided.apply] == [1, 2]
    assert decided.apply[0].event is None
    assert decided.park == []
