"""Appending: a change and its events are one transaction, and a key counts without a gap."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from shared.events import Caused
from shared.events.membership import PersonProfile, PersonProfileErased
from shared.messaging.connections import acquire
from shared.messaging.decoding import decode
from shared.messaging.journal import Fact, append, identified
from shared.messaging.records import Entry
from tests.kernel.flow import Flow, history
from tests.kernel.ledger import Kernel, Stream, ledger_effects


async def test_what_is_rolled_back_was_never_said(flow: Flow) -> None:
    async with acquire(flow.publisher) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await append(connection, [Fact(event, None, None) for event in history(2)], "user:test")
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 2
        await transaction.rollback()
    assert await flow.publisher.fetchval("SELECT count(*) FROM event") == 0
    assert await flow.publisher.fetchval("SELECT count(*) FROM outbox") == 0
    assert await flow.publisher.fetchval("SELECT count(*) FROM stream") == 0


async def test_counts_each_key_of_a_transaction_from_where_it_was(flow: Flow) -> None:
    one, two = history(3), history(2)
    await flow.publish(one[0], two[0], one[1])
    await flow.publish(two[1], one[2])
    rows = await flow.publisher.fetch("SELECT key, sequence FROM event ORDER BY position")
    assert [tuple(row) for row in rows] == [
        (one[0].key, 1), (two[0].key, 1), (one[1].key, 2), (two[1].key, 2), (one[2].key, 3),
    ]  # fmt: skip


async def test_writers_of_the_same_keys_neither_deadlock_nor_leave_a_gap(flow: Flow) -> None:
    keys = [uuid4() for _ in range(5)]

    async def write(number: int) -> None:
        order = keys if number % 2 else list(reversed(keys))
        for _ in range(5):
            await flow.publish(*(history(1, key)[0] for key in order))

    await asyncio.gather(*(write(number) for number in range(6)))
    rows = await flow.publisher.fetch(
        "SELECT key, array_agg(sequence ORDER BY position) AS sequences FROM event GROUP BY key"
    )
    assert len(rows) == 5
    assert all(row["sequences"] == list(range(1, 31)) for row in rows)


async def test_an_id_is_appended_once(flow: Flow) -> None:
    fact = Fact(history(1)[0], uuid4(), None)
    for expected in (1, 0):
        async with acquire(flow.publisher) as connection, connection.transaction():
            assert await append(connection, [fact, fact], "user:test") == expected
    assert await flow.publisher.fetchval("SELECT count(*) FROM event") == 1


async def test_a_payload_that_is_too_large_is_refused(flow: Flow) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await flow.publish(PersonProfile(person_id=uuid4(), name="x" * 600_000))
    assert await flow.publisher.fetchval("SELECT count(*) FROM event") == 0


async def test_a_tombstone_has_no_payload(flow: Flow) -> None:
    await flow.publish(PersonProfileErased(person_id=uuid4()))
    assert await flow.publisher.fetchval("SELECT payload IS NULL FROM event")


def test_a_caused_event_has_the_same_id_whenever_its_cause_is_read_again() -> None:
    record = Stream().next()
    entry = decode(record, ledger_effects().types)
    assert isinstance(entry, Entry)
    assert entry.event is not None
    caused = [Caused(entry.event, event) for event in (history(1) * 2)]
    first, again = identified(caused), identified(caused)
    assert [fact.id for fact in first] == [fact.id for fact in again]
    assert len({fact.id for fact in first}) == 2


async def test_the_last_statement_is_all_that_holds_the_streams(kernel: Kernel) -> None:
    """Two transactions that touch the same key wait only from the append to the commit."""
    key = uuid4()
    async with acquire(kernel.pool) as first, acquire(kernel.pool) as second:
        transaction = first.transaction()
        await transaction.start()
        await append(first, [Fact(history(1, key)[0], None, None)], "user:a")
        waiting = asyncio.create_task(
            append(second, [Fact(history(1, key)[0], None, None)], "user:b")
        )
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await transaction.commit()
        assert await waiting == 1


async def test_a_long_outbox_is_never_read_from_end_to_end(flow: Flow) -> None:
    """Rows that were just deleted lie before those that are left, until PostgreSQL vacuums."""
    await flow.publish(*history(10_000))
    async with acquire(flow.publisher) as connection:
        await connection.execute("ANALYZE outbox")
        await connection.execute(
            "DELETE FROM outbox WHERE position < (SELECT max(position) - 99 FROM outbox)"
        )
        async with connection.transaction():
            before = await connection.fetchval(SCANS)
            found = await connection.fetch(
                "SELECT * FROM own_outbox(gen_random_uuid(), '{}', 8, 500, '60000')"
            )
            scans = await connection.fetchval(SCANS) - before
    assert len(found) == 1 + 100, "the shards, then the events"
    assert scans == 0


SCANS = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'outbox'"
