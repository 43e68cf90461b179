"""What is on a topic; and a topic that is lost."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient

from shared.events import TOPICS
from shared.messaging import cluster
from shared.messaging.client import Client
from shared.messaging.records import Record
from shared.settings import Settings


async def records_of(
    settings: Settings, topic: str = "aspire.membership", client: Client | None = None
) -> list[Record]:
    """The committed records of a test's topic, by partition and offset."""
    found: list[Record] = []
    async with (client or Client()).opened(settings, [TOPICS[topic]]) as opened:
        async for records in opened.read(dict.fromkeys(opened.ends, 0)):
            found += records
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
