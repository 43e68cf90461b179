"""Journals and topics: no gap, no other order, nothing but what was decided."""

from collections import defaultdict

from tests.chaos.checker.evidence import TOPICS, Evidence, Fact, Key
from tests.chaos.checker.findings import Check

PEOPLE = "aspire.people"
"""Compacted: a profile's earlier versions are deleted when it is erased."""


def checks(evidence: Evidence) -> list[Check]:
    """Journals by themselves, then topics against journals."""
    journal = {fact.id: fact for facts in evidence.journals.values() for fact in facts}
    return [
        _journals(evidence),
        _published(evidence, journal),
        _once_and_in_order(evidence),
        _compacted(evidence),
    ]


def _journals(evidence: Evidence) -> Check:
    check = Check("a key's sequences in the journal are 1, 2, 3 without a gap")
    keys: dict[Key, list[Fact]] = defaultdict(list)
    for service, facts in evidence.journals.items():
        for fact in facts:
            keys[fact.of].append(fact)
            if TOPICS[fact.topic] != service:
                check.wrong(f"{service} has an event of another service: {fact}")
    for key, head in evidence.streams.items():
        check.looked_at += 1
        sequences = [fact.sequence for fact in keys.pop(key, [])]
        if sequences != sorted(sequences):
            check.disordered(f"{key}: {sequences}")
        missing = set(range(1, head + 1)) - set(sequences)
        erased = key[0] == PEOPLE and sequences[-1:] == [head]
        if missing and not erased:
            check.lost(f"{key}: {sorted(missing)} of {head}")
        if set(sequences) - set(range(1, head + 1)):
            check.wrong(f"{key} is at {head} and has {sequences}")
    for key in keys:
        check.lost(f"{key} has events and no stream")
    return check


def _published(evidence: Evidence, journal: dict[str, Fact]) -> Check:
    check = Check("every event of a journal is on its topic, and nothing else is")
    sent = {fact.id: fact for fact in evidence.topics}
    for fact in journal.values():
        check.looked_at += 1
        found = sent.get(fact.id)
        if found is None:
            check.lost(str(fact))
        elif (found.of, found.sequence, found.type, found.value) != (
            fact.of, fact.sequence, fact.type, fact.value
        ):  # fmt: skip
            check.wrong(f"{fact} is on the topic as {found}")
    for fact in sent.values():
        if fact.id not in journal and fact.topic != PEOPLE:
            check.wrong(f"nobody decided {fact}")
    return check


def _once_and_in_order(evidence: Evidence) -> Check:
    """An event may be sent again, never before one that comes before it in its key."""
    check = Check("a key's events come in order on each partition of its topic")
    last: dict[tuple[Key, int], int] = defaultdict(int)
    ids: dict[tuple[Key, int], str] = {}
    first: set[tuple[str, int]] = set()
    for fact in evidence.topics:
        check.looked_at += 1
        if ids.setdefault((fact.of, fact.sequence), fact.id) != fact.id:
            check.doubled(f"another event has the sequence of {fact}")
        if (fact.id, fact.partition) in first:
            continue
        first.add((fact.id, fact.partition))
        at = (fact.of, fact.partition)
        if fact.sequence < last[at]:
            check.disordered(f"partition {fact.partition} has {last[at]} before {fact}")
        last[at] = fact.sequence
    return check


def _compacted(evidence: Evidence) -> Check:
    check = Check("on the compacted topic a person's newest record comes last")
    last: dict[tuple[Key, int], Fact] = {}
    for fact in evidence.topics:
        if fact.topic == PEOPLE:
            last[fact.of, fact.partition] = fact
    for key, head in evidence.streams.items():
        if key[0] != PEOPLE:
            continue
        check.looked_at += 1
        ends = [fact for (of, _), fact in last.items() if of == key]
        newest = max((fact.sequence for fact in ends), default=0)
        if newest != head:
            check.lost(f"{key} is at {head}, its topic ends with {newest}")
    return check
