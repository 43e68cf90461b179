"""Kafka as a whole: whether it answers, and its topics, created from one list."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.events import TOPICS, Topic
from shared.messaging import hung_up, security
from shared.settings import Settings

hung_up.install()

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


async def answers(settings: Settings, timeout_seconds: float = 2) -> str | None:
    """None where a broker answers; otherwise why not, in words."""
    try:
        async with _client(settings) as client, asyncio.timeout(timeout_seconds):
            await client.bootstrap()
    except (KafkaError, OSError, TimeoutError) as error:
        return f"Kafka at {settings.kafka} {await security.why(settings, error)}"
    return None


Answers = Callable[[Settings], Awaitable[str | None]]


async def wait(settings: Settings, answers: Answers = answers) -> None:
    """Waits until a broker answers; says so once in ten seconds, and when the reason changes."""
    attempt, said = 0, None
    while (trouble := await answers(settings)) is not None:
        if attempt % 20 == 0 or trouble != said:
            log.warning("Waiting: %s", trouble)
        attempt, said = attempt + 1, trouble
        await asyncio.sleep(RETRY_SECONDS)


async def create_topics(settings: Settings, topics: Iterable[Topic] = TOPICS.values()) -> list[str]:
    """Creates those topics that are not there; answers their names.

    Raises:
        KafkaError: the broker refuses one.
    """
    wanted = {topic.name: (settings.partitions, topic.config) for topic in topics}
    return await create(settings, wanted)


async def create(
    settings: Settings, topics: Mapping[str, tuple[int, Mapping[str, str]]]
) -> list[str]:
    """Creates topics that are not there, each with so many partitions and Kafka's settings; answers
    their names.

    Raises:
        KafkaError: the broker refuses one.
    """
    wanted = [
        NewTopic(
            name=settings.topic_prefix + name,
            num_partitions=partitions,
            replication_factor=settings.replication_factor,
            topic_configs=dict(config),
        )
        for name, (partitions, config) in topics.items()
    ]
    admin = AIOKafkaAdminClient(**security.options(settings))
    await admin.start()
    try:
        response = await admin.create_topics(wanted)
    finally:
        await admin.close()
    created = []
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise error(f"topic {name}: {rest[0] if rest else ''}")
    return created


async def partitions_of(settings: Settings, topics: Iterable[Topic]) -> list[TopicPartition]:
    """The partitions of those topics that are there.

    Raises:
        KafkaError: no broker answers.
    """
    async with _client(settings) as client:
        await client.bootstrap()
        known = await client.fetch_all_metadata()
    names = [settings.topic_prefix + topic.name for topic in topics]
    return [
        TopicPartition(name, number)
        for name in names
        for number in sorted(known.partitions_for_topic(name) or ())
    ]


async def names(settings: Settings) -> set[str]:
    """The names of all topics that are there, as far as the user may know of them.

    Raises:
        KafkaError: no broker answers.
    """
    async with _client(settings) as client:
        await client.bootstrap()
        return set((await client.fetch_all_metadata()).topics())


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**security.options(settings), request_timeout_ms=security.ANSWER_MS)
    try:
        yield client
    finally:
        await client.close()
