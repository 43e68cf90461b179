"""A publishing database with its relay, and a consuming one with its consumer, and a broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID, uuid4

import asyncpg
from aiokafka.partitioner import DefaultPartitioner

from shared.ending import end
from shared.events import Event
from shared.events.membership import NetworkEstablished, NetworkRenamed
from shared.events.vocabulary import Region
from shared.messaging import Transaction, faults
from shared.messaging.client import Client
from shared.messaging.connections import acquire
from shared.messaging.consumer import Consumer
from shared.messaging.records import Record
from shared.messaging.relay import Relay
from shared.settings import Settings
from tests.kernel.ledger import Kernel, ledger_effects
from tests.kernel.topics import records_of

TOPIC = "aspire.membership"


@dataclass
class Flow:
    """`publisher` and `consumer` are databases; tests start relays and consumers on them."""

    settings: Settings
    publisher: asyncpg.Pool
    kernel: Kernel
    client: Client = field(default_factory=Client)

    async def publish(self, *events: Event) -> None:
        """One transaction with its events."""
        async with acquire(self.publisher) as connection, connection.transaction():
            transaction = Transaction(connection, "user:test")
            transaction.record(*events)
            await transaction.append()

    def keys_of_one_partition(self, count: int) -> list[UUID]:
        """Whose events come to a consumer together."""
        numbers = list(range(self.settings.partitions))
        partition_of = DefaultPartitioner()
        keys: list[UUID] = []
        while len(keys) < count:
            key = uuid4()
            if partition_of(str(key).encode(), numbers, numbers) == 0:
                keys.append(key)
        return keys

    def relay(self) -> Relay:
        return Relay("membership", self.publisher, self.settings, self.client)

    async def relay_all(self) -> None:
        """Sends what is in the outbox with a relay of its own."""
        async with working(self.relay()):
            await self.until_sent()

    async def until_sent(self) -> None:
        async with asyncio.timeout(30):
            while await self.publisher.fetchval("SELECT count(*) FROM outbox"):
                await asyncio.sleep(0.02)

    def consumer(self, of: Kernel | None = None, **changes: object) -> Consumer:
        settings = self.settings.model_copy(update=changes)
        if of is None:
            return Consumer("cpd", ledger_effects(), self.kernel.pool, settings, client=self.client)
        return Consumer("later", ledger_effects(), of.pool, settings, client=self.client)

    async def until_ledger_has(self, count: int, within_seconds: float = 30) -> None:
        async with asyncio.timeout(within_seconds):
            while await self.count() < count:
                await asyncio.sleep(0.02)

    async def orders(self) -> list[list[int]]:
        """Of each key the sequences that took effect, as they did."""
        rows = await self.kernel.pool.fetch(
            "SELECT array_agg(sequence ORDER BY number) AS sequences FROM ledger GROUP BY key"
        )
        return [row["sequences"] for row in rows]

    async def records(self, topic: str = TOPIC) -> list[Record]:
        """What a new reader finds on a topic."""
        return await records_of(self.settings, topic, self.client)

    async def count(self) -> int:
        count: int = await self.kernel.pool.fetchval("SELECT count(*) FROM ledger")
        return count


@asynccontextmanager
async def working(part: Relay | Consumer) -> AsyncIterator[None]:
    """The part works inside, and is cancelled at the end as a process's end does."""
    task = asyncio.create_task(part.run())
    try:
        yield
    finally:
        await end(task)
        with suppress(asyncio.CancelledError):
            await task  # raises what it died of


@contextmanager
def armed(act: Callable[[str], Awaitable[None]]) -> Iterator[None]:
    """Has `act` called at every fault point inside."""
    faults.arm(act)
    try:
        yield
    finally:
        faults.arm(None)


def history(length: int, key: UUID | None = None) -> list[Event]:
    """The events of one network: established, then renamed again and again."""
    key = key or uuid4()
    events: list[Event] = [
        NetworkEstablished(
            network_id=key, name="1", region=Region.LONDON, established_on=date(2026, 9, 1)
        )
    ]
    return events + [NetworkRenamed(network_id=key, name=str(n)) for n in range(2, length + 1)]
