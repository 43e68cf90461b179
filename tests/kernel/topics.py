"""What is on a topic; and a topic that is lost."""

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.messaging import cluster
from shared.messaging.client import Client
from shared.settings import Settings


async def records_of(
    settings: Settings, topic: str = "aspire.membership", client: Client | None = None
) -> list[Any]:
    """The committed records of a test's topic, by partition and offset."""
    name = settings.topic_prefix + topic
    reader = (client or Client()).reader(
        bootstrap_servers=settings.kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        rewind=None,
    )
    await reader.start()
    partitions = [TopicPartition(name, n) for n in range(settings.partitions)]
    reader.assign(partitions)
    ends = await reader.end_offsets(partitions)
    found: list[Any] = []
    async with asyncio.timeout(10):
        for partition in partitions:
            while await reader.position(partition) < ends[partition]:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    found += records
    await reader.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def lose_topics(settings: Settings) -> None:
    """The same for this test as another Kafka: the topics are gone, and empty ones are there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        mine = [t for t in await admin.list_topics() if t.startswith(settings.topic_prefix)]
        await admin.delete_topics(mine)
        async with asyncio.timeout(20):
            while set(mine) & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await cluster.create_topics(settings)
