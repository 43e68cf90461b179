"""The courier: sends trusts' events to their webhooks, one key in order and other keys at once."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from standardwebhooks import Webhook as Signer

from services.integration import meters
from services.integration.domain.webhooks import next_try
from services.integration.sending.parcels import Parcel, pack
from services.integration.sending.post import SECONDS, Post
from services.integration.store import deliveries, webhooks
from services.integration.store.deliveries import Outcome
from shared.changes import Changes
from shared.clock import Clock
from shared.events.vocabulary import WebhookRests
from shared.messaging import Transaction
from shared.messaging.connections import acquire
from shared.messaging.failures import AWAY
from shared.messaging.journal import NoCommandsTaken
from shared.sealing import CannotOpen, Sealer
from shared.settings import SettingMissing, Settings, SettingWrong

log = logging.getLogger(__name__)

WINDOW: Final = 200
"""Deliveries of a webhook that are kept ready; the rest waits in the feed."""
AT_ONCE: Final = 10
"""Of one webhook on their way, each of another stream; one only while it fails."""
IN_ALL: Final = 200
"""On their way from this process, so that its memory is bounded."""
LEASE: Final = timedelta(seconds=2 * SECONDS)
"""After which another process sends what this one has not answered for."""
LOOK_SECONDS: Final = 1.0
"""How often is looked for what is due, where nothing says so."""
GATHER_SECONDS: Final = 0.02
TIDIED_EVERY: Final = timedelta(hours=1)
ACTOR: Final = "integration"
TYPE: Final = "application/cloudevents+json; charset=UTF-8"


async def deliver(pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes) -> None:
    """Until it is cancelled; what is on its way then is sent again by the next one."""
    await Courier(pool, settings, clock, changes).run()


class Courier:
    """Runs beside the consumer, in any number of processes.

    A turn is one transaction: it writes down what has become of what was sent, puts what is new in
    the feeds among the deliveries, and takes those whose turn it is. They are sent outside of it.
    A process that is killed meanwhile has its deliveries sent again, with the same ids.
    """

    def __init__(
        self, pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._changes = changes
        self._outcomes: list[Outcome] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._sealer: Sealer | None = None
        self._tidied_at: datetime | None = None
        self._looks = True
        self._looked_at = 0.0
        self._trouble: str | None = None

    async def run(self) -> None:
        post = Post(inside=self._settings.webhooks_inside, most_connections=IN_ALL)
        async with post.open():
            try:
                while True:
                    change = self._changes.next
                    more = await self._turn(post)
                    if not more:
                        await self._wait(change)
                    late = time.monotonic() - self._looked_at >= LOOK_SECONDS
                    self._looks = more or late or change.is_set()
            finally:
                for task in self._sending:
                    task.cancel()

    async def _turn(self, post: Post) -> bool:
        """Whether there may be more to do at once."""
        told, self._outcomes = self._outcomes, []
        now = self._clock.now()
        try:
            async with acquire(self._pool) as connection, connection.transaction():
                await self._record(connection, told)
                went = await self._fill(connection, now) if self._looks else 0
                room = IN_ALL - len(self._sending)
                due = await deliveries.claim(connection, now, now + LEASE, AT_ONCE, room)
                parcels = await pack(connection, due, now)
                await self._tidy(connection, now)
        except (*AWAY, NoCommandsTaken) as error:
            self._outcomes = told + self._outcomes
            if self._trouble != (trouble := f"{type(error).__name__}: {error}"):
                log.warning("Nothing is sent to webhooks now: %s", trouble)
            self._trouble = trouble
            await asyncio.sleep(self._settings.consumer_retry_seconds)
            return False
        self._trouble = None
        for parcel in parcels:
            task = asyncio.create_task(self._send(post, parcel, now))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return went > 0 and len(due) < room

    async def _fill(self, connection: asyncpg.Connection, now: datetime) -> int:
        self._looked_at = time.monotonic()
        return await deliveries.fill(connection, WINDOW, now)

    async def _tidy(self, connection: asyncpg.Connection, now: datetime) -> None:
        """Old rows of the log go, now and then."""
        if self._tidied_at is None or now - self._tidied_at > TIDIED_EVERY:
            await webhooks.forget_old_attempts(connection, now)
            self._tidied_at = now

    async def _wait(self, change: asyncio.Event) -> None:
        """Until something was answered, something has come, or it is time to look. What is answered
        within moments is written down together."""
        if self._sending:
            await asyncio.sleep(GATHER_SECONDS)
        if self._outcomes:
            return
        waiting = asyncio.create_task(change.wait())
        await asyncio.wait(
            {waiting, *self._sending}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()

    async def _send(self, post: Post, parcel: Parcel, now: datetime) -> None:
        try:
            headers = self._headers(parcel, now)
        except (CannotOpen, SettingMissing, SettingWrong) as error:
            # Ours to mend, and no failure of the receiver: it is tried again after the lease.
            log.error("Webhook %s: %s", parcel.webhook.webhook_id, error)
            return
        answer = await post.send(parcel.webhook.url, headers, parcel.body.encode())
        wait = next_try(parcel.due.tries + 1, answer, random.random())  # noqa: S311 - no secret
        again = not (answer.taken or answer.gone or wait is None)
        meters.delivered(answer)
        self._outcomes.append(
            Outcome(
                due=parcel.due,
                event_id=parcel.event_id,
                type=parcel.type,
                sent_at=now,
                answer=answer,
                due_at=self._clock.now() + wait if again and wait else None,
            )
        )

    def _headers(self, parcel: Parcel, now: datetime) -> dict[str, str]:
        """As Standard Webhooks has them, signed under each of the secrets that are in use."""
        self._sealer = self._sealer or Sealer(self._settings)
        message = str(parcel.event_id)
        signatures = [
            Signer(self._sealer.open(secret.sealed)).sign(message, now, parcel.body)
            for secret in parcel.webhook.signing(now)
        ]
        return {
            "content-type": TYPE,
            "user-agent": "Aspire-Webhooks",
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _record(self, connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> None:
        await deliveries.record(connection, outcomes)
        resting = {
            each.due.webhook_id: WebhookRests.GONE if each.answer.gone else WebhookRests.NOT_TAKEN
            for each in outcomes
            if not each.answer.taken and each.due_at is None
        }
        if not resting:
            return
        transaction = Transaction(connection, ACTOR)
        for webhook in await webhooks.locked_webhooks(connection, list(resting)):
            rested, facts = webhook.rest(resting[webhook.webhook_id])
            await webhooks.save(connection, rested)
            transaction.record(*facts)
        await transaction.append()
