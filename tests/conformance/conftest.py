"""The suite's two sites: the stand-in and real Kafka, both with real PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from shared.database import create_pool
from shared.events import TOPICS
from shared.messaging import cluster
from shared.messaging.client import Client
from shared.settings import Settings
from tests.conformance.model.world import EMPTY
from tests.conftest import Template, clones
from tests.infra import Infra
from tests.kernel.flow import Flow
from tests.kernel.ledger import LEDGER, Kernel
from tests.standin import Broker


@dataclass(frozen=True)
class Site:
    """A broker with the topics of this test, and how to add partitions to one."""

    client: Client
    grow: Callable[[str, int], Awaitable[None]]
    broker: Broker | None = None
    """The stand-in, where it is one."""


@pytest_asyncio.fixture(params=["standin", "kafka"])
async def site(request: pytest.FixtureRequest, settings: Settings) -> Site:
    if request.param == "standin":
        return standin(settings)
    await cluster.create_topics(settings)
    return Site(Client(), _grow_in(settings))


def standin(settings: Settings) -> Site:
    broker = Broker()
    for topic in TOPICS.values():
        name = settings.topic_prefix + topic.name
        broker.create(name, settings.partitions, compacted=topic.compacted)

    async def grow(topic: str, partitions: int) -> None:
        broker.create(topic, partitions)

    return Site(broker.client, grow, broker)


def _grow_in(settings: Settings) -> Callable[[str, int], Awaitable[None]]:
    async def grow(topic: str, partitions: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await admin.start()
        await admin.create_partitions({topic: NewPartitions(partitions)})
        await admin.close()

    return grow


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dsns(infra: Infra, template: Template) -> AsyncIterator[tuple[str, str]]:
    """A consuming and a publishing database for the tests of a file, each of which empties them."""
    async with clones(infra, template) as fresh:
        yield await fresh("cpd"), await fresh("membership")


@pytest_asyncio.fixture
async def flow(site: Site, dsns: tuple[str, str], settings: Settings) -> AsyncIterator[Flow]:
    """A publishing and a consuming database with the site's broker between them."""
    consuming, publishing = [await create_pool(dsn, "conformance", max_size=8) for dsn in dsns]
    for pool in (consuming, publishing):
        await pool.execute(EMPTY)
    await consuming.execute(f"DROP TABLE IF EXISTS ledger; {LEDGER}")
    yield Flow(settings, publishing, Kernel(consuming, dsns[0]), site.client)
    for pool in (publishing, consuming):
        await pool.close()
