"""What is the world's fault is waited for, by whoever asks the database."""

import asyncpg
import pytest

from shared.messaging.failures import AWAY, is_about_data

THE_WORLD = (
    ConnectionResetError("the server is gone"),
    TimeoutError(),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.DiskFullError("no space left on device"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
)


@pytest.mark.parametrize("error", THE_WORLD, ids=lambda error: type(error).__name__)
def test_an_error_of_the_world_parks_nothing_and_ends_nothing(error: Exception) -> None:
    assert isinstance(error, AWAY)
    assert not is_about_data(error)
