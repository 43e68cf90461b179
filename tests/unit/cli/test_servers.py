"""A server that goes away under a command is one line; a fault of ours stays a traceback."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from deploy.cli.servers import unbroken
from deploy.cli.trouble import CannotDo
from shared.settings import Settings


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KafkaConnectionError("no broker"), "Kafka at here:9092 broke off"),
        (asyncpg.ConnectionDoesNotExistError("gone"), "The database broke off"),
        (asyncpg.AdminShutdownError("terminating"), "The database broke off"),
        (asyncpg.InterfaceError("connection is closed"), "The database broke off"),
        (asyncpg.InternalClientError("unexpected"), "The database broke off"),
        (ConnectionResetError("reset"), "The database broke off"),
        (TimeoutError("somebody does not commit"), "somebody does not commit"),
    ],
)
def test_a_server_that_goes_away_is_one_line(error: Exception, said: str) -> None:
    with pytest.raises(CannotDo, match=said) as refused, unbroken(settings(), "Run it again."):
        raise error
    assert str(refused.value).endswith(" Run it again.")


@pytest.mark.parametrize(
    "error", [asyncpg.UndefinedColumnError("a bug"), ValueError("a bug"), CannotDo("said")]
)
def test_what_is_no_servers_fault_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, unbroken(settings(), "Run it again."):
        raise error
    assert raised.value is error


def settings() -> Settings:
    return Settings(kafka="here:9092")
