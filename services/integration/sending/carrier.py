"""The carrier: copies trusts' feeds to the topics of their own on Kafka, where there are such."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.integration.domain.connection import TrustUnknown
from services.integration.domain.telling import ExternalIds, Told, envelope
from services.integration.sending.courier import TYPE
from services.integration.store import feed, trusts
from shared.changes import Changes, wait
from shared.clock import Clock
from shared.events.topics import TO_TRUSTS
from shared.messaging import cluster, security
from shared.messaging.client import Producer
from shared.messaging.connections import acquire
from shared.messaging.failures import AWAY
from shared.settings import Settings

log = logging.getLogger(__name__)

POSITION: Final = "aspire_position"
"""A record's header: its place in the feed. The last one says where to go on."""
AT_ONCE: Final = 500
"""Events of one trust in a turn."""
LOOK_SECONDS: Final = 1.0
TOPICS_SECONDS: Final = 5.0
"""How often new topics are looked for."""
ASIDE_SECONDS: Final = 5.0
"""For which a topic is left alone that could not be written."""
LAST_SECONDS: Final = 10.0
"""For the last record of a topic to be read."""


async def carry(pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes) -> None:
    """Until it is cancelled; it waits for Kafka and the database as long as it takes."""
    carrier = _Carrier(pool, settings, clock, changes)
    trouble = None
    while True:
        await cluster.wait(settings)
        try:
            async with AsyncExitStack() as stack:
                await carrier.run(stack)
        except (KafkaError, *AWAY) as error:
            if trouble != (trouble := f"{type(error).__name__}: {error}"):
                log.warning("Something is not written to trusts' topics: %s", trouble)
            await asyncio.sleep(settings.consumer_retry_seconds)


class _Carrier:
    """Writes each event of a feed once and in the feed's order, for one replica at a time has a
    trust's turn, and goes on behind the last record that is there: the topic itself remembers.

    A topic that is empty is filled from the very beginning, so one that was lost is as it was. One
    that cannot be written is set aside for a while, and holds up no other.
    """

    def __init__(
        self, pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._changes = changes
        self._begins = settings.topic_prefix + TO_TRUSTS
        self._at: dict[str, tuple[int, int]] = {}
        """By topic: the end offset, and the position in the feed of the record before it."""
        self._aside: dict[str, float] = {}
        """Until when a topic is left alone."""

    async def run(self, stack: AsyncExitStack) -> None:
        """Raises KafkaError or what the database raises; what is known is kept for the next run."""
        producer = Producer(
            **security.options(self._settings), enable_idempotence=True, acks="all",
            client_id="aspire-integration-carrier",
        )  # fmt: skip
        await producer.start()
        stack.push_async_callback(producer.abandon)
        topics: dict[str, UUID] = {}
        looked_at = 0.0
        while True:
            change = self._changes.next
            if time.monotonic() - looked_at > TOPICS_SECONDS:
                topics, looked_at = await self._topics(), time.monotonic()
                self._at = {topic: at for topic, at in self._at.items() if topic in topics}
            full = False
            for topic in await self._due(topics):
                self._set_aside(topic)  # in case it fails
                full |= await self._turn(producer, topic, topics[topic])
            if not full:
                await wait(change, LOOK_SECONDS)

    async def _due(self, topics: Mapping[str, UUID]) -> list[str]:
        """Those whose feed goes on behind what is known to be on them."""
        if not topics:
            return []
        async with acquire(self._pool) as connection:
            ends = await feed.ends(connection, list(topics.values()))
        now = time.monotonic()
        return [
            topic
            for topic, trust_id in sorted(topics.items())
            if ends.get(trust_id, feed.BEGINNING) > self._at.get(topic, (0, feed.BEGINNING))[1]
            and self._aside.get(topic, now) <= now
        ]

    def _set_aside(self, topic: str) -> None:
        self._aside[topic] = time.monotonic() + ASIDE_SECONDS

    async def _topics(self) -> dict[str, UUID]:
        found: dict[str, UUID] = {}
        for name in await cluster.names(self._settings):
            if name.startswith(self._begins):
                try:
                    found[name] = UUID(name.removeprefix(self._begins))
                except ValueError:
                    continue
        return found

    async def _turn(self, producer: Producer, topic: str, trust_id: UUID) -> bool:
        """Whether there may be more to write at once; where it does not know where to go on, the
        topic stays set aside."""
        async with acquire(self._pool) as connection, connection.transaction():
            alone = await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", topic
            )
            if not alone:
                del self._aside[topic]
                return False
            if not await self._is_connected(connection, trust_id):
                return False
            position = await self._position(connection, topic, trust_id)
            if position is None:
                return False
            told = await feed.after(connection, trust_id, position, AT_ONCE)
            called = await feed.external_ids(connection, trust_id, told)
            await self._write(producer, topic, told, called)
        del self._aside[topic]
        return len(told) == AT_ONCE

    async def _is_connected(self, connection: asyncpg.Connection, trust_id: UUID) -> bool:
        try:
            found = await trusts.connection_of(connection, trust_id)
        except TrustUnknown:
            return False
        return found.is_connected(self._clock.now())

    async def _write(
        self, producer: Producer, topic: str, told: Sequence[Told], called: ExternalIds
    ) -> None:
        if not told:
            return
        async with asyncio.timeout(self._settings.relay_delivery_seconds):
            sent = [
                await producer.send(
                    topic,
                    json.dumps(envelope(each, called), ensure_ascii=False).encode(),
                    key=each.stream.encode(),
                    partition=0,
                    headers=[
                        ("content-type", TYPE.encode()), (POSITION, str(each.position).encode())
                    ],
                )
                for each in told
            ]  # fmt: skip
            landed = await asyncio.gather(*sent)
        self._at[topic] = (landed[-1].offset + 1, told[-1].position)

    async def _position(
        self, connection: asyncpg.Connection, topic: str, trust_id: UUID
    ) -> int | None:
        """Behind which the topic goes on; None where it holds what the feed does not know."""
        end, last = await self._last(topic)
        if (known := self._at.get(topic)) is not None and known[0] == end:
            return known[1]
        if last is None:
            return feed.BEGINNING
        position, event_id = last
        there = await feed.at(connection, [(trust_id, position)])
        begun_anew = 0 < position <= await feed.beginning(connection, trust_id)
        if begun_anew or [str(each.id) for each in there.values()] == [event_id]:
            self._at[topic] = (end, position)
            return position
        log.error(
            "%s ends with event %s at position %d, which the trust's feed does not have: the "
            "database is older than the topic. Nothing is written there until the topic is "
            "deleted and made anew.", topic, event_id, position,
        )  # fmt: skip
        return None

    async def _last(self, topic: str) -> tuple[int, tuple[int, str] | None]:
        """The topic's end, and position and event of the record before it, if it is needed."""
        partition = TopicPartition(topic, 0)
        reader = AIOKafkaConsumer(**security.options(self._settings), enable_auto_commit=False)
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await reader.start()
                reader.assign([partition])
                end = int((await reader.end_offsets([partition]))[partition])
                begin = int((await reader.beginning_offsets([partition]))[partition])
                known = self._at.get(topic)
                if end == begin or (known is not None and known[0] == end):
                    return end, None
                reader.seek(partition, end - 1)
                record = await reader.getone(partition)
                return end, _read(record)
        finally:
            await reader.stop()


def _read(record: Any) -> tuple[int, str]:
    """Position and id; of a record that is not ours a place that no feed has."""
    try:
        position = int(dict(record.headers)[POSITION])
        return position, str(json.loads(record.value)["id"])
    except (KeyError, ValueError, TypeError):
        return -1, "unknown"
