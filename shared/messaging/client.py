"""How the kernel comes to Kafka: the producers and readers of aiokafka, as the kernel needs them.

All of the kernel stands above this seam. Tests put a broker of their own below it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.messaging import cluster, topics
from shared.messaging.reader import Reader


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """aiokafka's producer, which can be ended unflushed."""

    async def abandon(self) -> None:
        """Ends it without sending what it still holds, for which `stop()` would wait.

        Its connections go first, so that requests in flight fail at once, and again at the end,
        since the sender may have opened one meanwhile. aiokafka has no public way, and would log
        its own futures, which nobody else can await, as errors.
        """
        self._closed = True
        with suppress(Exception):
            async with asyncio.timeout(5):
                await self.client.close()
                await self._sender.close()
                await self.client.close()
        held = self._message_accumulator
        waiting = [batch for batches in held._batches.values() for batch in batches]  # noqa: SLF001
        held._pending_batches.update(waiting)  # noqa: SLF001 - a batch that ends is taken out there
        held.fail_all(KafkaError("the producer was abandoned"))
        futures = [batch._drain_waiter for batch in waiting]  # noqa: SLF001
        if self._txn_manager is not None:
            futures.append(self._txn_manager._transaction_waiter)  # noqa: SLF001
        for future in futures:
            if future is not None and future.done():
                future.exception()


@dataclass(frozen=True)
class Client:
    """Makes producers and readers with aiokafka's options; `answers` says why a broker does not.

    `opened` reads topics to their ends, in no group.
    """

    producer: Callable[..., Any] = Producer
    reader: Callable[..., Any] = Reader
    answers: cluster.Answers = cluster.answers
    opened: topics.Opened = topics.opened
