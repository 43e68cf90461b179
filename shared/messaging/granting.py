"""Users of Kafka and their leave, made as a list of grants says, by a user who may give it.

aiokafka has no calls for this; librdkafka's client has.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from shared.messaging import access, cluster
from shared.messaging.access import Grant
from shared.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)

ITERATIONS = 4096
"""Of SCRAM, the least that Kafka takes."""

ANSWER_SECONDS = 10


class NotGranted(Exception):  # noqa: N818 - reads as a claim
    """Kafka does not make a user or give leave; the message says why."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What is so by now and was not before."""

    users: tuple[str, ...] = ()
    """Who was made, or has another password."""
    given: int = 0
    taken: int = 0
    """Grants that somebody had and should not have."""


async def provide_services(
    settings: Settings, passwords: Mapping[str, str], services: Iterable[str]
) -> Granted:
    """Has the user of each service do what the service does, and nothing else; as `provide`.

    `passwords` are by service; the user of one that is not among them is somebody else's to make.
    """
    prefix = settings.topic_prefix
    return await provide(
        settings,
        {access.user(service, prefix): password for service, password in passwords.items()},
        {access.user(service, prefix): access.grants(service, prefix) for service in services},
    )


async def provide(
    settings: Settings, passwords: Mapping[str, str], wanted: Mapping[str, frozenset[Grant]]
) -> Granted:
    """Has users come in with these passwords, and do what is `wanted` of each and nothing else.

    `settings` are those of a user who may see to that. Done again it changes nothing. It returns
    once a broker lets them in.

    Raises:
        NotGranted
    """
    asked = (cluster.answers(as_user(settings, *each)) for each in passwords.items())
    answers = await asyncio.gather(*asked)
    unknown = {
        name: passwords[name]
        for name, trouble in zip(passwords, answers, strict=True)
        if trouble is not None
    }
    granted = await _as_admin(settings, lambda admin: _provide(admin, unknown, wanted))
    await asyncio.gather(*(_let_in(as_user(settings, *each)) for each in unknown.items()))
    return granted


async def _let_in(user: Settings) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while trouble := await cluster.answers(user):
        if time.monotonic() > deadline:
            raise NotGranted(f"{trouble}, though it has made the user: do this again.")
        await asyncio.sleep(0.05)


async def users(settings: Settings, names: Sequence[str]) -> set[str]:
    """Those of the users that there are. Raises NotGranted."""

    def known(admin: AdminClient) -> set[str]:
        asked = admin.describe_user_scram_credentials(list(names), **_SOON)
        assert isinstance(asked, dict)  # where users are named
        return {name for name, answer in asked.items() if _is_there(answer)}

    return await _as_admin(settings, known)


async def remove(settings: Settings, names: Sequence[str]) -> None:
    """Takes users' leave, which ends what they are doing, and then the users. Raises NotGranted."""

    def take(admin: AdminClient) -> None:
        _await(*admin.delete_acls([_anything(name) for name in names], **_SOON).values())
        gone = [UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512) for name in names]
        _await(*admin.alter_user_scram_credentials([*gone], **_SOON).values())

    await _as_admin(settings, take)


async def _as_admin(settings: Settings, act: Callable[[AdminClient], T]) -> T:
    try:
        return await asyncio.to_thread(lambda: act(AdminClient(_options(settings), logger=log)))
    except KafkaException as error:
        who, why = settings.kafka_sasl_username or "ANONYMOUS", error.args[0].name().lstrip("_")
        raise NotGranted(
            f"Kafka at {settings.kafka} makes no users and gives no leave for “{who}” ({why}): "
            "come in as one of its super users, or as one who may alter the cluster."
        ) from error


def _is_there(answer: Future[Any]) -> bool:
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.RESOURCE_NOT_FOUND:
            return False
        raise
    return True


def as_user(settings: Settings, name: str, password: str) -> Settings:
    """The same Kafka, to come into as another user."""
    as_other = {
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": name,
        "kafka_sasl_password": password,
        "kafka_sasl_password_file": None,
    }
    return Settings(**(settings.model_dump() | as_other))


def _provide(
    admin: AdminClient, passwords: Mapping[str, str], wanted: Mapping[str, frozenset[Grant]]
) -> Granted:
    should = {_binding(name, grant) for name, leave in wanted.items() for grant in leave}
    found = _await(*(admin.describe_acls(_anything(name), **_SOON) for name in wanted))
    has = {binding for bindings in found for binding in bindings}
    if missing := list(should - has):
        _await(*admin.create_acls(missing, **_SOON).values())
    if extra := [_exactly(binding) for binding in has - should]:
        _await(*admin.delete_acls(extra, **_SOON).values())
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, info, password.encode())
        for name, password in passwords.items()
    ]
    if users:  # last: brokers learn in order, so that whoever comes in has leave already
        _await(*admin.alter_user_scram_credentials(users, **_SOON).values())
    return Granted(tuple(passwords), len(missing), len(extra))


_SOON = {"request_timeout": ANSWER_SECONDS}


def _await(*answers: Future[Any]) -> list[Any]:
    return [answer.result() for answer in answers]


def _binding(name: str, grant: Grant) -> AclBinding:
    return AclBinding(
        ResourceType[grant.kind],
        grant.name,
        ResourcePatternType.PREFIXED if grant.begins else ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _anything(name: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        f"User:{name}",
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _exactly(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _options(settings: Settings) -> dict[str, Any]:
    """As `security.options`, in librdkafka's words."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_ssl_ca_file:
        options["ssl.ca.location"] = str(settings.kafka_ssl_ca_file)
    if settings.kafka_asks_who:
        options |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_sasl_username,
            "sasl.password": settings.kafka_password(),
        }
    return options
