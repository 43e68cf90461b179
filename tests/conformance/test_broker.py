"""What the kernel relies on in a broker, and so what the stand-in must be like: on either."""

import asyncio
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.settings import Settings
from tests.conformance.conftest import Site


@pytest_asyncio.fixture
async def name(site: Site, settings: Settings) -> str:
    """A topic's name."""
    return f"{settings.topic_prefix}aspire.membership"


class Clients:
    """Makes clients that are ended with the test."""

    def __init__(self, site: Site, settings: Settings) -> None:
        self._site = site
        self._settings = settings
        self._made: list[Any] = []

    async def producer(self, transactional_id: str | None = None) -> Any:
        options = {"transactional_id": transactional_id} if transactional_id else {}
        return await self._started(
            self._site.client.producer(bootstrap_servers=self._settings.kafka, **options)
        )

    async def reader(self, topic: str) -> Any:
        """Of all the topic's partitions, from their beginnings."""
        reader = await self._started(
            self._site.client.reader(
                bootstrap_servers=self._settings.kafka,
                group_id=f"{self._settings.topic_prefix}group",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                rewind=None,
            )
        )
        reader.assign([TopicPartition(topic, n) for n in range(self._settings.partitions)])
        return reader

    async def _started(self, client: Any) -> Any:
        await client.start()
        self._made.append(client)
        return client

    async def end(self) -> None:
        for each in self._made:
            with suppress(KafkaError):
                await (each.abandon() if hasattr(each, "abandon") else each.stop())


@pytest_asyncio.fixture
async def clients(site: Site, settings: Settings) -> Any:
    made = Clients(site, settings)
    yield made
    await made.end()


async def _read(reader: Any, count: int) -> list[Any]:
    """So many records, and one that should not be there, if there is one."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += chain(*(await reader.getmany(timeout_ms=200)).values())
    with suppress(TimeoutError):  # a group's member waits for as long as it takes
        async with asyncio.timeout(0.1):
            found += chain(*(await reader.getmany(timeout_ms=50)).values())
    return found


async def test_a_key_has_its_partition_and_offsets_count_in_it(clients: Any, name: str) -> None:
    producer = await clients.producer()
    answers = [
        await producer.send_and_wait(name, b"v", key=f"key {n % 4}".encode()) for n in range(12)
    ]
    # As Kafka's own clients deal keys out: murmur2 over three partitions.
    assert [answer.partition for answer in answers[:4]] == [1, 2, 2, 0]
    offsets: dict[int, list[int]] = {}
    for answer in answers:
        offsets.setdefault(answer.partition, []).append(answer.offset)
    assert all(each == list(range(len(each))) for each in offsets.values())


async def test_a_record_comes_as_it_was_sent(clients: Any, name: str) -> None:
    producer = await clients.producer()
    headers = [("ce_id", b"1"), ("twice", b"a"), ("twice", b"\xff")]
    await producer.send_and_wait(name, None, key=b"\xff", headers=headers)
    [record] = await _read(await clients.reader(name), 1)
    assert (record.key, record.value, list(record.headers)) == (b"\xff", None, headers)


async def test_what_is_in_a_transaction_counts_when_it_has_ended(clients: Any, name: str) -> None:
    producer = await clients.producer("writer")
    reader = await clients.reader(name)
    await producer.begin_transaction()
    sent = await producer.send_and_wait(name, b"in it", key=b"k")
    # What comes after it in its partition waits for its end, too.
    await (await clients.producer()).send_and_wait(name, b"after", key=b"k")
    partition = TopicPartition(name, sent.partition)
    assert (await reader.end_offsets([partition]))[partition] == 0
    await producer.commit_transaction()
    assert [record.value for record in await _read(reader, 2)] == [b"in it", b"after"]
    assert (await reader.end_offsets([partition]))[partition] == 3  # its end has an offset


async def test_a_new_producer_of_a_name_fences_the_former_and_ends_its_transaction(
    clients: Any, name: str
) -> None:
    former = await clients.producer("writer")
    await former.begin_transaction()
    await former.send_and_wait(name, b"never", key=b"k")
    later = await clients.producer("writer")

    async def go_on() -> None:
        await former.send_and_wait(name, b"too late", key=b"k")
        await former.commit_transaction()

    with pytest.raises(KafkaError):
        await go_on()
    await later.begin_transaction()
    await later.send_and_wait(name, b"now", key=b"k")
    await later.commit_transaction()
    assert [record.value for record in await _read(await clients.reader(name), 1)] == [b"now"]


async def test_a_reader_goes_on_where_it_seeks_and_begins_where_its_group_was(
    clients: Any, name: str
) -> None:
    producer = await clients.producer()
    sent = [await producer.send_and_wait(name, str(n).encode(), key=b"k") for n in range(4)]
    partition = TopicPartition(name, sent[0].partition)
    reader = await clients.reader(name)
    reader.seek(partition, 3)
    assert [record.value for record in await _read(reader, 1)] == [b"3"]
    await reader.commit({partition: 2})
    assert await reader.committed(partition) == 2
    again = await clients.reader(name)
    assert [record.value for record in await _read(again, 2)] == [b"2", b"3"]


async def test_a_producer_that_is_abandoned_sends_no_more(clients: Any, name: str) -> None:
    producer = await clients.producer()
    await producer.send_and_wait(name, b"v", key=b"k")
    await producer.abandon()
    with pytest.raises(KafkaError):
        await producer.send_and_wait(name, b"w", key=b"k")
    assert len(await _read(await clients.reader(name), 1)) == 1
