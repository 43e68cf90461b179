"""A batch: every event once, each key in order, and nothing lost that cannot be processed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from shared.events.membership import NetworkRenamed, PersonProfile
from shared.messaging import Effects, Received, inbox
from shared.messaging.batch import PART
from shared.messaging.connections import acquire
from shared.messaging.failures import FaultIsOurs
from shared.messaging.records import Entry, Record
from tests.kernel.ledger import Kernel, Stream, ledger_effects


async def test_takes_each_event_of_a_key_in_order(kernel: Kernel) -> None:
    stream = Stream()
    await kernel.take(stream.next(), stream.next(), stream.next())
    assert await kernel.ledger() == [1, 2, 3]


async def test_an_event_sent_again_takes_effect_once(kernel: Kernel) -> None:
    stream = Stream()
    first = stream.next()
    await kernel.take(first, stream.again(first))
    outcome = await kernel.take(stream.again(first), stream.next())
    assert await kernel.ledger() == [1, 2]
    assert outcome.seen == 1


async def test_sets_an_early_event_aside_and_applies_it_when_its_turn_has_come(
    kernel: Kernel,
) -> None:
    stream = Stream()
    first, second, third = stream.next(), stream.next(), stream.next()
    await kernel.take(first)
    assert (await kernel.take(third)).set_aside == 1
    assert await kernel.ledger() == [1]
    await kernel.take(second)
    assert await kernel.ledger() == [1, 2, 3]
    assert await kernel.pool.fetchval("SELECT count(*) FROM set_aside") == 0


async def test_events_before_the_first_are_waited_for(kernel: Kernel) -> None:
    stream = Stream()
    first, second = stream.next(), stream.next()
    await kernel.take(second)
    assert await kernel.ledger() == []
    await kernel.take(first)
    assert await kernel.ledger() == [1, 2]


async def test_any_order_of_arrival_gives_the_same_order_of_effects(kernel: Kernel) -> None:
    stream = Stream()
    records = [stream.next() for _ in range(6)]
    for index in (3, 5, 0, 2, 4, 1):
        await kernel.take(records[index])
    assert await kernel.ledger() == [1, 2, 3, 4, 5, 6]


async def test_the_same_sequence_with_another_id_is_an_alarm_and_never_seen(
    kernel: Kernel,
) -> None:
    stream = Stream()
    await kernel.take(stream.next())
    forged = stream.record(NetworkRenamed(network_id=stream.key, name="Other"), 1)
    outcome = await kernel.take(forged, stream.next())
    assert outcome.seen == 0
    assert await kernel.ledger() == [1, 2]
    assert "comes again with id" in (await kernel.parked())[0][1]


async def test_a_poisonous_event_is_parked_and_holds_up_its_own_key_only(kernel: Kernel) -> None:
    sick, well = Stream(), Stream()
    records = [sick.next(), sick.next("poison"), sick.next(), well.next(), well.next()]
    await kernel.take(*records)
    assert await kernel.ledger(sick.key) == [1]
    assert await kernel.ledger(well.key) == [1, 2]
    assert [sequence for sequence, _ in await kernel.parked()] == [2, 3]
    await kernel.take(sick.next())
    assert [sequence for sequence, _ in await kernel.parked()] == [2, 3, 4]


async def test_a_poisonous_event_in_a_run_holds_up_what_follows_it_and_nothing_before(
    kernel: Kernel,
) -> None:
    kernel.effects = ledger_effects(runs=True)
    sick, well = Stream(), Stream()
    records = [sick.next(name) for name in ("a", "b", "c", "poison", "d", "e")]
    await kernel.take(*records, *(well.next() for _ in range(6)))
    assert await kernel.ledger(sick.key) == [1, 2, 3]
    assert await kernel.ledger(well.key) == [1, 2, 3, 4, 5, 6]
    assert [sequence for sequence, _ in await kernel.parked()] == [4, 5, 6]


async def test_an_effect_that_takes_runs_is_called_once_for_a_key_that_says_the_same_again(
    kernel: Kernel,
) -> None:
    calls: list[list[int]] = []

    async def count(_: object, events: Sequence[Received[Any]]) -> None:
        calls.append([event.sequence for event in events])

    kernel.effects = Effects()
    kernel.effects.on(NetworkRenamed, runs=True)(count)
    stream, other = Stream(), Stream()
    await kernel.take(*(stream.next() for _ in range(5)), other.next(), other.next())
    assert calls == [[2, 3, 4, 5, 2]]


async def test_after_a_body_that_cannot_be_read_its_key_is_held(kernel: Kernel) -> None:
    stream = Stream()
    first, second, third = stream.next(), stream.next(), stream.next()
    await kernel.take(first, replace(second, value=b"{}"), third)
    await kernel.take(stream.next())
    assert await kernel.ledger() == [1]
    assert [sequence for sequence, _ in await kernel.parked()] == [2, 3, 4]


async def test_bodies_that_are_json_only_together_are_read_apart(kernel: Kernel) -> None:
    """A batch's bodies are read in one call, yet none can reach into another's."""
    streams = [Stream(offset=10 * n) for n in range(4)]
    first, second, third, well = (stream.next() for stream in streams)
    body = first.value or b""
    await kernel.take(
        replace(first, value=body[:-1] + b',"more":[1'),
        replace(second, value=b"2]}"),
        replace(third, value=(third.value or b"") + b"," + (second.value or b"")),
        well,
    )
    assert await kernel.ledger(streams[3].key) == [1]
    assert len(await kernel.parked()) == 3


async def test_a_body_that_cannot_be_read_is_parked_with_its_reason_but_without_its_values(
    kernel: Kernel,
) -> None:
    stream = Stream()
    broken = replace(stream.next(), value=b'{"network_id": "Mrs Private"}')
    await kernel.take(broken)
    [(sequence, reason)] = await kernel.parked()
    assert sequence == 1
    assert "name" in reason
    assert "Private" not in reason


@pytest.mark.parametrize(
    ("key", "headers", "reason"),
    [
        (None, [("ce_sequence", b"1")], "no key"),
        (b"\xff", [("ce_sequence", b"1")], "not UTF-8"),
        (b"a\x00b", [("ce_sequence", b"1")], "NUL"),
        (b"k", [], "no header ce_sequence"),
        (b"k", [("ce_sequence", b"-1")], "not a positive number"),
        (b"k", [("ce_sequence", "²".encode())], "not a positive number"),
        (b"k", [("ce_sequence", b"0")], "not a positive number"),
        (b"k", [("ce_sequence", b"9" * 30)], "not a positive number"),
    ],
)
async def test_a_record_without_key_or_sequence_is_parked_and_holds_up_nothing(
    kernel: Kernel, key: bytes | None, headers: list[tuple[str, bytes]], reason: str
) -> None:
    stream = Stream()
    hostile = Record("aspire.membership", 7, 0, key, headers, b"\x00\xff")
    await kernel.take(hostile, stream.next())
    assert await kernel.ledger() == [1]
    [(sequence, told)] = await kernel.parked()
    assert sequence is None
    assert reason in told


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time"])
async def test_a_hostile_header_parks_its_key(kernel: Kernel, name: str) -> None:
    stream = Stream()
    record = stream.next()
    headers = [(n, b"\xff\x00" if n == name else value) for n, value in record.headers]
    await kernel.take(replace(record, headers=headers))
    [(sequence, reason)] = await kernel.parked()
    assert sequence == 1
    assert name in reason


async def test_a_type_that_is_not_used_moves_the_key_on(kernel: Kernel) -> None:
    stream = Stream()
    unknown = stream.next()
    headers = [
        (n, b"uk.aspire.membership.Invented.v9" if n == "ce_type" else value)
        for n, value in unknown.headers
    ]
    await kernel.take(replace(unknown, headers=headers), stream.next())
    assert await kernel.ledger() == [2]
    assert await kernel.parked() == []


async def test_events_of_many_keys_that_fail_alike_stop_the_consumer_and_park_nothing(
    kernel: Kernel,
) -> None:
    records = [Stream(offset=10 * n).next("poison") for n in range(5)]
    well = Stream(offset=900)
    with pytest.raises(FaultIsOurs, match="5 keys fail alike"):
        await kernel.take(*records, well.next())
    assert await kernel.parked() == []
    assert await kernel.ledger() == []


async def test_keys_that_fail_alike_are_counted_over_batches(kernel: Kernel) -> None:
    for n in range(4):
        await kernel.take(Stream(offset=10 * n).next("poison"))
    with pytest.raises(FaultIsOurs):
        await kernel.take(Stream(offset=90).next("poison"))
    assert len(await kernel.parked()) == 4


async def test_two_replicas_with_the_same_batch_apply_it_once(kernel: Kernel) -> None:
    stream = Stream()
    records = [stream.next() for _ in range(50)]
    await asyncio.gather(*(kernel.take(*records) for _ in range(4)))
    assert await kernel.ledger() == list(range(1, 51))


async def test_two_replicas_with_halves_of_a_key_leave_no_gap(kernel: Kernel) -> None:
    for _ in range(10):
        stream = Stream()
        first, second = stream.next(), stream.next()
        await asyncio.gather(kernel.take(first), kernel.take(second))
        assert await kernel.ledger(stream.key) == [1, 2]
    assert await kernel.pool.fetchval("SELECT count(*) FROM set_aside") == 0


async def test_on_a_compacted_topic_gaps_are_normal_and_going_back_is_refused(
    kernel: Kernel,
) -> None:
    person = uuid4()
    stream = Stream()

    def profile(name: str, sequence: int) -> Record:
        return stream.record(PersonProfile(person_id=person, name=name), sequence)

    fifth, ninth = profile("Ann", 5), profile("Anne", 9)
    await kernel.take(fifth)
    await kernel.take(ninth)
    outcome = await kernel.take(stream.again(fifth))
    assert await kernel.ledger(person) == [5, 9]
    assert outcome.seen == 1


async def test_on_a_compacted_topic_a_later_record_takes_the_place_of_a_parked_one(
    kernel: Kernel,
) -> None:
    person = uuid4()
    stream = Stream()
    await kernel.take(stream.record(PersonProfile(person_id=person, name="poison"), 1))
    assert len(await kernel.parked()) == 1
    await kernel.take(stream.record(PersonProfile(person_id=person, name="Ann"), 2))
    assert await kernel.parked() == []
    assert await kernel.ledger(person) == [2]


async def test_remembers_the_last_record_of_each_partition(kernel: Kernel) -> None:
    first, second = Stream(partition=0), Stream(partition=1, offset=40)
    await kernel.take(first.next(), first.next(), second.next())
    rows = await kernel.pool.fetch('SELECT partition, "offset" FROM position ORDER BY partition')
    assert [tuple(row) for row in rows] == [(0, 2), (1, 41)]


async def test_keys_of_any_characters_are_claimed(kernel: Kernel) -> None:
    names = ['a "quote"', "back\\slash", "comma, {brace}", "NULL", " space ", "Zoë", "line\nend"]
    keys = {
        ("aspire.membership", name): [Entry(Stream().next(), name, 1, uuid4())] for name in names
    }
    async with acquire(kernel.pool) as connection:
        begin = partial(inbox.begin, connection, keys, PART, 60, many=False)
        assert await begin() == keys.keys()
        assert not await begin()
    rows = await kernel.pool.fetch("SELECT topic, key, last_id FROM inbox")
    assert {((row["topic"], row["key"]), row["last_id"]) for row in rows} == {
        (key, entry.id) for key, (entry,) in keys.items()
    }
