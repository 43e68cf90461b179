"""Kafka's group is told how far a replica has come, for the tools that show lag.

Nothing depends on it, so nobody waits for it; where the consumer goes on the database knows.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from shared.ending import end
from shared.messaging.positions import Partition
from shared.messaging.records import Record

log = logging.getLogger(__name__)


class Offsets:
    """What a replica has told the group, and has still to tell."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._untold: dict[TopicPartition, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, reader: Any, ends: Mapping[Partition, Record]) -> None:
        """The records up to these have been taken. One request at a time is under way."""
        for (topic, partition), record in ends.items():
            self._untold[TopicPartition(self._prefix + topic, partition)] = record.offset + 1
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(reader))

    async def _tell(self, reader: Any) -> None:
        while self._untold:
            offsets, self._untold = self._untold, {}
            try:
                await reader.commit(offsets)
            except Exception as error:
                log.info("Offsets were not committed to Kafka: %s", type(error).__name__)

    async def stop(self) -> None:
        """Gives up what is under way: its reader has left the group."""
        self._untold.clear()
        if self._telling is not None:
            await end(self._telling)
