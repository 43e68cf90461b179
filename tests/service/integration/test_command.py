"""`aspire trust`, and what the page for a trust's developer says to type."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deploy.cli.app import invoke
from tests.service.integration.world import World, joined, named, school, trust
from tests.service.serving import served

PAGE = Path(__file__).parents[3] / "docs" / "integration" / "README.md"


@pytest_asyncio.fixture
async def url(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    await world.say(trust("Solent"), school("Ash", 100001), joined("Solent", "Ash"))
    monkeypatch.setenv("ASPIRE_TOKEN", world.issuer.issue("office", "ada"))
    async with served(world.integration.running.app) as address:
        monkeypatch.setenv("ASPIRE_INTEGRATION_URL", address)
        yield address


async def aspire(*arguments: str) -> int:
    """In a thread, as it waits for the service, which runs here."""
    return await asyncio.to_thread(invoke, ["trust", *arguments, str(named("Solent"))])


async def test_the_command_connects_rotates_and_revokes(
    url: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await aspire("connect") == 0
    one = capsys.readouterr().out.strip()
    assert await world.signed_in("Solent", one) == 200
    assert await aspire("connect") == 2
    assert "is connected. Rotate" in capsys.readouterr().err
    assert await aspire("rotate", "--overlap", "0") == 0
    two = capsys.readouterr().out.strip()
    assert [await world.signed_in("Solent", each) for each in (one, two)] == [401, 200]
    assert await aspire("status") == 0
    shown = capsys.readouterr().out
    assert "Solent: connected, 1 school" in shown
    assert "100001" in shown
    assert one not in shown
    assert two not in shown
    assert await aspire("revoke") == 0
    assert await world.signed_in("Solent", two) == 401


async def test_the_command_makes_resets_and_removes_a_sandbox(
    url: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sandbox(*arguments: str) -> str:
        assert await asyncio.to_thread(invoke, ["trust", "sandbox", *arguments]) == 0
        printed = capsys.readouterr()
        shown.append(printed.err)
        return printed.out

    shown: list[str] = []
    secret = (await sandbox()).strip()
    assert re.match(
        r"Sandbox Learning Trust \w{4}: 12 people, 51 events of its first day", shown[0]
    )
    assert re.search(r"900000 +Alderbrook Primary School", shown[0])
    assert re.search(rf"export ASPIRE={url} TRUST=\S{{36}} URN=900000 SECRET=…", shown[0])
    [found] = json.loads(await sandbox("list", "--json"))
    auth = httpx.BasicAuth(found["trust_id"], secret)
    answer = await world.integration.client.get("/mis/connection", auth=auth)
    assert answer.json()["name"] == found["name"]
    assert "77 events of 2 days" in await sandbox("day", found["trust_id"])
    assert "51 events of its first day" in await sandbox("reset", found["trust_id"])
    listed = await sandbox("list")
    assert all(each in listed for each in (found["trust_id"], "900000", "900001", "900002"))
    await sandbox("remove", found["trust_id"])
    assert await sandbox("list") == "There are no sandboxes.\n"
    again = json.loads(await sandbox("--json"))
    assert again["secret"]
    assert again["sandbox"]["days"] == 1


async def test_each_command_of_the_page_works_as_written(url: str, world: World) -> None:
    secret = await world.connected("Solent")
    told = {"ASPIRE": url, "TRUST": str(named("Solent")), "SECRET": secret, "URN": "100001"}
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euc", block),
            env=os.environ | told,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, (block, out, err)
        assert out
    assert [name for name, _ in await world.facts()] == [
        "StaffProfile", "StaffReported", "AbsenceReported",
    ]  # fmt: skip
