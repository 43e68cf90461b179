"""“Connected in five minutes” works as written, by curl and in Python."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.integration.sending.parcels import PING_TYPE
from shared.clock import FixedClock
from shared.events.integration import StaffMatched
from shared.web import LocalIssuer
from tests.conftest import Start, eventually
from tests.service.integration.receivers import working
from tests.service.integration.world import World, joined, named, school, trust
from tests.service.serving import served

PAGE = Path(__file__).parents[3] / "docs" / "integration" / "five-minutes.md"
TOLD = ["GroupRegistered", "SchoolJoinedGroup", "SchoolRegistered", "StaffMatched"]


@pytest.fixture
def clock() -> FixedClock:
    """The real time, for receivers refuse what is old."""
    return FixedClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def connected(
    start: Start, issuer: LocalIssuer, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A trust with a school, whose developer has got credentials."""
    async with start("integration", parts=("api",), clock=clock, webhooks_inside=True) as started:
        world = World(started, issuer)
        await world.say(trust("Solent"), school("Ash", 100001), joined("Solent", "Ash"))
        secret = await world.connected("Solent")
        async with served(started.running.app) as address, working(world):
            told = {"ASPIRE": address, "TRUST": str(named("Solent")), "SECRET": secret}
            for name, value in (told | {"URN": "100001"}).items():
                monkeypatch.setenv(name, value)
            yield world


def blocks(language: str) -> list[str]:
    """Of the five steps, one each."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(found) == 5
    return found


async def hear(world: World) -> None:
    """Integration hears of the match that it has told."""
    [match] = [f for name, f in await world.facts("aspire.integration") if name == "StaffMatched"]
    await world.say(StaffMatched.model_validate(match))
    world.integration.running.changes.tell()


async def typed(block: str, folder: Path, **told: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", block),
        cwd=folder,
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 0, (block, out, err)
    return out.decode()


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return sorted(each["type"].split(".")[3] for each in events)


async def test_by_curl(connected: World, tmp_path: Path) -> None:
    look, report, match, feed, webhook = blocks("bash")
    assert json.loads(await typed(look, tmp_path))["schools"][0]["urn"] == 100001
    for outcome in ("taken", "repeated"):
        answer = json.loads(await typed(report, tmp_path))
        assert [each["outcome"] for each in answer["events"]] == [outcome]
    await hear(connected)
    [matched] = json.loads(await typed(match, tmp_path))
    assert matched["data"]["external_id"] == "E1042"
    assert kinds(json.loads(await typed(feed, tmp_path))) == TOLD
    assert json.loads(await typed(feed, tmp_path)) == []
    await connected.say(school("Ash", 100001))
    connected.integration.running.changes.tell()

    async def more() -> list[str]:
        return kinds(json.loads(await typed(feed, tmp_path)))

    assert await eventually(more) == ["SchoolRegistered"]
    made = json.loads(await typed(webhook, tmp_path, RECEIVER="http://127.0.0.1:9/"))
    assert made["secret"].startswith("whsec_")


async def test_in_python(connected: World) -> None:
    look, report, match, feed, webhook = blocks("python")
    page: dict[str, Any] = {}

    async def run(block: str) -> None:
        """In a thread, as it waits for the service, which runs here."""
        await asyncio.to_thread(exec, block, page)

    await run(look)
    await run(report)
    assert (page["urn"], page["outcome"]) == (100001, "taken")
    await hear(connected)
    await run(match)
    assert list(page["people"]) == ["E1043"]
    await run(feed)
    assert sorted(each.get_type().split(".")[3] for each in page["events"]) == TOLD
    await run(webhook)

    async def pinged() -> bool:
        return [each["type"] for each in page["received"]] == [PING_TYPE]

    try:
        await eventually(pinged)
        forged = {f"webhook-{name}": "1" for name in ("id", "timestamp", "signature")}
        async with httpx.AsyncClient() as client:
            answer = await client.post(page["address"], content=b"{}", headers=forged)
        assert answer.status_code == 400
        assert len(page["received"]) == 1
    finally:
        await asyncio.to_thread(page["server"].shutdown)
        page["server"].server_close()
        page["aspire"].close()
