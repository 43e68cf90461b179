"""Every row of the signal matrix appears after real requests, and nothing personal does."""

import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from shared.service import SERVICES
from shared.settings import Settings
from tests.conftest import Database
from tests.service.traced import NOT_SAMPLED, SAMPLED

MATRIX = Path(__file__).parents[2] / "docs" / "signals.toml"


async def test_one_trace_has_every_span_of_the_matrix_and_nothing_personal(
    settings: Settings, topics: list[str], database: Database
) -> None:
    databases = {name: await database(name) for name in SERVICES}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.service.traced"),
        *(settings.model_dump_json(), json.dumps(databases)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=MATRIX.parents[1],
    )
    out, log = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, log.decode()[-3000:]
    spans = json.loads(out)

    lacking = [edge for edge in edges() if edge not in seen(spans)]
    assert not lacking, f"{lacking} not in {sorted(seen(spans))}"
    for word in ("zoe", "Zoë", "Secret", "@", "Bearer", "eyJ"):
        assert word not in out.decode()
    assert not [span for span in spans if span["trace"] == NOT_SAMPLED]
    assert all(span["end"] >= span["start"] for span in spans)


def edges() -> list[tuple[str, str, str, str]]:
    rows = tomllib.loads(MATRIX.read_text())["edge"]
    return [(row["service"], row["parent"], row["span"], row["kind"]) for row in rows]


def seen(spans: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """The edges of the sampled trace; who publishes is membership."""
    by_id = {span["id"]: span for span in spans}

    def service(span: dict[str, Any]) -> str:
        consumer = span["attributes"].get("messaging.consumer.group.name")
        if consumer:
            return str(consumer).removeprefix("aspire.")
        parent = by_id.get(span["parent"])
        return service(parent) if parent else "membership"

    return {
        (service(s), by_id.get(s["parent"], {"name": ""})["name"], s["name"], s["kind"])
        for s in spans
        if s["trace"] == SAMPLED
    }
