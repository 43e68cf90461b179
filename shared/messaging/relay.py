"""The relay: takes events from the outbox to Kafka, in order, until Kafka has acknowledged them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
from aiokafka.errors import KafkaError

from shared.messaging import arrays, checkpoints, faults, meters, tracing
from shared.messaging.checkpoints import API, RELAY
from shared.messaging.client import Client
from shared.messaging.connections import acquire, milliseconds
from shared.messaging.failures import AWAY
from shared.messaging.positions import Partition
from shared.messaging.producers import COMPACTED, Acknowledged, Producers
from shared.messaging.records import Outgoing
from shared.settings import Settings
from shared.telemetry import untraced

log = logging.getLogger(__name__)

MARGIN_SECONDS = 20
"""Of the transaction over the deadline of Kafka's acknowledgements, to note what it has."""

NO_OFFSET = -1
"""Of a record that Kafka has had already, and does not remember where."""

SHARDS_AT_A_TIME = 8
"""So that a second lane, or relay, finds shards to own while the first is busy."""

LANES = 2
"""Batches under way at once where the outbox is long: one is read and made while Kafka and the
database are busy with the other, of other shards."""


class Relay:
    """One relay of a service. Several may run: each takes shards that no other has locked.

    `wake()` after a commit sends at once; otherwise the outbox is polled. `trouble` says why
    nothing is being sent, in words, or is None. `sent` counts events by topic. A relay that is
    `refilling` a Kafka that has lost something sends although the others have stopped for that.
    """

    def __init__(
        self,
        service: str,
        pool: asyncpg.Pool,
        settings: Settings,
        client: Client | None = None,
        *,
        refilling: bool = False,
    ) -> None:
        self.trouble: str | None = "the journal has not been compared with the topics yet"
        self.sent: Counter[str] = Counter()
        self._service = service
        self._refilling = refilling
        self._stopped_by = (API,) if refilling else (API, RELAY)
        self._settled = False
        self._may_be_more = False
        self._newest: dict[Partition, int] = {}
        """The offset up to which Kafka has acknowledged each partition to this relay."""
        self._sent: UUID | None = None
        self._pool = pool
        self._settings = settings
        self._client = client or Client()
        self._id = uuid4()
        self._woken = asyncio.Event()
        self._producers = Producers(service, settings, self._client)

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._woken.set()

    async def run(self) -> None:
        """Sends until cancelled; what it cannot send now it tries again, and says so once."""
        try:
            while True:
                self._woken.clear()
                await self._send_all()
                await self._pause()
        finally:
            await self._producers.abandon()

    async def _send_all(self) -> None:
        try:
            if self._settled or await self.settle():
                while await self.send_batch():
                    self._tell(None)
                    if not self._may_be_more:
                        return  # what else there is to know can wait for the next poll
                    await self._send_in_lanes()
                if await self.settle():
                    self._tell(None)
        except (KafkaError, *AWAY) as error:
            self._settled = False
            self._tell(f"{type(error).__name__}: {error}")

    async def _send_in_lanes(self) -> None:
        """Sends while there may be more; raises when all have ended, where one of them failed."""
        for result in await asyncio.gather(
            *(self._send_in_lane() for _ in range(LANES)), return_exceptions=True
        ):
            if isinstance(result, BaseException):
                raise result

    async def _send_in_lane(self) -> None:
        try:
            while self._settled and await self.send_batch() and self._may_be_more:
                pass
        except BaseException:
            self._settled = False  # the other ends, too
            raise

    async def settle(self) -> bool:
        """Whether it may send: nothing stops it, and what is on Kafka fits the journal.

        They are compared at the start, after any trouble, and on a database server that has begun
        since they were.
        """
        async with acquire(self._pool) as connection:
            stop, compared = await checkpoints.held(connection, *self._stopped_by)
        if stop is None and not (self._settled and compared):
            await self._compare()
            async with acquire(self._pool) as connection:
                stop, _ = await checkpoints.held(connection, *self._stopped_by)
        self._settled = stop is None
        if stop is not None:
            self._tell(stop)
        return self._settled

    async def _compare(self) -> None:
        try:
            await checkpoints.settle(
                self._service,
                self._pool,
                self._settings,
                self._client.opened,
                refilling=self._refilling,
            )
        except (KafkaError, TimeoutError):
            await checkpoints.trust_the_same_server(self._pool, self._sent)
            raise
        self._newest.clear()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.relay_poll_seconds):
                if self.trouble is None:
                    await self._woken.wait()
                else:
                    await asyncio.Event().wait()

    def _tell(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            log.log(
                logging.INFO if trouble is None else logging.WARNING,
                "Relay: %s", trouble or "sending",
            )  # fmt: skip
        self.trouble = trouble

    async def send_batch(self) -> int:
        """Sends one batch of the shards that are free; answers how many events are now on Kafka.

        The shards' row locks are held until the transaction ends. PostgreSQL ends it if this
        process is stopped; what it then still sends, consumers have seen or will drop.

        Raises:
            KafkaError, TimeoutError: Kafka did not acknowledge; nothing was deleted past that.
        """
        with untraced():
            async with acquire(self._pool) as connection, connection.transaction():
                shards, rows = await self._own(connection)
                of_each = max(1, self._settings.relay_batch // max(1, len(shards)))
                self._may_be_more = len(shards) == SHARDS_AT_A_TIME or len(rows) >= of_each
                if not rows:
                    return 0
                await faults.reach("before_send")
                begun, newest = time.time_ns(), dict(self._newest)
                acknowledged, failure = await self._producers.send(rows)
                tracing.sent(acknowledged.events, begun)
                meters.sent(rows, acknowledged.events, failure, begun)
                self.sent.update(event.topic for event in acknowledged.events)
                await faults.reach("after_send_before_delete")
                self._watch(acknowledged, newest)
                await self._forget(connection, shards, acknowledged)
                await faults.reach("after_delete_before_commit")
        if failure is not None:
            raise failure
        return len(acknowledged.events)

    async def _own(self, connection: asyncpg.Connection) -> tuple[list[int], list[Outgoing]]:
        """Locks shards that have something to send, and reads a batch of them.

        None where a part is stopped or the journal was not compared.
        """
        found = await connection.fetch(
            "SELECT * FROM own_outbox($1, $2, $3, $4, $5)",
            self._id,
            self._stopped_by,
            SHARDS_AT_A_TIME,
            self._settings.relay_batch,
            milliseconds(self._settings.relay_delivery_seconds + MARGIN_SECONDS),
        )
        if not found:
            return [], []
        shards, taken_over = found[0]["shards"], found[0]["taken_over"]
        rows = [Outgoing(*row[2:]) for row in found[1:]]
        compacted = any(row.topic in COMPACTED for row in rows)
        if not taken_over and not (compacted and not self._producers.fences):
            return shards, rows
        # On a compacted topic an old record that comes last would undo an erasure, so the broker
        # fences whoever had the shard before. A relay that fences when its transaction has ended
        # fences the new owner: then the next statement fails, before it sends.
        try:
            await self._producers.fence()
        except (KafkaError, TimeoutError) as error:
            others = [row for row in rows if row.topic not in COMPACTED]
            if not others:
                raise
            log.warning("A former relay cannot be fenced yet: %s", error)
            return shards, others
        await connection.execute(
            "UPDATE shard SET owner = $1 WHERE compacted AND shard = ANY ($2)", self._id, shards
        )
        return shards, rows

    def _watch(self, acknowledged: Acknowledged, before: Mapping[Partition, int]) -> None:
        """Raises where Kafka gives an offset that it had given `before`: it is not what it was."""
        for each in acknowledged.landed:
            if NO_OFFSET < each.first <= before.get(each.partition, NO_OFFSET):
                topic, partition = each.partition
                raise KafkaError(f"{topic} partition {partition} begins again at {each.first}")
            self._newest[each.partition] = max(
                each.last, self._newest.get(each.partition, NO_OFFSET)
            )
            self._sent = each.event.id

    async def _forget(
        self, connection: asyncpg.Connection, shards: Sequence[int], acknowledged: Acknowledged
    ) -> None:
        """Deletes what Kafka has, and remembers the last of each partition."""
        await connection.execute(
            f"""
            WITH sent AS (
                DELETE FROM outbox WHERE shard = ANY ($5) AND position = ANY ($6::text::bigint[])
            )
            {checkpoints.REMEMBER}
            """,  # noqa: S608 - a constant
            *checkpoints.columns(
                {
                    each.partition: (each.last, each.event.id)
                    for each in acknowledged.landed
                    if each.last > NO_OFFSET
                }
            ),
            shards,
            arrays.of_plain(event.position for event in acknowledged.events),
        )

    async def ready(self) -> str | None:
        """None where the relay can do its work; otherwise why not."""
        return await self._client.answers(self._settings) or self.trouble
