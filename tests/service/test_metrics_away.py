"""Metrics are there while what they tell of is not."""

import socket
import time

import pytest

from shared.settings import Settings
from tests.service.processes import process
from tests.service.test_metrics import series


@pytest.mark.timeout(180)
async def test_a_database_that_says_nothing_holds_up_no_metrics(
    settings: Settings, topics: list[str]
) -> None:
    settings = settings.model_copy(update={"figures_seconds": 0.1})
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:  # it takes, and never reads
        dsn = f"postgresql://cpd@127.0.0.1:{silent.getsockname()[1]}/cpd?sslmode=disable"
        async with process("cpd", dsn, settings, parts=["api", "relay"]) as relay:
            begun = time.monotonic()
            answers = [await relay.client.get("/metrics") for _ in range(10)]
            assert time.monotonic() - begun < 5
    assert {answer.status_code for answer in answers} == {200}
    found = series(answers[-1].text)
    assert list(found["aspire_part_working"].values()) == [0, 0]
    assert "db_client_connection_max" in found
    assert "aspire_outbox_events" not in found
    assert "http_server_request_duration_seconds" not in found, "neither health nor metrics count"
