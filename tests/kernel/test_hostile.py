"""Ten thousand hostile records among good events: what is at fault is parked, and nothing else."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID
from zlib import crc32

import asyncpg
import psutil
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from shared.ending import end
from shared.events import EVENT_TYPES, TOPICS
from shared.messaging import Effects, Received
from shared.messaging.consumer import Consumer
from shared.messaging.inbox import read_headers
from shared.settings import Settings
from tests.conftest import eventually
from tests.kernel.hostile import CLASS, FAULTS, Maker, Raw, send_undecodable
from tests.kernel.ledger import Kernel, ledger_effects

pytestmark = pytest.mark.bad_day

SEED = 20261125
HOSTILE = 10_000
HEAVY = 20
"""Records of each class that is large."""
UNDECODABLE = 6
"""Two after one another in each partition."""
GOOD_KEYS = 60
EVENTS_OF_A_KEY = 20
MOST_MEGABYTES = 250
"""By which the process may grow; the hostile records alone are 50 MB."""


class Programme:
    """Effects of all types, written into the ledger; `broken`, they fail for every event."""

    def __init__(self) -> None:
        self.effects = Effects()
        self.broken = False
        well = ledger_effects()
        self._write = well.of(next(iter(well.types)))
        for kind in EVENT_TYPES.values():
            self.effects.on(kind)(self._effect)

    async def _effect(self, tx: asyncpg.Connection, events: Sequence[Received[Any]]) -> None:
        if self.broken:
            raise RuntimeError("a bug of ours")
        assert self._write is not None
        await self._write(tx, events)


@pytest_asyncio.fixture
async def producer(settings: Settings, topics: list[str]) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, max_batch_size=64 * 1024)
    await producer.start()
    yield producer
    await producer.stop()


async def test_hostile_records_are_parked_with_their_reasons_and_good_keys_go_on(
    kernel: Kernel, settings: Settings, producer: AIOKafkaProducer
) -> None:
    maker, programme = Maker(SEED), Programme()
    good, hostile = good_events(maker), hostile_records(maker)
    await send(producer, settings, mixed(maker, good, hostile))
    for number in range(UNDECODABLE):
        await send_undecodable(settings, "aspire.membership", partition=number % 3)
    last = [(key, maker.raw(maker.event(n, key), EVENTS_OF_A_KEY + 1))
            for n, key in enumerate(good)]  # fmt: skip
    await send(producer, settings, [raw for _, raw in last])
    consumer = Consumer("cpd", programme.effects, kernel.pool, settings)
    task = asyncio.create_task(consumer.run())
    try:
        grown = await until_all_have(kernel, [key for key, _ in last])
        await _assert_each_took_effect_once_and_in_order(kernel, good)
        await _assert_parked_with_reasons(kernel, hostile)
        assert sum(consumer.passed_over.values()) == _count(hostile, "passed over")
        assert await _rows(kernel, "set_aside") == _count(hostile, "set aside")
        assert await _rows(kernel, "stop") == 0
        assert consumer.trouble is None
        assert grown < MOST_MEGABYTES
        await _a_bug_of_ours_stops_it(kernel, settings, producer, maker, programme, consumer)
    finally:
        await end(task)


async def _a_bug_of_ours_stops_it(
    kernel: Kernel,
    settings: Settings,
    producer: AIOKafkaProducer,
    maker: Maker,
    programme: Programme,
    consumer: Consumer,
) -> None:
    parked = await _rows(kernel, "parked")
    programme.broken = True
    await send(producer, settings, [maker.raw(maker.event(1, maker.uuid()), 1) for _ in range(8)])

    async def stopped() -> bool:
        return "fail alike" in (consumer.trouble or "")

    await eventually(stopped)
    assert await _rows(kernel, "parked") < parked + 5
    assert await _rows(kernel, "stop") == 1


def good_events(maker: Maker) -> dict[UUID, list[Raw]]:
    """The first events of many keys, of all five types."""
    keys = [maker.uuid() for _ in range(GOOD_KEYS)]
    return {
        key: [maker.raw(maker.event(n, key), number + 1) for number in range(EVENTS_OF_A_KEY)]
        for n, key in enumerate(keys)
    }


def hostile_records(maker: Maker) -> list[tuple[str, Raw]]:
    """Each with what has to become of it; all classes about as often."""
    made = [(f.fate, maker.hostile(f)) for f in FAULTS if f.heavy for _ in range(HEAVY)]
    light = [fault for fault in FAULTS if not fault.heavy]
    while len(made) < HOSTILE:
        fault = light[len(made) % len(light)]
        made.append((fault.fate, maker.hostile(fault)))
    return made


def mixed(
    maker: Maker, good: dict[UUID, list[Raw]], hostile: Sequence[tuple[str, Raw]]
) -> list[Raw]:
    """In any order, but for each key's own events; some of them are sent twice."""
    coming = {key: iter(events) for key, events in good.items()}
    rest: list[Raw | UUID] = [raw for _, raw in hostile]
    rest += [key for key, events in good.items() for _ in events[1:]]
    maker.random.shuffle(rest)
    found = []
    for each in [*good, *rest]:
        raw = each if isinstance(each, Raw) else next(coming[each])
        found.append(raw)
        if isinstance(each, UUID) and maker.random.random() < 0.2:
            found.append(raw)
    return found


async def send(producer: AIOKafkaProducer, settings: Settings, records: Sequence[Raw]) -> None:
    """A key has its partition; records without a key come to any."""
    sent = [
        await producer.send(
            settings.topic_prefix + raw.topic,
            key=raw.key,
            value=raw.value,
            headers=raw.headers,
            partition=crc32(raw.key or b"%d" % number) % settings.partitions,
        )
        for number, raw in enumerate(records)
    ]
    await asyncio.gather(*sent)


async def until_all_have(kernel: Kernel, keys: Sequence[UUID]) -> int:
    """Until the last event of every key took effect; answers by how many MB the process grew."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    names = [str(key) for key in keys]
    async with asyncio.timeout(90):
        while (
            await kernel.pool.fetchval(
                "SELECT count(*) FROM ledger WHERE key = ANY ($1) AND sequence > $2",
                names,
                EVENTS_OF_A_KEY,
            )
            < GOOD_KEYS
        ):
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.05)
    return (most - before) // 2**20


async def _assert_each_took_effect_once_and_in_order(
    kernel: Kernel, good: dict[UUID, list[Raw]]
) -> None:
    found: dict[str, list[int]] = defaultdict(list)
    for row in await kernel.pool.fetch("SELECT key, sequence FROM ledger ORDER BY number"):
        found[row["key"]].append(row["sequence"])
    assert set(found) == {str(key) for key in good}
    for key, events in good.items():
        sequences = found[str(key)]
        if TOPICS[events[0].topic].compacted:  # only the newest of a batch counts
            assert sequences == sorted(set(sequences))
        else:
            assert sequences == list(range(1, EVENTS_OF_A_KEY + 2))


async def _assert_parked_with_reasons(kernel: Kernel, hostile: Sequence[tuple[str, Raw]]) -> None:
    reasons = defaultdict(set)
    parked: Counter[str] = Counter()
    for row in await kernel.pool.fetch("SELECT headers, reason FROM parked"):
        of_class = dict(read_headers(row["headers"])).get(CLASS, b"undecodable").decode()
        parked[of_class] += 1
        reasons[of_class].add(row["reason"])
    expected = Counter((dict(raw.headers)[CLASS] or b"").decode() for fate, raw in hostile
                       if fate == "parked")  # fmt: skip
    assert parked == expected + Counter(undecodable=UNDECODABLE)
    for fault in FAULTS:
        unclear = [each for each in reasons[fault.name] if fault.reason not in each]
        assert not unclear, f"{fault.name}: {unclear[:3]}"
    assert reasons["undecodable"] == {"the name of a header is not UTF-8"}


def _count(hostile: Sequence[tuple[str, Raw]], fate: str) -> int:
    return sum(each == fate for each, _ in hostile)


async def _rows(kernel: Kernel, table: str) -> int:
    count: int = await kernel.pool.fetchval(f"SELECT count(*) FROM {table}")
    return count
