"""Journals, topics and inboxes are compared: what is lost or contradicts is found and named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from shared.events.membership import NetworkRenamed, PersonProfile, PersonProfileErased
from shared.messaging import hourly, journal, republish, stops
from shared.messaging.connections import acquire
from shared.messaging.journal import Fact, append
from shared.messaging.verify import (
    AHEAD,
    CONTRADICTING,
    LOST,
    NOT_TAKEN,
    UNKNOWN,
    Verified,
    Window,
    verify,
    verify_since,
)
from tests.conftest import eventually
from tests.kernel.flow import Flow, history, working
from tests.kernel.ledger import ledger_effects
from tests.kernel.topics import lose_topics

pytestmark = pytest.mark.bad_day

READS = ledger_effects().topics


async def test_finds_nothing_where_all_is_well_and_events_are_on_their_way(flow: Flow) -> None:
    person = uuid4()
    await flow.publish(*history(5), PersonProfile(person_id=person, name="Ann"))
    async with all_taken(flow):
        await flow.publish(PersonProfile(person_id=person, name="Anne"), *history(3))
        await forget(flow, person)
        await flow.publish(PersonProfileErased(person_id=person))
    await flow.relay_all()  # on the topic, and not taken yet
    await flow.publish(*history(2))  # in the outbox
    verified = await compared(flow)
    assert verified.differences == []
    assert verified.records > 8
    assert verified.keys >= 2


async def test_finds_the_lost_last_event_of_a_key_and_republishing_ends_it(flow: Flow) -> None:
    key = uuid4()
    await flow.publish(*history(3, key), *history(3))
    async with all_taken(flow):
        pass
    await lose(flow, NetworkRenamed(network_id=key, name="lost"))
    await flow.publish(*history(3))
    async with all_taken(flow):
        pass
    [lost] = (await compared(flow)).differences
    assert (lost.kind, lost.where, lost.key, lost.sequence) == (LOST, "membership", str(key), 4)
    assert lost.way_out == "aspire republish membership"
    async with all_taken(flow):
        await republish.republish("membership", flow.publisher, flow.settings, "user:ada")
    assert (await compared(flow)).differences == []


async def test_finds_a_lower_sequence_with_another_id_which_consumers_drop(flow: Flow) -> None:
    await flow.publish(*history(5))
    async with all_taken(flow):
        pass
    changed = await flow.publisher.fetchval(
        "UPDATE event SET id = gen_random_uuid() WHERE sequence = 2 RETURNING id"
    )
    found = {(each.kind, each.sequence, each.id) for each in (await compared(flow)).differences}
    assert (LOST, 2, changed) in found
    assert {(kind, sequence) for kind, sequence, _ in found} == {(LOST, 2), (UNKNOWN, 2)}


async def test_finds_what_an_inbox_has_not_taken_or_has_with_another_id(flow: Flow) -> None:
    one, two = history(3), history(3)
    await flow.publish(*one, *two)
    async with all_taken(flow):
        pass
    await flow.kernel.pool.execute(
        "UPDATE inbox SET sequence = 2, last_id = NULL WHERE key = $1", one[0].key
    )
    await flow.kernel.pool.execute(
        "UPDATE inbox SET last_id = gen_random_uuid() WHERE key = $1", two[0].key
    )
    found = [(each.kind, each.where, each.key) for each in (await compared(flow)).differences]
    assert sorted(found) == sorted(
        [(NOT_TAKEN, "cpd", one[0].key), (CONTRADICTING, "cpd", two[0].key)]
    )


async def test_finds_what_only_an_inbox_knows_still(flow: Flow) -> None:
    key = uuid4()
    await flow.publish(*history(3, key))
    async with all_taken(flow):
        pass
    await lose_topics(flow.settings)
    await flow.publisher.execute("DELETE FROM event WHERE sequence = 3")
    await flow.publisher.execute("UPDATE stream SET sequence = 2")
    await republish.republish("membership", flow.publisher, flow.settings, "user:ada")
    [ahead] = (await compared(flow)).differences
    assert (ahead.kind, ahead.where, ahead.key, ahead.sequence) == (AHEAD, "cpd", str(key), 3)


async def test_the_hourly_comparison_reads_what_is_new_and_misses_nothing(flow: Flow) -> None:
    key = uuid4()
    await flow.publish(*history(3, key))
    await flow.relay_all()
    await flow.publish(*history(1))
    first, window = await since(flow, Window())
    assert (first.records, first.differences) == (3, [])
    assert len(window.waiting) == 1
    await lose(flow, NetworkRenamed(network_id=key, name="lost"))
    await flow.publish(*history(2))
    await flow.relay_all()
    second, window = await since(flow, window)
    assert second.records == 3
    assert [(each.kind, each.key, each.sequence) for each in second.differences] == [
        (LOST, str(key), 4)
    ]
    third, _ = await since(flow, window)
    assert (third.records, third.differences) == (0, [])


async def test_the_hourly_comparison_begins_anew_on_a_kafka_that_was_refilled(flow: Flow) -> None:
    await flow.publish(*history(5), PersonProfile(person_id=uuid4(), name="Ann"))
    await flow.relay_all()
    await send_all_again(flow)  # as a relay does that was killed after sending
    _, window = await since(flow, Window())
    await lose_topics(flow.settings)
    await flow.publish(*history(3))
    await republish.republish("membership", flow.publisher, flow.settings, "user:ada")
    second, window = await since(flow, window)
    assert second.records >= 9
    assert second.differences == []
    third, _ = await since(flow, window)
    assert (third.records, third.differences) == (0, [])


async def test_what_commits_late_is_not_passed_over(flow: Flow) -> None:
    async with acquire(flow.publisher) as connection:
        late = connection.transaction()
        await late.start()
        facts = [Fact(event, None, None) for event in history(1)]
        await append(connection, facts, "user:test")
        await flow.publish(*history(1))
        comparing = asyncio.create_task(since(flow, Window()))
        await eventually(lambda: waits_for_writers(flow))
        await late.commit()
    _, window = await comparing
    assert window.position == 2
    await flow.publisher.execute("DELETE FROM outbox")
    found, _ = await since(flow, window)
    assert [each.kind for each in found.differences] == [LOST, LOST]


async def test_a_tombstone_may_be_gone_when_kafka_keeps_it_no_longer(flow: Flow) -> None:
    person = uuid4()
    await flow.publish(PersonProfile(person_id=person, name="Bea"))
    await forget(flow, person)
    await flow.publish(PersonProfileErased(person_id=person))
    await flow.relay_all()
    await lose_topics(flow.settings)
    assert [each.kind for each in (await compared(flow)).differences] == [LOST]
    await flow.publisher.execute("UPDATE event SET recorded_at = now() - interval '90 days'")
    assert (await compared(flow)).differences == []


async def test_a_consumer_that_sleeps_before_a_refilled_topic_has_passed_nothing(
    flow: Flow,
) -> None:
    first, second = (str(key) for key in flow.keys_of_one_partition(2))
    await flow.publish(*history(5, UUID(first)))
    async with all_taken(flow):
        pass
    await flow.publish(*history(5, UUID(second)))
    await flow.relay_all()
    await lose_topics(flow.settings)
    for key in (second, first):  # as many shards and pieces of the journal may be sent
        await send_all_again(flow, key)
    assert (await compared(flow)).differences == []
    async with all_taken(flow):
        pass
    await flow.kernel.pool.execute("UPDATE inbox SET sequence = 4, last_id = NULL")
    assert [each.kind for each in (await compared(flow)).differences] == [NOT_TAKEN, NOT_TAKEN]


async def test_an_event_that_waited_the_last_time_and_never_came_is_found(flow: Flow) -> None:
    await flow.publish(*history(1))
    _, window = await since(flow, Window())
    await flow.publisher.execute("DELETE FROM outbox")
    found, _ = await since(flow, window)
    assert [each.kind for each in found.differences] == [LOST]


async def test_what_the_hourly_one_finds_is_an_alarm_until_it_is_cleared(flow: Flow) -> None:
    pool = flow.publisher
    await flow.publish(*history(2))
    await flow.publisher.execute("DELETE FROM outbox WHERE position = 2")
    await flow.relay_all()
    replicas = [hourly.verify_hourly("membership", [], pool, flow.settings) for _ in range(2)]
    assert (await asyncio.gather(*replicas)).count(None) == 1
    assert (await hourly.verify_hourly("membership", [], pool, flow.settings)) is None
    async with acquire(pool) as connection:
        assert await hourly.alarm(connection) == ("1 events lost from Kafka; run `aspire verify`")
        await pool.execute("UPDATE verified SET verified_at = now() - interval '61 minutes'")
        again = await hourly.verify_hourly("membership", [], pool, flow.settings)
        assert again is not None
        assert again.differences == []
        assert await hourly.alarm(connection) is not None
        await hourly.clear(pool)
        assert await hourly.alarm(connection) is None


async def test_while_kafka_is_known_to_lack_something_the_hourly_one_says_nothing(
    flow: Flow,
) -> None:
    await flow.publish(*history(2))
    await flow.relay_all()
    await lose_topics(flow.settings)
    async with acquire(flow.publisher) as connection:
        await stops.stop(connection, "relay", "a test")
        assert await hourly.verify_hourly("membership", [], flow.publisher, flow.settings) is None
        await stops.resume(connection, "relay", "user:ada", "a test")
    found = await hourly.verify_hourly("membership", [], flow.publisher, flow.settings)
    assert found is not None
    assert found.counts == {LOST: 2}


async def compared(flow: Flow) -> Verified:
    pools = {"membership": flow.publisher, "cpd": flow.kernel.pool}
    return await verify(pools, {"cpd": READS}, flow.settings)


async def since(flow: Flow, window: Window) -> tuple[Verified, Window]:
    return await verify_since(window, "membership", [], flow.publisher, flow.settings)


async def lose(flow: Flow, event: NetworkRenamed) -> None:
    """An event that is taken for sent, and never was."""
    await flow.publish(event)
    await flow.publisher.execute(
        "DELETE FROM outbox WHERE position = (SELECT max(position) FROM event)"
    )


async def send_all_again(flow: Flow, key: str | None = None) -> None:
    """Past the checkpoint, which is another Kafka's."""
    await flow.publisher.execute("DELETE FROM checkpoint")
    await flow.publisher.execute(
        """
        INSERT INTO outbox
        SELECT CASE WHEN topic = 'aspire.people' THEN 16 ELSE hashtextextended(key, 0) & 15 END,
               position
          FROM event
         WHERE key = coalesce($1, key)
        """,
        key,
    )
    await flow.relay_all()


async def waits_for_writers(flow: Flow) -> bool:
    return bool(
        await flow.publisher.fetchval(
            """
            SELECT count(*) > 0
              FROM pg_stat_activity
             WHERE datname = current_database()
               AND pid <> pg_backend_pid()
               AND query LIKE '%FROM pg_locks%'
            """
        )
    )


@asynccontextmanager
async def all_taken(flow: Flow) -> AsyncIterator[None]:
    """What is published before and inside has been sent and taken at the end."""
    async with working(flow.relay()), working(flow.consumer()):
        yield
        await eventually(lambda: _taken(flow))


async def _taken(flow: Flow) -> bool:
    if await flow.publisher.fetchval("SELECT count(*) FROM outbox"):
        return False
    sent = await flow.publisher.fetch('SELECT topic, partition, "offset" FROM checkpoint')
    rows = await flow.kernel.pool.fetch('SELECT topic, partition, "offset" FROM position')
    taken = {(row["topic"], row["partition"]): row["offset"] for row in rows}
    return all(taken.get((row[0], row[1]), -1) >= row[2] for row in sent)


async def forget(flow: Flow, person: UUID) -> None:
    async with acquire(flow.publisher) as connection:
        await journal.forget(connection, "aspire.people", [str(person)])
