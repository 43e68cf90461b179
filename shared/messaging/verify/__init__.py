"""Verifying: what the journals say, what is on the topics, and what every inbox has taken.

A lost last event of a key has no successor to betray it, so everything is compared: by hand all of
it, hourly what has come since the last time. Memory is flat: a bit for each position of the
journal, and some thousand records at a time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from shared.events import Topic, topics_of
from shared.messaging.decoding import read_head
from shared.messaging.positions import Partition
from shared.messaging.records import Entry, Record, identity
from shared.messaging.topics import Place, Topics, opened
from shared.messaging.verify.differences import (
    AHEAD,
    CONTRADICTING,
    LOST,
    NOT_TAKEN,
    UNKNOWN,
    Difference,
    Verified,
)
from shared.messaging.verify.inbox import Inbox
from shared.messaging.verify.journal import Journal
from shared.settings import Settings

__all__ = [
    "AHEAD",
    "CONTRADICTING",
    "LOST",
    "NOT_TAKEN",
    "UNKNOWN",
    "Difference",
    "Verified",
    "Window",
    "verify",
    "verify_since",
]


@dataclass(slots=True)
class Window:
    """Where a comparison begins, and after it where the next one goes on."""

    last: dict[Partition, Place] = field(default_factory=dict)
    """The last compared record of each partition; all of it is, where another one stands there."""
    position: int = 0
    """Of the journal: events up to it are compared, but those that were `waiting` to be sent."""
    waiting: list[int] = field(default_factory=list)


async def verify(
    pools: Mapping[str, asyncpg.Pool],
    reads: Mapping[str, Sequence[Topic]],
    settings: Settings,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> Verified:
    """Compares the journals and inboxes of these services' databases with the topics, wholly.

    `reads` are the topics that each service's inbox is of. Events that are still on their way, in
    an outbox or before a consumer, are no difference. `tell` hears how many records of how many
    are read.

    Raises:
        KafkaError: Kafka does not answer, or goes away.
        TimeoutError: a transaction that appends does not end.
    """
    verified = Verified()
    journals = {name: Journal(name, pool) for name, pool in pools.items()}
    inboxes = [Inbox(name, pool, reads.get(name, ())) for name, pool in pools.items()]
    wanted = {topic for name in pools for topic in (*topics_of(name), *reads.get(name, ()))}
    await _read(wanted, {}, list(journals.values()), inboxes, settings, verified, tell)
    for journal in journals.values():
        await journal.note_lost(verified)
    for inbox in inboxes:
        await inbox.compare_with(journals, verified)
    return verified


async def verify_since(
    window: Window, service: str, reads: Sequence[Topic], pool: asyncpg.Pool, settings: Settings
) -> tuple[Verified, Window]:
    """Compares what has come since, in one service's journal and inbox; answers the next window.

    Raises:
        KafkaError: Kafka does not answer, or goes away.
        TimeoutError: a transaction that appends does not end.
    """
    verified = Verified()
    journal = Journal(service, pool, window.position, window.waiting)
    inbox = Inbox(service, pool, reads)
    wanted = {*topics_of(service), *reads}
    last = await _read(wanted, window.last, [journal], [inbox], settings, verified)
    await journal.note_lost(verified)
    return verified, Window(last, journal.last, sorted(journal.waiting))


async def _read(
    wanted: Collection[Topic],
    since: Mapping[Partition, Place],
    journals: Sequence[Journal],
    inboxes: Sequence[Inbox],
    settings: Settings,
    verified: Verified,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> dict[Partition, Place]:
    """Compares all records; then those that were on their way when it began.

    Answers the last record of each partition that no inbox has before it.
    """
    places: list[Journal | Inbox] = [*journals, *inboxes]
    for inbox in inboxes:
        await inbox.begin()
    async with opened(settings, list(wanted)) as topics:
        # In this order: what the journals have from here on is not before the topics' ends.
        for journal in journals:
            await journal.begin()
        for inbox in inboxes:
            await inbox.find_place(topics)
        last = await topics.standing(since)
        begins = {of: last[of][0] + 1 if of in last else 0 for of in topics.ends}
        total = sum(topics.ends.values()) - sum(begins.values())
        async for records in topics.read(begins):
            verified.records += len(records)
            tell(verified.records, total)
            entries = _readable(records)
            for each in places:
                await each.compare(entries, verified)
            last |= {
                (record.topic, record.partition): (record.offset, identity(record))
                for record in records
                if not any(inbox.has_before_it(record) for inbox in inboxes)
            }
    await _read_on(topics, journals, settings, wanted, verified)
    tell(total, total)
    return last


async def _read_on(
    before: Topics,
    journals: Sequence[Journal],
    settings: Settings,
    wanted: Collection[Topic],
    verified: Verified,
) -> None:
    """Compares what has been sent since the topics were opened `before`."""
    for journal in journals:
        await journal.note_waiting()
    async with opened(settings, list(wanted)) as topics:
        async for records in topics.read(before.ends):
            for journal in journals:
                await journal.compare(_readable(records), verified)


def _readable(records: Sequence[Record]) -> list[Entry]:
    entries = [read_head(record) for record in records]
    return [e for e in entries if isinstance(e, Entry) and e.id is not None and e.fault is None]
