"""What a network may do to a relay's requests, which only the stand-in can be told to do."""

import pytest
from aiokafka.errors import KafkaError

from shared.settings import Settings
from tests.conformance.conftest import Site, standin
from tests.kernel.flow import Flow, history, working
from tests.standin import Fate


@pytest.fixture
def site(settings: Settings) -> Site:
    return standin(settings)


async def test_nothing_is_deleted_past_a_request_that_was_lost(flow: Flow, site: Site) -> None:
    assert site.broker
    await flow.publish(*history(8))  # two go in one request
    positions = await flow.publisher.fetch("SELECT position FROM outbox ORDER BY position")
    site.broker.fates.extend([Fate.DONE, Fate.ANSWER_LOST, Fate.DONE, Fate.LOST])
    with pytest.raises(KafkaError):
        await flow.relay().send_batch()
    left = await flow.publisher.fetch("SELECT position FROM outbox ORDER BY position")
    assert left == positions[2:]
    async with working(flow.relay()), working(flow.consumer()):
        await flow.until_ledger_has(8)
    assert len(await flow.records()) == 12
    assert await flow.kernel.ledger() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_requests_that_arrive_late_change_nothing(flow: Flow, site: Site) -> None:
    assert site.broker
    await flow.publish(*history(3))
    site.broker.fates.append(Fate.LATE)  # and what follows in its partition
    with pytest.raises(KafkaError):
        await flow.relay().send_batch()
    async with working(flow.consumer()):
        await flow.relay_all()
        site.broker.deliver_late()
        await flow.publish(*history(1))
        await flow.relay_all()
        await flow.until_ledger_has(4)
    assert len(await flow.records()) == 7
    assert await flow.count() == 4
