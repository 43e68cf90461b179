"""What the page for a trust's developer and the operators' command say and do."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from deploy.cli.app import invoke
from tests.conftest import eventually
from tests.service.integration.receivers import (
    Receiver,
    registered,
    took,
)
from tests.service.integration.world import (
    World,
    named,
)
from tests.service.serving import served

PAGE = Path(__file__).parents[4] / "docs" / "integration" / "webhooks.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


async def test_the_page_works_as_written(mis: World, solent: Receiver) -> None:
    """What it says to type registers, and its receiver takes what is sent, and nothing forged."""
    [typed], [written] = blocks("bash"), blocks("python")
    async with served(mis.integration.running.app) as url:
        told = {
            "ASPIRE": url,
            "TRUST": str(named("Solent")),
            "SECRET": mis.secrets["Solent"],
            "RECEIVER": solent.url,
        }
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euc", typed),
            env=os.environ | told,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err
    await took(solent, 3)
    handled: list[dict[str, Any]] = []
    page: dict[str, Any] = {
        "secret": json.loads(out)["secret"], "seen": set(), "handle": handled.append,
    }  # fmt: skip
    exec(written, page)  # noqa: S102 - it is ours
    for body, headers in solent.bodies * 2:
        assert page["receive"](body, headers) == 204
    assert handled == solent.taken
    body, headers = solent.bodies[0]
    old = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}
    for forged in ((body + b" ", headers), (body, headers | {"webhook-id": "x"}), (body, old)):
        with pytest.raises(WebhookVerificationError):
            page["receive"](*forged)


async def test_the_command_shows_what_is_sent_and_sends_again(
    mis: World, solent: Receiver, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    async with served(mis.integration.running.app) as url:
        monkeypatch.setenv("ASPIRE_INTEGRATION_URL", url)
        monkeypatch.setenv("ASPIRE_TOKEN", mis.issuer.issue("office", "ada"))

        async def aspire(*arguments: str) -> tuple[int, str]:
            given = ["trust", *arguments, str(named("Solent"))]
            code = await asyncio.to_thread(invoke, given)
            said = capsys.readouterr()
            return code, " ".join((said.out + said.err).split())

        assert await aspire("webhooks") == (0, "The trust has no webhooks.")
        assert (await aspire("deliveries"))[0] == 2
        await registered(mis, solent)
        await took(solent, 3)
        code, shown = await aspire("webhooks")
        assert code == 0
        assert "active" in shown

        async def logged() -> bool:
            code, shown = await aspire("deliveries")
            return (code, shown.count(" 204 ")) == (0, 3)

        await eventually(logged)
        assert await aspire("deliveries", "--failed") == (0, "Nothing failed.")
        assert (await aspire("resend"))[0] == 2
        code, shown = await aspire("resend", "--event", solent.ids[0])
        assert (code, "wait for" in shown) == (0, True)
        await took(solent, 4)
        assert (await aspire("wake"))[0] == 0
