"""Sandboxes are played: what other services would say is heard by integration alone.

It takes effect as what Kafka brings does, so feeder, courier and carrier tell it as everything
else. The only fact of a sandbox that leaves integration is what is connected (`TrustConnected`,
`WebhookRegistered` and the like), which no other service reads.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

import asyncpg

from services.integration.domain import playing, sandbox
from services.integration.domain.sandbox import Sandbox
from services.integration.domain.sandbox_days import day
from services.integration.effects import effects
from services.integration.store import sandboxes as store
from shared.clock import london_date
from shared.events import Event
from shared.events import membership as m
from shared.events.integration import StaffMatched
from shared.events.mis import StaffLeft, StaffReported
from shared.events.topics import INTEGRATION
from shared.messaging import Transaction

SETTLING = StaffMatched | StaffReported | StaffLeft


async def record(tx: Transaction, trust_id: UUID, facts: Sequence[Event]) -> None:
    """What a trust's systems have reported is told to the other services; of a sandbox, what they
    would make of it is heard at once."""
    found = await store.find(tx.connection, trust_id) if facts else None
    if found is None:
        tx.record(*facts)
        return
    settling = {fact.external_id for fact in facts if isinstance(fact, SETTLING)}
    reported = await store.reported(tx.connection, trust_id, settling)
    people = [person_id for person_id, _ in reported]
    said = playing.said_of(
        reported,
        await store.known(tx.connection, people),
        await store.posts_of(tx.connection, people),
    )
    matched = [fact for fact in facts if isinstance(fact, StaffMatched)]
    now = await _now(tx.connection)
    await _hear(tx.connection, found, [*matched, *said.events], now, now)
    await store.save_posts(tx.connection, said.posts)


async def begin(connection: asyncpg.Connection, of: Sandbox) -> Sandbox:
    """Its first day, from nothing; answers how it is afterwards."""
    now = await _now(connection)
    founded = list(sandbox.founded(of, london_date(now)))
    first_day = day(of, 1, london_date(now))
    await _hear(connection, of, [*founded, *first_day], sandbox.midnight(now), now)
    posts = [playing.Post.of(each) for each in founded if isinstance(each, m.LeaderAppointed)]
    await store.save_posts(connection, posts)
    return await _after(connection, of)


async def play_day(connection: asyncpg.Connection, of: Sandbox) -> Sandbox:
    """One more day's events; answers how it is afterwards."""
    now = await _now(connection)
    events = list(day(of, of.days + 1, london_date(now)))
    _, last = await store.last_told(connection, of.trust_id)
    since = max(sandbox.midnight(now), last or now)
    await _hear(connection, of, events, min(since, now), now)
    return await _after(connection, of)


async def _after(connection: asyncpg.Connection, of: Sandbox) -> Sandbox:
    played = replace(of, days=of.days + 1)
    await store.save(connection, played)
    return played


async def _hear(
    connection: asyncpg.Connection,
    of: Sandbox,
    events: Sequence[Event],
    since: datetime,
    now: datetime,
) -> None:
    """Events that follow one another and are of one type take effect together."""
    keys = {event.key for event in events if event.topic is not INTEGRATION}
    await store.feign(connection, of.trust_id, map(UUID, sorted(keys)))
    last, _ = await store.last_told(connection, of.trust_id)
    heard = sandbox.heard(of, events, last, since, now)
    for event_type, together in groupby(heard, key=lambda event: event.data.type):
        effect = effects.of(event_type)
        assert effect is not None
        await effect(connection, list(together))


async def _now(connection: asyncpg.Connection) -> datetime:
    """By the clock that gives events of the journal their time."""
    now: datetime = await connection.fetchval("SELECT now()")
    return now
