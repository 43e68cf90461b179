"""What an operator may do with parked records."""

from uuid import uuid4

import pytest

from shared.events.membership import PersonProfile
from shared.messaging import parking
from shared.messaging.audit import Wanted, changes
from shared.messaging.connections import acquire
from tests.kernel.ledger import HEAL, Kernel, Stream


async def test_replays_a_key_in_order_once_the_cause_is_mended(kernel: Kernel) -> None:
    stream = Stream()
    await kernel.take(stream.next(), stream.next("poison"), stream.next())
    await kernel.pool.execute(HEAL)
    replayed = await parking.replay(
        kernel.pool, "cpd", kernel.effects, "aspire.membership", str(stream.key), "user:ada"
    )
    assert replayed.applied == 2
    await kernel.take(stream.next())
    assert await kernel.ledger() == [1, 2, 3, 4]
    assert await kernel.parked() == []


async def test_a_replay_that_fails_again_leaves_the_key_parked(kernel: Kernel) -> None:
    stream = Stream()
    await kernel.take(stream.next("poison"), stream.next())
    replayed = await parking.replay(
        kernel.pool, "cpd", kernel.effects, "aspire.membership", str(stream.key), "user:ada"
    )
    assert replayed.applied == 0
    assert [sequence for sequence, _ in replayed.failed] == [1, 2]
    assert [sequence for sequence, _ in await kernel.parked()] == [1, 2]


async def test_replays_stay_on_record_whatever_came_of_them(kernel: Kernel) -> None:
    stream = Stream()
    await kernel.take(stream.next(), stream.next("poison"), stream.next())
    of = (kernel.pool, "cpd", kernel.effects, "aspire.membership", str(stream.key))
    await parking.replay(*of, "operator:ada")
    await kernel.pool.execute(HEAL)
    await parking.replay(*of, "operator:bob")
    async with acquire(kernel.pool) as connection:
        found = await changes(connection, "cpd", Wanted(key=str(stream.key), types=["replayed"]))
    assert [(each.actor, each.sequence, each.because) for each in found] == [
        ("operator:bob", 3, "2 took effect"),
        ("operator:ada", None, "0 took effect; sequence 2 failed again"),
    ]


async def test_after_a_discard_the_rest_of_the_key_can_be_replayed(kernel: Kernel) -> None:
    stream = Stream()
    poison = stream.next("poison")
    await kernel.take(poison, stream.next())
    async with acquire(kernel.pool) as connection:
        first, second = await parking.parked(connection)
    assert (first.sequence, second.sequence) == (1, 2)
    await parking.discard(kernel.pool, first.parked_id, "user:ada", "typed by mistake")
    await parking.replay(
        kernel.pool, "cpd", kernel.effects, first.topic, str(stream.key), "user:ada"
    )
    assert await kernel.ledger() == [2]
    await kernel.take(stream.again(poison))
    assert await kernel.parked() == []


async def test_a_discarded_event_stays_discarded_when_everything_is_read_anew(
    kernel: Kernel,
) -> None:
    stream = Stream()
    records = [stream.next("poison"), stream.next()]
    await kernel.take(*records)
    async with acquire(kernel.pool) as connection:
        first, _ = await parking.parked(connection)
    await parking.discard(kernel.pool, first.parked_id, "user:ada", "typed by mistake")
    await kernel.pool.execute("TRUNCATE inbox, position, parked, ledger")
    await kernel.take(*records)
    assert await kernel.ledger() == [2]
    assert await kernel.parked() == []


async def test_operators_see_a_value_but_none_of_a_person(kernel: Kernel) -> None:
    stream, person = Stream(), uuid4()
    profile = stream.record(PersonProfile(person_id=person, name="poison"), 1)
    await kernel.take(stream.next("poison"), profile)
    async with acquire(kernel.pool) as connection:
        network, named = await parking.parked(connection)
        assert "poison" in ((await parking.show(connection, network.parked_id)).value or "")
        assert (await parking.show(connection, named.parked_id)).value is None


async def test_what_is_not_parked_cannot_be_replayed_discarded_or_shown(kernel: Kernel) -> None:
    with pytest.raises(parking.NothingParked):
        await parking.replay(
            kernel.pool, "cpd", kernel.effects, "aspire.membership", "nobody", "user:ada"
        )
    with pytest.raises(parking.NothingParked):
        await parking.discard(kernel.pool, 404, "user:ada", "gone")
    async with acquire(kernel.pool) as connection:
        with pytest.raises(parking.NothingParked):
            await parking.show(connection, 404)
    assert await kernel.pool.fetchval("SELECT count(*) FROM inbox") == 0
