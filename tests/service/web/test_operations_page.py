"""The operators' page, in a real browser, over two services of which one hosts it."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from shared.events.membership import PersonErased
from shared.messaging import batch, stops
from shared.messaging.connections import acquire
from shared.service import load
from shared.web import LocalIssuer
from tests.browser import Tab, browser
from tests.conftest import Start, Started, eventually
from tests.kernel.ledger import Stream
from tests.service.serving import served

TRACE = "ab" * 16
ZIPKIN = "http://zipkin.example/zipkin"
NOBODY = "http://127.0.0.1:1"


@dataclass
class Hosted:
    """Reporting hosts the page, cpd is asked through it, and scheduling does not answer."""

    cpd: Started
    url: str
    issuer: LocalIssuer

    def link(self, role: str = "operations") -> str:
        return f"{self.url}/operations#token={self.issuer.issue(role, 'ada')}"


@pytest_asyncio.fixture
async def hosted(start: Start, issuer: LocalIssuer) -> AsyncIterator[Hosted]:
    async with AsyncExitStack() as stack:
        cpd = await stack.enter_async_context(start("cpd", parts=("api",)))
        of_cpd = await stack.enter_async_context(served(cpd.running.app))
        reporting = await stack.enter_async_context(
            start(
                "reporting",
                parts=("api",),
                operations_services=f"cpd={of_cpd},scheduling={NOBODY}",
                zipkin="http://zipkin.example/",
            )
        )
        url = await stack.enter_async_context(served(reporting.running.app))
        yield Hosted(cpd, url, issuer)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tab() -> AsyncIterator[Tab]:
    async with browser() as opened:
        yield opened


async def park(cpd: Started) -> None:
    """An event that cannot be read, and that was traced."""
    bad = Stream().record(PersonErased(person_id=uuid4()), 1, value=b"{broken")
    traced = ("traceparent", f"00-{TRACE}-{'12' * 8}-01".encode())
    bad.headers = (*bad.headers, traced)
    await batch.take(cpd.pool, "cpd", load("cpd").effects, [bad])


async def reads(tab: Tab, selector: str, words: str) -> None:
    """Waits until a person reads the words there."""

    async def read() -> bool:
        return words in await tab.text(selector)

    try:
        await eventually(read, within_seconds=30)
    except pytest.fail.Exception:
        pytest.fail(f"{selector} does not say “{words}”, but: {await tab.text(selector)}")


@pytest.mark.timeout(120)
async def test_an_operator_finds_what_is_wrong_and_ends_it(hosted: Hosted, tab: Tab) -> None:
    await park(hosted.cpd)
    async with acquire(hosted.cpd.pool) as connection:
        await stops.stop(connection, "consumer", "the column is missing")
    await tab.open(hosted.link())
    await reads(tab, "#troubles", "cpd: 1 of aspire.membership is parked")
    await reads(tab, "#troubles", "scheduling does not answer")
    await reads(tab, "#troubles", "cpd: consumer is stopped: the column is missing")
    assert "needs somebody" in (await tab.text("h1")).replace("need ", "needs ")
    assert "token" not in await tab.eval("location.href")

    await tab.click("cpd reads aspire.membership")
    await reads(tab, "#detail-title", "cpd reads aspire.membership")
    await reads(tab, "#parked", "PersonErased.v1 is not as published")
    links = await tab.eval("[...document.querySelectorAll('#detail a')].map((a) => a.href)")
    search = "serviceName=aspire-cpd&spanName=process+aspire.membership&lookback=1h&limit=20"
    assert links == [f"{ZIPKIN}/?{search}", f"{ZIPKIN}/traces/{TRACE}"]
    await tab.click("Show")
    await reads(tab, "#parked", "{broken")
    await tab.click("Replay")
    await reads(tab, "#notice", "0 took effect. Sequence 1 failed again")

    await tab.click("Resume")
    await give_reason(tab, "it is there since migration 4")
    await reads(tab, "#notice", "cpd: consumer may go on")
    await tab.click("Discard …")
    await give_reason(tab, "sent by a test")
    await reads(tab, "#parked", "Nothing is parked here")
    await reads(tab, "h1", "1 thing needs somebody")
    assert [each for each in tab.errors if "/scheduling/flow" not in each] == []
    [discarded] = await hosted.cpd.pool.fetch("SELECT reason, discarded_by FROM discarded")
    assert tuple(discarded) == ("sent by a test", "ada")
    [stop] = await hosted.cpd.pool.fetch("SELECT resumed_because, resumed_by FROM stop")
    assert tuple(stop) == ("it is there since migration 4", "ada")


async def give_reason(tab: Tab, reason: str) -> None:
    assert await tab.eval("document.getElementById('why').open")
    await tab.eval(f"document.getElementById('because').value = '{reason}'")
    await tab.eval("document.getElementById('why-do').click()")


@pytest.mark.timeout(120)
async def test_the_page_asks_for_a_token_of_an_operator(hosted: Hosted, tab: Tab) -> None:
    await tab.open(hosted.link("office"))
    await reads(tab, "#notice", "it is for operations")
    assert await tab.text("#shown") == ""
    token = hosted.issuer.issue("operations", "ada")
    await tab.eval(f"document.getElementById('token').value = '{token}'")
    await tab.click("Show the flow")
    await reads(tab, "#services", "cpd")


async def test_the_page_is_whole_from_here(hosted: Hosted) -> None:
    async with httpx.AsyncClient(base_url=hosted.url) as client:
        page = await client.get("/operations")
        assert "unsafe" not in page.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=", page.text)
        addresses = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
        assert len(addresses) == 2
        for address in addresses:
            assert (await client.get(address)).status_code == 200, address
        assert (await client.get("/operations/pages/elsewhere.py")).status_code == 404


async def test_nothing_but_operations_is_passed_on(hosted: Hosted) -> None:
    headers = {"Authorization": f"Bearer {hosted.issuer.issue('operations', 'ada')}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers) as client:
        passed = "/operations/services"
        assert (await client.get(f"{passed}/cpd/flow")).json()["service"] == "cpd"
        for path in ("cpd/openapi.json", "cpd/parked/../../openapi.json", "weather/flow"):
            assert (await client.get(f"{passed}/{path}")).status_code == 404, path
        away = await client.get(f"{passed}/scheduling/flow")
        assert (away.status_code, "scheduling does not answer" in away.text) == (502, True)
        office = {"Authorization": f"Bearer {hosted.issuer.issue('office', 'ada')}"}
        assert (await client.get(f"{passed}/cpd/flow", headers=office)).status_code == 403
        assert (
            await client.get(f"{passed}/cpd/flow", headers={"Authorization": ""})
        ).status_code == 401


@pytest.mark.timeout(120)
async def test_the_report_on_the_same_host_keeps_a_token_of_its_own(
    hosted: Hosted, tab: Tab
) -> None:
    await tab.open(hosted.link())
    await reads(tab, "#heading", "need")
    await tab.open(f"{hosted.url}/#token={hosted.issuer.issue('office', 'ada')}")
    await reads(tab, "#big", "Networks")
    assert await tab.eval("location.hash") == ""
    kept = await tab.eval("Object.keys(sessionStorage).sort().join()")
    assert kept == "aspire-operations-token,aspire-token"
    await tab.open(f"{hosted.url}/?again#token=no-token")
    await reads(tab, "#sign-in", "Whose report?")
