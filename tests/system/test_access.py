"""Kafka with users: each service writes its own topics only, whoever holds its password."""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from deploy.cli.trouble import CannotDo
from deploy.cli.trust_kafka import connect_user, revoke_users, rotate_user
from deploy.embedded.guarded import settings_of
from deploy.embedded.home import Ports
from deploy.embedded.instance import SERVICES
from deploy.embedded.kafka import Kafka
from deploy.embedded.supervisor import Supervisor
from services.integration.api.reading import read_record
from services.integration.domain.reports import LeavingReport
from shared.events import TOPICS, topics_of
from shared.events.topics import FROM_TRUSTS, MEMBERSHIP, TO_TRUSTS
from shared.messaging import access, cluster, granting, security, topics
from shared.messaging.granting import Granted, NotGranted, as_user
from shared.messaging.producers import fencing_id
from shared.settings import Settings
from tests.conftest import eventually
from tests.infra import in_memory

PREFIX = "shared."
GUIDE = Path(__file__).parents[2] / "docs/integration/README.md"
BEFORE = "before"
"""A topic in the folder from the time when everybody was let in."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kafka() -> AsyncIterator[Kafka]:
    """A broker with users, on the data of one without."""
    folder = Path(tempfile.mkdtemp(prefix="aspire-tests-", dir=in_memory()))
    ports = Ports(folder / "ports.json", {})
    port, controller = ports.choose("kafka"), ports.choose("kafka-controller")
    try:
        async with Supervisor(folder / "log") as supervisor:

            def broker(*services: str) -> Kafka:
                return Kafka(
                    supervisor,
                    folder / "kafka",
                    port=port,
                    controller_port=controller,
                    services=services,
                )

            without = broker()
            await without.start()
            producer = AIOKafkaProducer(bootstrap_servers=without.bootstrap)
            await cluster.create_topics(Settings(kafka=without.bootstrap), [MEMBERSHIP])
            await producer.start()
            await producer.send_and_wait(MEMBERSHIP.name, BEFORE.encode())
            await producer.stop()
            await without.stop()
            guarded = broker(*SERVICES)
            await guarded.start()
            yield guarded
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(kafka: Kafka) -> Settings:
    """The administrator's settings; each service has its user, each topic a record."""
    found = settings_of(Path(), kafka.bootstrap, kafka.admin).model_copy(
        update={"topic_prefix": PREFIX, "partitions": 1}
    )
    await cluster.create_topics(found)
    await granting.provide_services(found, passwords(kafka), SERVICES)
    return found


def passwords(kafka: Kafka) -> dict[str, str]:
    return {service: kafka.passwords[service] for service in SERVICES}


def of(service: str, admin: Settings, kafka: Kafka) -> Settings:
    return as_user(admin, access.user(service, PREFIX), kafka.passwords[service])


async def may_write(settings: Settings, *names: str) -> set[str]:
    """Of these topics, else of all the platform's, those that took a record of this user's."""
    wanted = names or tuple(TOPICS)
    async with AIOKafkaProducer(**security.options(settings), enable_idempotence=False) as producer:
        answers = await asyncio.gather(
            *(producer.send_and_wait(PREFIX + name, b"{}", key=b"k") for name in wanted),
            return_exceptions=True,
        )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(each, TopicAuthorizationFailedError) for each in refused), refused
    return {
        name
        for name, answer in zip(wanted, answers, strict=True)
        if not isinstance(answer, BaseException)
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_its_own_topics_only(
    service: str, admin: Settings, kafka: Kafka
) -> None:
    own = {topic.name for topic in topics_of(service)}
    assert await may_write(of(service, admin, kafka)) == own


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_every_topic(service: str, admin: Settings, kafka: Kafka) -> None:
    assert await may_write(admin) == set(TOPICS)
    async with topics.opened(of(service, admin, kafka), list(TOPICS.values())) as found:
        since = dict.fromkeys(found.ends, 0)
        seen = {record.topic async for records in found.read(since) for record in records}
    assert seen == set(TOPICS)


async def test_a_service_joins_its_own_group_only(admin: Settings, kafka: Kafka) -> None:
    async def join(service: str) -> None:
        consumer = AIOKafkaConsumer(
            PREFIX + MEMBERSHIP.name,
            **security.options(of(service, admin, kafka)),
            group_id=f"{PREFIX}aspire.cpd",
        )
        try:
            await consumer.start()
        finally:
            await consumer.stop()

    await join("cpd")
    with pytest.raises(GroupAuthorizationFailedError):
        await join("reporting")


async def test_no_service_fences_the_relay_of_another(admin: Settings, kafka: Kafka) -> None:
    settings = of("integration", admin, kafka)
    for other in ("integration", "membership"):
        producer = AIOKafkaProducer(
            **security.options(settings), transactional_id=fencing_id(other, PREFIX)
        )
        try:
            if other == "integration":
                await producer.start()
            else:
                with pytest.raises(TransactionalIdAuthorizationFailed):
                    await producer.start()
        finally:
            await producer.stop()


async def test_done_again_it_changes_nothing(admin: Settings, kafka: Kafka) -> None:
    assert await granting.provide_services(admin, passwords(kafka), SERVICES) == Granted()


async def test_what_a_service_should_not_have_is_taken_back(admin: Settings, kafka: Kafka) -> None:
    reporting = access.user("reporting", PREFIX)
    forged = access.Grant("TOPIC", PREFIX + MEMBERSHIP.name, "WRITE")
    more = access.grants("reporting", PREFIX) | {forged}
    assert await granting.provide(admin, {}, {reporting: more}) == Granted(given=1)
    await eventually(lambda: _writes(of("reporting", admin, kafka), {MEMBERSHIP.name}))
    assert await granting.provide_services(admin, {}, ["reporting"]) == Granted(taken=1)
    await eventually(lambda: _writes(of("reporting", admin, kafka), set()))


async def _writes(settings: Settings, wanted: set[str]) -> bool:
    return await may_write(settings) == wanted


async def test_a_new_password_takes_the_place_of_the_old(admin: Settings, kafka: Kafka) -> None:
    new = {"cpd": "another"}
    assert await granting.provide_services(admin, new, ["cpd"]) == Granted(users=("shared.cpd",))
    said = await cluster.answers(of("cpd", admin, kafka)) or ""
    assert "refuses the user “shared.cpd”" in said
    assert "check ASPIRE_KAFKA_SASL_MECHANISM, ASPIRE_KAFKA_SASL_USERNAME and its password" in said
    await granting.provide_services(admin, passwords(kafka), ["cpd"])
    assert await cluster.answers(of("cpd", admin, kafka)) is None


async def test_a_service_gives_nobody_leave(admin: Settings, kafka: Kafka) -> None:
    with pytest.raises(NotGranted, match=r"for “shared\.cpd” \(CLUSTER_AUTHORIZATION_FAILED\)"):
        await granting.provide_services(of("cpd", admin, kafka), {}, SERVICES)


async def test_a_trust_writes_its_own_topic_reads_its_feed_and_nothing_else(
    admin: Settings, kafka: Kafka
) -> None:
    trust, other = uuid4(), uuid4()
    mine, others = f"{FROM_TRUSTS}{trust}", f"{FROM_TRUSTS}{other}"
    feed, others_feed = f"{TO_TRUSTS}{trust}", f"{TO_TRUSTS}{other}"
    settings = as_user(admin, *await connect_user(admin, trust))
    await connect_user(admin, other)
    integration = of("integration", admin, kafka)
    assert await may_write(settings, *TOPICS, mine, others, feed, others_feed) == {mine}
    assert await may_write(integration, mine, feed, others_feed) == {feed, others_feed}
    assert await may_write(of("cpd", admin, kafka), mine, feed) == set()
    assert await first_record(settings, feed) == b"{}"
    with pytest.raises(TopicAuthorizationFailedError):
        await first_record(settings, mine)
    assert await first_record(integration, mine) == b"{}"
    assert await sees(integration) > {mine, others, feed, others_feed}
    assert await sees(of("cpd", admin, kafka)) == set(TOPICS)
    assert await sees(settings) == {mine, feed}


async def sees(settings: Settings) -> set[str]:
    """The topics that the user may know of."""
    async with AIOKafkaConsumer(**security.options(settings)) as consumer:
        return {name.removeprefix(PREFIX) for name in await consumer.topics()}


async def first_record(settings: Settings, name: str) -> bytes:
    partition = TopicPartition(PREFIX + name, 0)
    async with AIOKafkaConsumer(**security.options(settings)) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        record = await asyncio.wait_for(consumer.getone(), 10)
    return bytes(record.value)


async def _is_refused(producer: AIOKafkaProducer, topic: str) -> bool:
    try:
        await producer.send_and_wait(PREFIX + topic, b"{}")
    except TopicAuthorizationFailedError:
        return True
    return False


async def test_a_trusts_new_user_writes_beside_the_old_until_that_is_revoked(
    admin: Settings,
) -> None:
    trust = uuid4()
    topic = f"{FROM_TRUSTS}{trust}"
    old, password = await connect_user(admin, trust)
    with pytest.raises(CannotDo, match="may write already"):
        await connect_user(admin, trust)
    first = as_user(admin, old, password)
    second = as_user(admin, *await rotate_user(admin, trust))
    with pytest.raises(CannotDo, match="revoke the older one first"):
        await rotate_user(admin, trust)
    async with AIOKafkaProducer(**security.options(first)) as producer:
        await producer.send_and_wait(PREFIX + topic, b"{}")
        assert await may_write(second, topic) == {topic}
        assert await revoke_users(admin, trust, old) == [old]
        await eventually(lambda: _is_refused(producer, topic))  # though it is in already
    assert await cluster.answers(first) is not None
    assert await may_write(second, topic) == {topic}
    assert await revoke_users(admin, trust) == [f"{old}.2"]
    with pytest.raises(CannotDo, match="no such user"):
        await revoke_users(admin, trust)
    again = as_user(admin, *await connect_user(admin, trust))
    assert await may_write(again, topic) == {topic}


async def test_what_the_trusts_developer_reads_works_as_written(admin: Settings) -> None:
    trust, admin = uuid4(), admin.model_copy(update={"topic_prefix": ""})
    user, password = await connect_user(admin, trust)
    writing, reading = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    environment = os.environ | {
        "KAFKA": admin.kafka,
        "KAFKA_SECURITY": "SASL_PLAINTEXT",
        "KAFKA_USER": user,
        "KAFKA_PASSWORD": password,
        "TRUST": str(trust),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", writing, env=environment)
    assert await process.wait() == 0
    async with AIOKafkaConsumer(**security.options(admin)) as consumer:
        consumer.assign([TopicPartition(f"{FROM_TRUSTS}{trust}", 0)])
        await consumer.seek_to_beginning()
        record = await asyncio.wait_for(consumer.getone(), 10)
    sent = read_record(dict(record.headers), record.value)
    assert isinstance(sent.report, LeavingReport), sent
    told = {"time": "2026-11-02T09:00:00Z", "type": "uk.aspire.cpd.CpdCredited.v1", "id": "1"}
    async with AIOKafkaProducer(**security.options(admin)) as producer:
        await producer.send_and_wait(f"{TO_TRUSTS}{trust}", json.dumps(told).encode())
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", reading, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert reader.stdout is not None
        line = await asyncio.wait_for(reader.stdout.readline(), 20)
        assert line.decode().split() == list(told.values())
    finally:
        reader.kill()
        await reader.wait()


async def test_data_from_before_there_were_users_are_kept(admin: Settings) -> None:
    before = admin.model_copy(update={"topic_prefix": ""})
    async with topics.opened(before, [MEMBERSHIP]) as found:
        values = [
            r.value async for records in found.read(dict.fromkeys(found.ends, 0)) for r in records
        ]
    assert values == [BEFORE.encode()]
