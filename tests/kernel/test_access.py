"""Kafka with users: each service writes its own topics only, whoever holds its password."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from deploy.embedded.guarded import settings_of
from deploy.embedded.home import Ports
from deploy.embedded.instance import SERVICES
from deploy.embedded.kafka import Kafka
from deploy.embedded.supervisor import Supervisor
from shared.events import TOPICS, topics_of
from shared.events.topics import MEMBERSHIP
from shared.messaging import access, cluster, granting, security, topics
from shared.messaging.granting import Granted, NotGranted, as_user
from shared.messaging.producers import fencing_id
from shared.settings import Settings
from tests.conftest import eventually
from tests.infra import in_memory

PREFIX = "shared."
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


async def may_write(settings: Settings) -> set[str]:
    """The topics that took a record of this user's, each by itself."""
    async with AIOKafkaProducer(**security.options(settings), enable_idempotence=False) as producer:
        answers = await asyncio.gather(
            *(producer.send_and_wait(PREFIX + name, b"{}", key=b"k") for name in TOPICS),
            return_exceptions=True,
        )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(each, TopicAuthorizationFailedError) for each in refused), refused
    return {
        name
        for name, answer in zip(TOPICS, answers, strict=True)
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


async def test_data_from_before_there_were_users_are_kept(admin: Settings) -> None:
    before = admin.model_copy(update={"topic_prefix": ""})
    async with topics.opened(before, [MEMBERSHIP]) as found:
        values = [
            r.value async for records in found.read(dict.fromkeys(found.ends, 0)) for r in records
        ]
    assert values == [BEFORE.encode()]
