"""The page: public, whole from here, and under a policy that lets no other script run."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.conftest import Start


@pytest_asyncio.fixture
async def client(start: Start) -> AsyncIterator[httpx.AsyncClient]:
    async with start("reporting", parts=("api",)) as started:
        yield started.client


async def test_the_shell_needs_no_token_and_allows_no_other_script(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)", page.text), "no inline script"
    assert not re.search(r"\bstyle=|\bon[a-z]+=", page.text), "no inline style or handler"
    assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page.text)), "nothing remote"


async def test_all_files_of_the_page_are_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    addresses = re.findall(r'(?:src|href)="(/pages/[^"]*)"', page.text)
    assert len(addresses) == 3
    for address in [*addresses, "/pages/asking.js", "/pages/figures.js", "/pages/plots.js"]:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["x-content-type-options"] == "nosniff"
        kept = "immutable" if "?v=" in address else "no-cache"
        assert kept in answer.headers["cache-control"]


async def test_a_file_is_packed_and_not_sent_twice(client: httpx.AsyncClient) -> None:
    first = await client.get("/pages/plotly.min.js")
    assert first.headers["content-encoding"] == "gzip"
    again = await client.get(
        "/pages/plotly.min.js", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_nothing_else_is_served(client: httpx.AsyncClient) -> None:
    for name in ("report.html", "secret.js", "..%2fapp.py"):
        assert (await client.get(f"/pages/{name}")).status_code == 404, name
