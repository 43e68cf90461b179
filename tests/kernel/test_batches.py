"""The relay sends whole batches; where Kafka refuses one, every key still arrives in order."""

import asyncio
from collections import defaultdict
from itertools import count
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from shared.events import TOPICS
from shared.events.membership import NetworkRenamed
from shared.messaging.producers import BATCH_BYTES
from shared.messaging.relay import Relay
from tests.conftest import eventually
from tests.kernel.flow import TOPIC, Flow, armed, history, working
from tests.kernel.topics import records_of


async def test_a_record_that_is_refused_lets_none_of_its_key_pass(flow: Flow) -> None:
    large, others = uuid4(), [uuid4() for _ in range(12)]
    events = history(4, large)
    events[1] = NetworkRenamed(network_id=large, name="x" * BATCH_BYTES)  # in a batch of its own
    relay = flow.relay()
    async with working(flow.consumer()):
        await flow.publish(*history(2))
        assert await relay.send_batch() == 2
        await limit_records(flow, BATCH_BYTES)
        await flow.publish(*events, *(event for key in others for event in history(3, key)))
        with pytest.raises(KafkaError):
            await send_all(relay)
        left = await in_outbox(flow)
        assert left[str(large)] == [2, 3, 4]
        assert len(left) < 13, "no other partition got through"

        await limit_records(flow, None)
        await flow.relay_all()
        await flow.until_ledger_has(42)
    rows = await flow.kernel.pool.fetch(
        "SELECT key, array_agg(sequence ORDER BY number) AS sequences FROM ledger GROUP BY key"
    )
    expected = {str(large): [1, 2, 3, 4]} | {str(key): [1, 2, 3] for key in others}
    assert {row["key"]: row["sequences"] for row in rows if row["key"] in expected} == expected
    assert await flow.count() == 42


async def test_a_long_outbox_is_sent_in_lanes_with_every_key_in_order(flow: Flow) -> None:
    await publish_much(flow)
    batches, together = count(1), asyncio.Barrier(2)

    async def meet(point: str) -> None:
        if point == "before_send" and next(batches) in (2, 3):
            await together.wait()  # each has shards of its own

    with armed(meet):
        await flow.relay_all()
    assert not together.n_waiting
    assert await sequences(flow) == [[1, 2, 3, 4, 5]] * 60


async def test_a_lane_that_fails_ends_the_other_and_loses_nothing(flow: Flow) -> None:
    await publish_much(flow)
    batches = count(1)

    async def fail(point: str) -> None:
        if point == "after_send_before_delete" and next(batches) == 3:
            raise KafkaError("gone")

    with armed(fail):
        await flow.relay_all()
    assert next(batches) > 3
    assert [list(dict.fromkeys(of)) for of in await sequences(flow)] == [[1, 2, 3, 4, 5]] * 60


async def publish_much(flow: Flow) -> None:
    flow.settings = flow.settings.model_copy(update={"relay_batch": 40})
    await flow.publish(*(event for _ in range(60) for event in history(5)))


async def sequences(flow: Flow) -> list[list[int]]:
    """Of each key, as they are on Kafka."""
    found: dict[bytes | None, list[int]] = defaultdict(list)
    for record in await records_of(flow.settings):
        found[record.key].append(int(dict(record.headers)["ce_sequence"]))
    return list(found.values())


async def send_all(relay: Relay) -> None:
    while await relay.send_batch():
        pass


async def in_outbox(flow: Flow) -> dict[str, list[int]]:
    """The sequences that are not on Kafka yet, for each key."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in await flow.publisher.fetch(
        "SELECT key, sequence FROM event JOIN outbox USING (position) ORDER BY position"
    ):
        found[row["key"]].append(row["sequence"])
    return found


async def limit_records(flow: Flow, limit: int | None) -> None:
    """The topic takes no larger batches, or all again that it took before, from when this returns:
    the controller answers before the broker has heard of it."""
    configs = {**TOPICS[TOPIC].config} | ({"max.message.bytes": str(limit)} if limit else {})
    name = flow.settings.topic_prefix + TOPIC
    admin = AIOKafkaAdminClient(bootstrap_servers=flow.settings.kafka)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])

        async def holds() -> bool:
            asked = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": None})
            [answer] = await admin.describe_configs([asked])
            [(*_, [(_, value, *_)])] = answer.resources
            return bool(value == str(limit) if limit else value != str(BATCH_BYTES))

        await eventually(holds)
    finally:
        await admin.close()
