"""Kafka and the databases under a command: what is away, or goes away, is said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from aiokafka.errors import KafkaError

from deploy.cli.trouble import CannotDo
from shared.discretion import told
from shared.messaging import cluster
from shared.messaging.failures import is_about_data
from shared.settings import Settings


async def require_kafka(settings: Settings) -> None:
    """Raises CannotDo where Kafka does not answer."""
    if trouble := await cluster.answers(settings, timeout_seconds=5):
        raise CannotDo(f"{trouble}. `aspire status` shows what runs.")


@contextmanager
def unbroken(settings: Settings, way_out: str) -> Iterator[None]:
    """Has Kafka and a database that go away meanwhile raise CannotDo, with what to do then."""
    try:
        yield
    except KafkaError as error:
        raise CannotDo(f"Kafka at {settings.kafka} broke off: {error}. {way_out}") from error
    except Exception as error:
        if isinstance(error, asyncpg.UndefinedTableError) or is_about_data(error):
            raise
        raise CannotDo(f"The database broke off: {told(error)}. {way_out}") from error
