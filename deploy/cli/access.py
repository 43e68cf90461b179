"""`aspire access`: what each service may do on a Kafka that asks who comes."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.cli.servers import require_kafka
from deploy.cli.terminal import out
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from deploy.embedded.instance import SERVICES
from shared.messaging import granting
from shared.messaging.access import user
from shared.settings import PREFIX, Settings, read_password


def access() -> None:
    """Let each service's user on Kafka write the service's topics and read all, and no more.

    The users are named as the services, after ASPIRE_TOPIC_PREFIX. One whose password is in
    ASPIRE_<SERVICE>_KAFKA_PASSWORD, or in a file that ASPIRE_<SERVICE>_KAFKA_PASSWORD_FILE names,
    is made for SCRAM-SHA-512, or gets that password. Others are made by whoever runs Kafka.

    It has to come into Kafka as a user who may do that: as ASPIRE_KAFKA_SASL_… say, or as the
    administrator of the instance in ASPIRE_HOME. Running it again changes nothing.
    """
    asyncio.run(_access(Platform.here()))


async def _access(platform: Platform) -> None:
    settings = platform.settings
    await require_kafka(settings)
    passwords = given(platform.environment)
    granted = await provide_services(settings, passwords, SERVICES)
    made = ", ".join(granted.users) or "none new"
    named = ", ".join(user(service, settings.topic_prefix) for service in SERVICES)
    out.print(f"users: {made}")
    out.print(f"leave of {named}: {granted.given} given, {granted.taken} taken back")


async def provide_services(
    settings: Settings, passwords: Mapping[str, str], services: Sequence[str]
) -> granting.Granted:
    """As granting's. Raises CannotDo."""
    try:
        return await granting.provide_services(settings, passwords, services)
    except granting.NotGranted as refused:
        raise CannotDo(str(refused)) from refused


def given(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The passwords that the environment has for services' users. Raises SettingWrong."""
    found = {}
    for service in SERVICES:
        variable = f"{PREFIX}{service.upper()}_KAFKA_PASSWORD"
        if file := environment.get(f"{variable}_FILE"):
            found[service] = read_password(f"{variable}_FILE", Path(file))
        elif password := environment.get(variable):
            found[service] = password
    return found
