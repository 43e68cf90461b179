"""What Kafka holds of a person who has been erased: a tombstone last, while the relay runs."""

import asyncio

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.membership.office import Office


async def records(settings: Settings, topic: str) -> list[tuple[str, bytes | None]]:
    """All of a topic: key and value, in order of offsets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    found = []
    try:
        partitions = [TopicPartition(topic, n) for n in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(20):
            for partition in partitions:
                # The end of a transaction has an offset, too, and is no record.
                while await consumer.position(partition) < ends[partition]:
                    for batch in (await consumer.getmany(timeout_ms=100)).values():
                        found += [(record.key.decode(), record.value) for record in batch]
    finally:
        await consumer.stop()
    return found


async def all_sent(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def test_an_erased_person_has_a_tombstone_last_and_the_relay_goes_on(
    start: Start, topics: list[str], settings: Settings, issuer: LocalIssuer
) -> None:
    async with start("membership") as membership:
        office = Office(pool=membership.pool, client=membership.client, issuer=issuer)
        people = [await office.person(name=f"Ada {number}") for number in range(8)]
        for person in people[::2]:
            await office.say("PATCH", f"/people/{person['person_id']}", {"name": "Ada Changed"})
            await office.do(f"/people/{person['person_id']}/erasure")
        last = await office.person(name="Ada Last")
        await eventually(lambda: all_sent(membership.pool), what="all events are sent")
    newest = dict(await records(settings, f"{settings.topic_prefix}aspire.people"))
    for number, person in enumerate(people):
        assert (newest[person["person_id"]] is None) == (number % 2 == 0)
    assert newest[last["person_id"]]
