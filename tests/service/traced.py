"""Drives real requests through all services, and prints the spans that they export as JSON.

A process of its own: OpenTelemetry's provider is set once a process. Its arguments are the settings
as JSON and the databases by service.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import uvloop
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import telemetry
from shared.database import create_pool
from shared.service import Running, load
from shared.settings import Settings
from shared.span_export import DiscreetExporter
from shared.web import LocalIssuer

SAMPLED, NOT_SAMPLED = "ab" * 16, "cd" * 16


async def main(settings: Settings, databases: dict[str, str]) -> None:
    spans = InMemorySpanExporter()
    telemetry.export_to(SimpleSpanProcessor(DiscreetExporter(spans)), "all")
    token = LocalIssuer(settings.local_keys).issue("office", "office@test")
    async with AsyncExitStack() as stack:
        app = None
        for name, dsn in databases.items():
            pool = await create_pool(dsn, name, min_size=1, max_size=6)
            stack.push_async_callback(pool.close)
            running = Running(load(name), settings, pool)
            app = app or running.app
            await stack.enter_async_context(running.working())
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),  # type: ignore[arg-type]
                base_url="http://test",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        await drive(client)
        async with asyncio.timeout(40):
            while not processed(spans) >= WANTED:
                await asyncio.sleep(0.05)
    print(json.dumps([row(span) for span in spans.get_finished_spans()]))  # noqa: T201


WANTED = {
    ("scheduling", "aspire.membership"),
    ("cpd", "aspire.membership"),
    ("reporting", "aspire.membership"),
    ("integration", "aspire.membership"),
    ("integration", "aspire.people"),
    ("relay", "aspire.people"),
}


async def drive(client: httpx.AsyncClient) -> None:
    person = {"name": "Zoë Secret", "email": "zoe@secret.example"}
    network = {"name": "Camden", "region": "London", "established_on": "2026-09-01"}
    for trace, flag in ((NOT_SAMPLED, "00"), (SAMPLED, "01")):
        for path, body in (("/people", person), ("/networks", network)):
            await until_created(client, path, body, f"00-{trace}-{'12' * 8}-{flag}")
    people = (await client.get("/people")).json()["items"]
    given = {"traceparent": f"00-{SAMPLED}-{'12' * 8}-01"}
    await until_created(
        client, f"/people/{people[0]['person_id']}/erasure", {}, given["traceparent"]
    )
    await client.get("/schools?name=zoe@secret.example", headers=given)
    await client.get("/people/zoe@secret.example", headers=given)


async def until_created(client: httpx.AsyncClient, path: str, body: Any, trace: str) -> None:
    """A service takes commands once the relay has compared the journal with the topics."""
    headers = {"Idempotency-Key": str(uuid4()), "traceparent": trace}
    async with asyncio.timeout(30):
        while (answer := await client.post(path, json=body, headers=headers)).status_code == 503:
            await asyncio.sleep(0.05)
    answer.raise_for_status()


def processed(spans: InMemorySpanExporter) -> set[tuple[str, str]]:
    rows = [dict(span.attributes or {}) for span in spans.get_finished_spans()]
    return {
        (
            str(each.get("messaging.consumer.group.name", "relay")).removeprefix("aspire."),
            str(each.get("messaging.destination.name")),
        )
        for each in rows
        if "messaging.destination.name" in each
    }


def row(span: ReadableSpan) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace": f"{span.context.trace_id:032x}" if span.context else "",
        "id": f"{span.context.span_id:016x}" if span.context else "",
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "start": span.start_time,
        "end": span.end_time,
        "attributes": dict(span.attributes or {}),
        "events": len(span.events),
        "status": span.status.description,
    }


if __name__ == "__main__":
    uvloop.run(main(Settings(**json.loads(sys.argv[1])), json.loads(sys.argv[2])))
