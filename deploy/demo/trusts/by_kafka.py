"""A trust that runs Kafka anyway: it reads its own topic, and writes to its own."""

import asyncio
import json
from collections.abc import Sequence
from typing import ClassVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from cloudevents.core.bindings.kafka import to_structured_event
from cloudevents.core.v1.event import CloudEvent

from deploy.demo.trusts.system import Account, NotTaken, System
from shared.ending import end


class KafkaSystem(System):
    """Comes in as the trust's own user, who may use the trust's two topics and nothing else."""

    way: ClassVar = "Kafka"

    def __init__(self, account: Account, *, kafka: str, user: str, password: str) -> None:
        super().__init__(account)
        login = {
            "bootstrap_servers": kafka,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }
        topic = f"trust.{account.trust_id}"
        self._producer = AIOKafkaProducer(**login, enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(
            topic, **login, group_id=f"{topic}.demo", auto_offset_reset="earliest"
        )
        self._reading: asyncio.Task[None] | None = None

    async def _begin(self) -> None:
        try:
            await self._producer.start()
            await self._consumer.start()
        except KafkaError as error:
            raise NotTaken(f"Kafka does not let the trust in: {error}") from error
        self._reading = asyncio.create_task(self._read())

    async def _end(self) -> None:
        if self._reading is not None:
            await end(self._reading)
        await self._consumer.stop()
        await self._producer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            self.records.take(json.loads(record.value))

    async def _send(self, events: Sequence[CloudEvent]) -> None:
        topic = f"mis.in.{self._trust_id}"
        for message in map(to_structured_event, events):
            headers = list(message.headers.items())
            await self._producer.send_and_wait(topic, message.value, headers=headers)
