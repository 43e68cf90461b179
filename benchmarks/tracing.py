"""Tracing: a consumer with a part of its records sampled, beside one that makes no spans.

A process of its own each time, because it is once a process that spans are exported or not:
`python -m benchmarks.tracing SETTINGS DATABASE EVENTS`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import uvloop

from benchmarks.consuming import BATCH, consume, end
from benchmarks.facts import SCHOOLS, TABLES, fill, mixed
from benchmarks.measure import Bench, Row, Spent, own_cpu
from shared import telemetry
from shared.database import create_pool
from shared.memory import tune
from shared.messaging import cluster
from shared.messaging.records import Outgoing
from shared.settings import Settings


async def tracing(bench: Bench) -> list[Row]:
    """One record in a hundred sampled, and one in ten, with their spans sent by OTLP."""
    schools = min(SCHOOLS, bench.events)
    each = bench.events // schools
    of_hundred, of_ten = (
        Settings(kafka=bench.kafka, topic_prefix=f"b{uuid4().hex[:8]}.", batch_size=BATCH)
        for _ in range(2)
    )
    for settings, one_in in ((of_hundred, 100), (of_ten, 10)):
        await cluster.create_topics(settings)
        await fill(settings, sampled(mixed(schools, each), one_in))
    total = schools * each
    with collector() as endpoint:
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        none, hundredth, tenth = await bench.alternate(
            lambda: _consumed(bench, of_hundred, total, {}),
            lambda: _consumed(bench, of_hundred, total, exporting),
            lambda: _consumed(bench, of_ten, total, exporting),
        )
    return [
        Row("consumer: 1 % of traces sampled", "events/s", "no tracing", 0.95, hundredth, none),
        Row("consumer: 10 % of traces sampled", "events/s", "no tracing", 0.7, tenth, none),
    ]


def sampled(events: Iterable[Outgoing], one_in: int) -> Iterator[Outgoing]:
    """Each in a trace of its own, of which one in so many is sampled."""
    for number, event in enumerate(events):
        flag = "00" if number % one_in else "01"
        yield replace(event, traceparent=f"00-{uuid4().hex}-{'00f0' * 4}-{flag}")


async def _consumed(
    bench: Bench, settings: Settings, total: int, exporting: dict[str, str]
) -> Spent:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    async with bench.database("cpd") as pool:
        await pool.execute(TABLES)
        async with bench.measured(total) as spent:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.tracing"),
                *(settings.model_dump_json(), await bench.dsn_of(pool), str(total)),
                env=kept | exporting,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            out, _ = await process.communicate()
        spent.seconds, spent.client_cpu = json.loads(out)
        return spent


async def _alone(settings: Settings, dsn: str, total: int) -> None:
    """Prints the seconds and the CPU seconds of consuming, the export of the last span included."""
    telemetry.configure("cpd", settings)
    tune()
    pool = await create_pool(dsn, "bench", max_size=8)
    begun, cpu = time.perf_counter(), own_cpu()
    working = await consume(pool, settings, total)
    telemetry.flush()
    sys.stdout.write(json.dumps([time.perf_counter() - begun, own_cpu() - cpu]))
    await end(working)
    await pool.close()


@contextmanager
def collector() -> Iterator[str]:
    """A collector that takes everything and keeps nothing; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taking) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Not to the terminal."""


if __name__ == "__main__":
    uvloop.run(_alone(Settings(**json.loads(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
