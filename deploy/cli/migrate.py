"""`aspire migrate`: databases brought up to date, and topics created."""

import asyncio
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from deploy.cli.starting import give_leave, migrate_database
from deploy.cli.terminal import out, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, known_service
from deploy.embedded.instance import SERVICES, Instance
from shared.messaging import cluster
from shared.settings import Settings


def migrate(
    service: Annotated[
        list[str] | None, typer.Argument(help="Only these services; all if left out.")
    ] = None,
) -> None:
    """Bring the databases up to date and create the topics.

    Takes ASPIRE_<SERVICE>_DATABASE_URL and ASPIRE_KAFKA where they are set, else those of the
    instance in ASPIRE_HOME, which is started for it if it does not run. Running it again changes
    nothing. Where Kafka is away the topics are left for the next time.

    Examples:

      aspire migrate

      ASPIRE_CPD_DATABASE_URL=postgresql://… aspire migrate cpd
    """
    asyncio.run(_migrate([known_service(each) for each in service or SERVICES]))


async def _migrate(services: list[str]) -> None:
    platform = Platform.here()
    try:
        urls = {service: platform.database_url(service) for service in services}
    except CannotDo:
        if platform.state is not None:
            raise
        await _in_own_servers(platform, services)
        return
    await _databases(urls)
    try:
        settings = platform.settings
    except CannotDo:
        say("The topics are not created: no ASPIRE_KAFKA is set and no instance runs.")
        return
    await _topics(settings)


async def _in_own_servers(platform: Platform, services: list[str]) -> None:
    async with Instance(platform.home, say=say) as instance:
        instance.stop_on_signals()
        await instance.start_servers()
        await _databases({service: instance.database_url(service) for service in services})
        await _topics(instance.kafka_settings)
        await give_leave(instance)


async def _databases(urls: dict[str, str]) -> None:
    for service, url in urls.items():
        ran = await migrate_database(url, service)
        out.print(f"{service}: {', '.join(ran) if ran else 'up to date'}")


async def _topics(settings: Settings) -> None:
    if trouble := await cluster.answers(settings):
        say(f"{trouble}: the topics are not created. Run `aspire migrate` again when it does.")
        return
    try:
        created = await cluster.create_topics(settings)
    except KafkaError as error:
        raise CannotDo(f"Kafka at {settings.kafka} refuses a topic: {error}.") from error
    out.print(f"topics: {', '.join(created) if created else 'all there'}")
