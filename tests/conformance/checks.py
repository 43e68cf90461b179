"""What must hold after every step, and what must hold once all is calm.

It looks at the journal and at what the effects wrote, and at nothing else that the kernel keeps.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

import asyncpg
from aiokafka import TopicPartition

from shared.events import TOPICS
from shared.events.cpd import CpdCredited
from shared.events.membership import NetworkClosed, NetworkRenamed
from tests.conformance.model.world import World
from tests.standin import Broker

Key = tuple[str, str]
Effects = list[tuple[int, str]]
"""Sequences and ids."""


@dataclass(frozen=True)
class Fact:
    """A row of the journal, or of the ledger of effects."""

    id: str
    topic: str
    key: str
    sequence: int
    type: str = ""
    name: str | None = None


@dataclass(frozen=True)
class Seen:
    """The database at one moment."""

    journal: list[Fact]
    ledger: list[Fact]
    discarded: set[str]
    parked: list[tuple[str, str]]
    alarms: list[str]
    """Why relays or commands have been stopped, which only a lost Kafka or database may do."""
    unsent: set[Key]
    """The keys that have events in the outbox."""

    @classmethod
    async def at(cls, connection: asyncpg.Connection) -> "Seen":
        """Reads it in one statement, which sees one moment."""
        row = await connection.fetchrow(SEEN)
        assert row is not None
        journal, ledger, discarded, parked, alarms, unsent = (
            json.loads(each or "[]") for each in row
        )
        return cls(
            [Fact(*each) for each in journal],
            [Fact(*each) for each in ledger],
            set(discarded),
            [(topic, key) for topic, key in parked],
            alarms,
            {(topic, key) for topic, key in unsent},
        )


SEEN = """
SELECT (SELECT json_agg(json_build_array(id, topic, key, sequence, type, payload ->> 'name')
                        ORDER BY position)
          FROM event),
       (SELECT json_agg(json_build_array(id, topic, key, sequence) ORDER BY number) FROM ledger),
       (SELECT json_agg(event_id) FROM discarded),
       (SELECT json_agg(json_build_array(topic, key) ORDER BY topic, key)
          FROM (SELECT DISTINCT topic, key FROM parked) AS keys),
       (SELECT json_agg(reason) FROM stop WHERE part IN ('relay', 'api')),
       (SELECT json_agg(json_build_array(topic, key)) FROM outbox JOIN event USING (position))
"""


async def always(world: World) -> None:
    """No gap in a journal, no old record that comes last, and no effect that is a ghost, doubled or
    out of its order."""
    seen = await Seen.at(world.watching)
    world.parked = seen.parked
    assert not seen.alarms, f"false alarms: {seen.alarms}"
    _journal_is_whole(world, seen)
    _compacted_topics_end_with_the_newest(world, seen)
    due = _due(seen)
    for key, effects in _by_key(seen.ledger).items():
        _is_begun(key, effects, due[key])
    renamed = _ids(seen, NetworkRenamed.type)
    caused = len(_ids(seen, CpdCredited.type))
    assert sum(fact.id in renamed for fact in seen.ledger) == caused, "an effect and its events"


async def calm(world: World) -> None:
    """Nothing is lost: every event has had its effect, or an operator has done without it."""
    await world.calm()
    await always(world)
    seen = await Seen.at(world.watching)
    left = {
        table: await world.watching.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("outbox", "set_aside", "parked")
    }
    assert not any(left.values()), f"left: {left}"
    effects_are_whole(seen)


def effects_are_whole(seen: Seen) -> None:
    """Every event that counts has had its effect, once and in its order."""
    effects, due = _by_key(seen.ledger), _due(seen)
    assert effects.keys() <= due.keys()
    for key, facts in due.items():
        had = effects[key]
        if TOPICS[key[0]].compacted:
            _is_begun(key, had, facts)
            newest = _by_key(seen.journal)[key][-1][1]
            done = had[-1:] == facts[-1:] or newest in seen.discarded
            assert done, f"{key} had effects {had} of {facts}"
        else:
            assert had == facts, f"{key} had effects {had} of {facts}"


def _is_begun(key: Key, effects: Effects, facts: Effects) -> None:
    """The effects so far are those that were due; on a compacted topic some are passed over."""
    if TOPICS[key[0]].compacted:
        left = iter(facts)
        assert all(effect in left for effect in effects), f"{key}: {effects} of {facts}"
    else:
        assert effects == facts[: len(effects)], f"{key}: {effects} of {facts}"


def _journal_is_whole(world: World, seen: Seen) -> None:
    for key, facts in _by_key(seen.journal).items():
        sequences = [sequence for sequence, _ in facts]
        assert sequences == list(range(1, len(facts) + 1)), f"{key} counts {sequences}"
    names = [fact.name for fact in seen.journal if fact.name is not None]
    assert len(names) == len(set(names)), f"said twice: {names}"
    assert set(names) <= world.said.keys(), "the journal says what nobody said"
    kept = {name for name, committed in world.said.items() if committed}
    assert kept <= set(names), f"committed, yet not in the journal: {kept - set(names)}"


def _compacted_topics_end_with_the_newest(world: World, seen: Seen) -> None:
    """Of a key whose events are all sent a new reader is left with the newest, and no older one."""
    for key, facts in _by_key(seen.journal).items():
        if TOPICS[key[0]].compacted and key not in seen.unsent:
            _, newest = facts[-1]
            last = _last_record(world.broker, *key)
            assert last == newest, f"{key} ends with {last}, not {newest}"


def _due(seen: Seen) -> dict[Key, Effects]:
    """The effects that are to be, in their order."""
    return _by_key(
        [
            fact
            for fact in seen.journal
            if fact.type != NetworkClosed.type and fact.id not in seen.discarded
        ]
    )


def _by_key(facts: list[Fact]) -> dict[Key, Effects]:
    found: dict[Key, Effects] = defaultdict(list)
    for fact in facts:
        found[fact.topic, fact.key].append((fact.sequence, fact.id))
    return found


def _ids(seen: Seen, event_type: str) -> set[str]:
    return {fact.id for fact in seen.journal if fact.type == event_type}


def _last_record(broker: Broker, topic: str, key: str) -> str | None:
    """The id of the last record of a key that a new reader finds."""
    last = None
    for partition in sorted(broker.logs):
        if partition.topic == topic:
            last = _last_of(broker, partition, key) or last
    return last


def _last_of(broker: Broker, partition: TopicPartition, key: str) -> str | None:
    log = broker.logs[partition]
    headers = [
        dict(record.headers)
        for record in log.records
        if record.counts and record.offset < log.stable_end and record.key == key.encode()
    ]
    return headers[-1]["ce_id"].decode() if headers else None
