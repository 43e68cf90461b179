"""Starts the platform in an instance: servers, databases, topics, keys, services."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import asyncpg

from deploy.cli.access import provide_services
from deploy.cli.trouble import CannotDo
from deploy.embedded.instance import SERVICES, Instance
from deploy.embedded.replicas import want
from shared import database
from shared.messaging import cluster
from shared.web import LocalIssuer

Say = Callable[[str], None]


async def start(instance: Instance, say: Say, replicas: Mapping[str, int] | None = None) -> None:
    """Start everything, in the order in which it needs each other; of a service as many `replicas`
    as are named there, else one.

    Raises what Instance raises, and CannotDo where a database refuses us.
    """
    LocalIssuer(instance.home / "issuer")
    await instance.start_servers()
    settings = instance.kafka_settings
    await together(
        until_answered(partial(cluster.answers, settings), instance, say),
        *(until_let_in(instance, name, say) for name in instance.services),
    )
    say("Preparing databases and topics.")
    await together(
        cluster.create_topics(settings),
        give_leave(instance),
        *(migrate_database(instance.database_url(name), name) for name in instance.services),
    )
    say("Starting the services.")
    counts = {name: (replicas or {}).get(name, 1) for name in instance.services}
    for name, count in counts.items():
        want(instance.home, name, count)
    await together(
        *(
            instance.start_service(name, number)
            for name, count in counts.items()
            for number in range(1, count + 1)
        )
    )


async def until_answered(
    ask: Callable[[], Awaitable[str | None]], instance: Instance, say: Say
) -> None:
    """Until a server answers: at once for our own; one that was given may come later."""
    attempt = 0
    while (trouble := await ask()) is not None:
        if attempt % 10 == 0:
            say(f"Waiting: {trouble}.")
        attempt += 1
        await instance.pause(1)


async def until_let_in(instance: Instance, service: str, say: Say) -> None:
    """Until the service's database is there. Raises CannotDo where it refuses us."""
    with in_words(service):
        url = instance.database_url(service)
        await until_answered(partial(database.answers, url), instance, say)


async def give_leave(instance: Instance) -> None:
    """Have each service do what it may on our own Kafka; one that was given is not ours to open.

    Raises CannotDo.
    """
    if passwords := instance.kafka_passwords:
        await provide_services(instance.kafka_settings, passwords, instance.services)


async def migrate_database(url: str, service: str) -> list[str]:
    """Bring a service's database up to date; answers what ran. Raises CannotDo."""
    with in_words(service):
        return await database.migrate(url, f"services.{service}")


@contextmanager
def in_words(service: str) -> Iterator[None]:
    """Has a database that refuses us raise CannotDo instead."""
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotDo(
            f"The database of {service} cannot be prepared ({error or type(error).__name__}). "
            f"Check ASPIRE_{service.upper()}_DATABASE_URL and that PostgreSQL is there."
        ) from error
    except database.MigrationChanged as error:
        raise CannotDo(str(error)) from error


async def together(*works: Awaitable[object]) -> Sequence[object]:
    """All of them side by side; the first failure ends the others and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["SERVICES", "Say", "migrate_database", "start", "together"]
