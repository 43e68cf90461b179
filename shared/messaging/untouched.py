"""How records come through FastStream untouched, and who hears of rebalances."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream.kafka import KafkaMessage


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells when the partitions are ours no longer, and when they are."""

    def __init__(
        self, revoked: Callable[[], None], assigned: Callable[[], Awaitable[None]]
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(
        self,
        revoked: Iterable[TopicPartition],  # noqa: ARG002 - all of them, aiokafka is eager
    ) -> None:
        """A batch in work goes on: its keys are claimed by compare-and-set."""
        self._revoked()

    async def on_partitions_assigned(
        self,
        assigned: Iterable[TopicPartition],  # noqa: ARG002 - the consumer knows them by now
    ) -> None:
        await self._assigned()


async def untouched(raw: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """A message of the records as they came: a hostile header or body is no matter of parsing."""
    return KafkaMessage(body=b"", raw_message=raw, consumer=None)  # type: ignore[arg-type]


async def pass_through(message: KafkaMessage) -> Any:
    """The records of such a message."""
    return message.raw_message
