"""Metrics go by OTLP where OpenTelemetry's variables say so, and a collector may be away."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from shared import metrics
from shared.settings import SettingWrong

# In a process of its own: OpenTelemetry's provider is set once a process.
PROGRAM = """
import sys, time
from opentelemetry import metrics
from shared import telemetry
from shared.messaging import meters
from shared.settings import Settings

telemetry.configure("cpd", Settings())
meters.rebalanced("cpd")
for _ in range(int(sys.argv[1])):
    metrics.get_meter_provider().force_flush()
begun = time.monotonic()
telemetry.flush()
print(time.monotonic() - begun)
"""


def run(endpoint: str, exports: int = 0) -> tuple[float, list[str]]:
    """How long the last export, after others, held up the process, in seconds, and what it said."""
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "ASPIRE_LOG_FORMAT": "json",
             "OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.3"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(exports)],
        env=os.environ | given, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return float(done.stdout), [json.loads(line)["message"] for line in done.stderr.splitlines()]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Its address, and what it has received."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_a_collector_gets_the_metrics_with_name_unit_and_service() -> None:
    with collector() as (address, received):
        _, said = run(address)
    assert said == []
    [(path, body)] = received
    [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
    names = {each.key: each.value.string_value for each in resource.resource.attributes}
    found = {m.name: m.unit for scope in resource.scope_metrics for m in scope.metrics}
    assert (path, names["service.name"]) == ("/v1/metrics", "aspire-cpd")
    assert found["aspire.consumer.rebalances"] == "{rebalance}"


def test_a_collector_that_is_away_is_told_once_and_holds_up_nobody() -> None:
    seconds, said = run("http://127.0.0.1:9", exports=3)
    assert seconds < 2 * metrics.FLUSH_MS / 1000
    assert said == ["The collector is away or refuses metrics (not accepted); they are dropped"]


def test_an_exporter_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometeus")
    with pytest.raises(SettingWrong, match="OTEL_METRICS_EXPORTER is “prometeus”: use otlp"):
        metrics._exporters()
