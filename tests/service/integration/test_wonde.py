"""`aspire mis wonde`, against a local server that answers as Wonde's documentation says."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from deploy.adapters import wonde as adapter
from deploy.adapters.wonde import Wonde
from deploy.cli.app import invoke
from deploy.cli.trouble import CannotDo
from tests.service.integration.test_rosters import mis
from tests.service.integration.world import World, named
from tests.service.serving import served

__all__ = ["mis"]

TOKEN = "a-wonde-token"
SCHOOL = "A1930499544"
AT = {"date": "2026-11-02 08:00:00.000000", "timezone_type": 3, "timezone": "Europe/London"}


def employee(number: int, **changes: Any) -> dict[str, Any]:
    details = {
        "current": True,
        "teaching_staff": True,
        "teacher_number": "76/54321",
        "employment_start_date": {**AT, "date": "2026-09-01 00:00:00.000000"},
        "employment_end_date": None,
    }
    return {
        "id": f"A{number}",
        "forename": "Zoë",
        "surname": f"Secret{number}",
        "updated_at": AT,
        "employment_details": {"data": details | changes.pop("details", {})},
        "contact_details": {"data": {"emails": {"work": f"z{number}@secret.example"}}},
        "roles": {"data": [{"id": "R1", "name": "Head of Year & Form"}]},
    } | changes


@dataclass
class Server:
    """Wonde with one school; `troubles` are answered before anything else."""

    employees: list[dict[str, Any]] = field(default_factory=list)
    absences: list[dict[str, Any]] = field(default_factory=list)
    deletions: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[JSONResponse] = field(default_factory=list)
    asked: list[httpx.URL] = field(default_factory=list)
    region: str | None = None
    urn: str | None = "100001"
    a_page: int = 2

    @property
    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1.0/schools/{school}")
        async def look(request: Request, school: str) -> JSONResponse:
            data = {"id": school, "urn": self.urn, "region": {"domain": self.region}}
            return self._answer(request, {"data": data})

        @app.get("/v1.0/schools/{school}/{what}")
        async def page(request: Request, what: str, page: int = 1) -> JSONResponse:
            rows = {
                "employees": self.employees,
                "employee-absences": self.absences,
                "deletions": self.deletions,
            }[what]
            part = rows[(page - 1) * self.a_page : page * self.a_page]
            more = page * self.a_page < len(rows)
            following = str(request.url.include_query_params(page=page + 1)) if more else None
            meta = {"pagination": {"next": following, "more": more, "current_page": page}}
            return self._answer(request, {"data": part, "meta": meta})

        return app

    def _answer(self, request: Request, content: dict[str, Any]) -> JSONResponse:
        self.asked.append(httpx.URL(str(request.url)))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "Unauthenticated."}, 401)
        return self.troubles.pop(0) if self.troubles else JSONResponse(content)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest_asyncio.fixture
async def url(server: Server, mis: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("ASPIRE_TRUST", str(named("Solent")))
    monkeypatch.setenv("ASPIRE_TRUST_SECRET", mis.secrets["Solent"])
    monkeypatch.setenv("WONDE_TOKEN", TOKEN)
    async with served(mis.integration.running.app) as aspire, served(server.app) as wonde:
        monkeypatch.setenv("ASPIRE_INTEGRATION_URL", aspire)
        yield wonde


async def pull(url: str, state: Path, *options: str) -> int:
    arguments = ["mis", "wonde", "--school", SCHOOL, "--api", url, "--state", str(state), *options]
    return await asyncio.to_thread(invoke, arguments)


async def staff(mis: World) -> list[tuple[Any, ...]]:
    rows = await mis.integration.pool.fetch(
        "SELECT external_id, name, email, role_code, role_title, from_on::text, to_on::text"
        " FROM staff ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def test_staff_come_page_by_page_and_the_same_again_says_nothing(
    url: str, server: Server, mis: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.employees = [employee(number) for number in range(5)]
    state = tmp_path / "wonde.json"
    assert await pull(url, state) == 0
    assert f"{SCHOOL} (URN 100001): 5 taken" in capsys.readouterr().out
    found = await staff(mis)
    assert len(found) == 5
    assert found[0] == (
        "A0", "Zoë Secret0", "z0@secret.example", "Head-of-Year-Form", "Head of Year & Form",
        "2026-09-01", None,
    )  # fmt: skip
    assert await mis.integration.pool.fetchval("SELECT count(*) FROM staff_trn") == 5
    pages = [each for each in server.asked if each.path.endswith("/employees")]
    assert [each.params.get("page") for each in pages] == [None, "2", "3"]
    assert "updated_after" not in pages[0].params
    assert await pull(url, state) == 0
    assert "5 repeated" in capsys.readouterr().out


async def test_the_next_run_asks_for_what_has_changed_since_the_last(
    url: str, server: Server, tmp_path: Path
) -> None:
    state = tmp_path / "wonde.json"
    await pull(url, state)
    assert list(json.loads(state.read_text())) == [SCHOOL]
    server.asked.clear()
    await pull(url, state)
    lists = [each for each in server.asked if not each.path.endswith(SCHOOL)]
    assert len(lists) == 3
    assert all(each.params.get("updated_after") for each in lists)
    server.asked.clear()
    await pull(url, state, "--all")
    assert not any(each.params.get("updated_after") for each in server.asked)


async def test_who_has_left_or_was_deleted_leaves(
    url: str, server: Server, mis: World, tmp_path: Path
) -> None:
    state = tmp_path / "wonde.json"
    server.employees = [employee(1), employee(2)]
    await pull(url, state)
    later = AT | {"date": "2026-11-02 08:30:00.000000"}
    gone = {"current": False, "employment_end_date": "2026-10-31"}
    server.employees = [
        employee(1, details=gone, updated_at=later),
        employee(9, details=gone),  # whom nobody has reported
    ]
    server.deletions = [
        {"id": "A2", "type": "employee", "deleted_at": "2026-11-01 10:00:00"},
        {"id": "A7", "type": "student", "deleted_at": "2026-11-01 10:00:00"},
    ]
    assert await pull(url, state) == 0
    assert [(row[0], row[-1]) for row in await staff(mis)] == [
        ("A1", "2026-10-31"), ("A2", "2026-11-01"),
    ]  # fmt: skip


async def test_an_absence_is_reported_and_never_why(
    url: str, server: Server, mis: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.employees = [employee(1)]
    server.absences = [
        {
            "id": "B1", "start_date": AT, "end_date": "2026-11-04", "absence_type": "Sick",
            "employee": {"data": {"id": "A1"}}, "updated_at": AT,
        },
        {"id": "B2", "employee": "A1"},
    ]  # fmt: skip
    assert await pull(url, tmp_path / "wonde.json") == 0
    assert "left out: absence B2" in capsys.readouterr().err
    [fact] = [fact for kind, fact in await mis.facts() if kind == "AbsenceReported"]
    assert (fact["external_id"], fact["from_on"], fact["to_on"]) == (
        "A1", "2026-11-02", "2026-11-04",
    )  # fmt: skip
    assert "Sick" not in str(await mis.facts("aspire.mis"))


async def test_what_is_refused_is_said_and_the_rest_goes_in(
    url: str, server: Server, mis: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = employee(2, forename=None, surname=None)
    unbegun = employee(3, details={"employment_start_date": None})
    server.employees = [employee(1), nobody, unbegun]
    assert await pull(url, tmp_path / "wonde.json") == 1
    said = capsys.readouterr().err
    assert "A2: The event is not valid." in said
    assert "left out: employee A3: it has no employment_start_date" in said
    assert [row[0] for row in await staff(mis)] == ["A1"]


async def test_it_waits_as_long_as_it_is_asked_to(
    url: str, server: Server, mis: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(Wonde._get.retry, "sleep", waited.append)
    server.employees = [employee(1)]
    server.troubles = [
        JSONResponse({}, 429, {"Retry-After": "7"}),
        JSONResponse({}, 429, {"Retry-After": "86400"}),
        JSONResponse({}, 503),
    ]
    assert await pull(url, tmp_path / "wonde.json") == 0
    assert waited == [7, 120, 8]
    assert len(await staff(mis)) == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("down", "answers 500, 6 times"),
        ("token", "does not accept the token"),
        ("no urn", "knows no URN"),
        ("no json", "not as documented"),
        ("gone", "answers 404"),
    ],
)
async def test_what_is_wrong_is_one_line_and_nothing_is_remembered(
    url: str, server: Server, wrong: str, says: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Wonde._get.retry, "sleep", lambda _: None)
    match wrong:
        case "down":
            server.troubles = [JSONResponse({}, 500)] * 6
        case "token":
            monkeypatch.setenv("WONDE_TOKEN", "s3cret")
        case "no urn":
            server.urn = None
        case "no json":
            server.troubles = [JSONResponse(["x"])]
        case "gone":
            server.troubles = [JSONResponse({}, 404)]
    state = tmp_path / "wonde.json"
    assert await pull(url, state) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert "s3cret" not in said
    assert not state.exists()


@pytest.mark.parametrize("domain", ["api.wonde.com.evil.example", "evil.example", "wonde.com"])
def test_the_token_goes_to_no_other_domain(domain: str) -> None:
    school = adapter.School(SCHOOL, 100001, domain)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"data": []})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        source = Wonde(TOKEN, client)
        with pytest.raises(CannotDo, match="not its own"):
            list(source.employees(school, None))
        assert asked == []
        regional = adapter.School(SCHOOL, 100001, "api-ap-southeast-2.wonde.com")
        assert list(source.employees(regional, None)) == []
    assert asked[0].url.host == "api-ap-southeast-2.wonde.com"
