"""What the database says of a service is read in one go."""

from shared.messaging import figures, stops
from shared.messaging.connections import acquire
from tests.kernel.flow import Flow, history
from tests.kernel.ledger import Kernel, Stream


async def test_an_outbox_is_as_long_and_as_old_as_its_rows(flow: Flow) -> None:
    await flow.publish(*history(3))
    await flow.publisher.execute("UPDATE event SET recorded_at = recorded_at - interval '1 hour'")
    await flow.publish(*history(2))
    async with acquire(flow.publisher) as connection:
        found = await figures.read(connection, 60)
    assert found.outbox == 5
    assert 3600 <= found.outbox_age < 3660
    await flow.relay_all()
    async with acquire(flow.publisher) as connection:
        found = await figures.read(connection, 60)
    assert (found.outbox, found.outbox_age) == (0, 0)


async def test_parked_set_aside_stopped_and_alarming(kernel: Kernel) -> None:
    parked, waiting = Stream(), Stream()
    waiting.next()
    await kernel.take(parked.next("poison"), parked.next(), waiting.next())
    await kernel.pool.execute("UPDATE set_aside SET since = now() - interval '2 minutes'")
    async with acquire(kernel.pool) as connection:
        await stops.stop(connection, "consumer", "the fault is ours")
        found = await figures.read(connection, 60)
    assert found.parked == {"aspire.membership": 2}
    assert found.set_aside == {"aspire.membership": 1}
    assert 120 <= found.set_aside_age["aspire.membership"] < 180
    assert found.stopped == ["consumer"]
    assert found.alarms == {"missing": 1, "contradicting": 0, "differing": 0}
