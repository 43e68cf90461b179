"""The programme office at its desk: it makes valid things with one call, through the HTTP API."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import httpx

from shared.web import LocalIssuer

NOW = datetime(2026, 9, 15, 9, 0, tzinfo=UTC)
JOINED_ON = "2026-09-01"
GOOD = {"framework": "overall_grade", "judgement": "good", "inspected_on": "2023-05-10"}

HEADER = (
    "URN", "LA (code)", "LA (name)", "EstablishmentNumber", "EstablishmentName",
    "TypeOfEstablishment (name)", "EstablishmentStatus (name)", "OpenDate", "CloseDate",
    "PhaseOfEducation (name)", "NumberOfPupils", "Postcode", "Town", "GOR (name)",
    "HeadFirstName", "HeadLastName",
)  # fmt: skip

Json = dict[str, Any]


def row(urn: int | str, **changes: object) -> dict[str, str]:
    """A school of the register; `changes` by column name, with `_` for what no keyword may hold."""
    values: dict[str, object] = {
        "URN": urn,
        "LA (code)": "850",
        "LA (name)": "Hampshire",
        "EstablishmentNumber": f"{int(urn) % 10000:04d}" if str(urn).isdigit() else "9999",
        "EstablishmentName": f"School {urn}",
        "TypeOfEstablishment (name)": "Community school",
        "EstablishmentStatus (name)": "Open",
        "PhaseOfEducation (name)": "Primary",
        "NumberOfPupils": "210",
        "Postcode": "SO14 0AA",
        "Town": "Southampton",
        "GOR (name)": "South East",
        "HeadFirstName": "Ada",
        "HeadLastName": "Secretname",
    }
    names = {"name": "EstablishmentName", "status": "EstablishmentStatus (name)",
             "number": "EstablishmentNumber", "region": "GOR (name)", "opened": "OpenDate",
             "closed": "CloseDate", "pupils": "NumberOfPupils", "town": "Town",
             "la": "LA (code)"}  # fmt: skip
    values.update({names[name]: value for name, value in changes.items()})
    return {name: str(values.get(name, "")) for name in HEADER}


def register(rows: Iterable[Mapping[str, str]], header: Iterable[str] = HEADER) -> bytes:
    """The rows as a file: UTF-8 without a BOM, CRLF, every field quoted."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(header), quoting=csv.QUOTE_ALL, lineterminator="\r\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@dataclass
class Office:
    """`say` sends a command or a question and gives the answer; `do` wants it to be accepted."""

    pool: asyncpg.Pool
    client: httpx.AsyncClient
    issuer: LocalIssuer

    def token(self, role: str = "office", **scope: Any) -> str:
        return self.issuer.issue(role, f"{role}-1", **scope)

    async def say(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        key: str | None = None,
        **options: Any,
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token or self.token()}",
            "Idempotency-Key": key or uuid4().hex,
            **options.pop("headers", {}),
        }
        if body is not None:
            options["json"] = body
        return await self.client.request(method, path, headers=headers, **options)

    async def do(self, path: str, body: Any = None, **options: Any) -> Json:
        return _accepted(await self.say("POST", path, {} if body is None else body, **options))

    async def look(self, path: str, **options: Any) -> Json:
        return _accepted(await self.say("GET", path, **options))

    async def imports(self, content: bytes, **options: Any) -> httpx.Response:
        return await self.say("POST", "/register-imports", content=content, **options)

    async def school(self, urn: int = 100001, **changes: object) -> Json:
        """A registered school, as GET shows it."""
        _accepted(await self.imports(register([row(urn, **changes)])))
        return cast("Json", (await self.look(f"/schools?urn={urn}"))["items"][0])

    async def network(self, name: str = "Solent", established_on: str = "2026-01-01") -> Json:
        body = {"name": name, "region": "South East", "established_on": established_on}
        return await self.do("/networks", body)

    async def join(self, school: Json, network: Json, **changes: Any) -> httpx.Response:
        body = {
            "school_id": school["school_id"],
            "network_id": network["network_id"],
            "pathway": "partner_schools",
            "joined_on": JOINED_ON,
            "starting_point": GOOD,
        }
        return await self.say("POST", "/memberships", {**body, **changes})

    async def member(self, urn: int = 100001, network: Json | None = None) -> Json:
        """A membership of a new school in a network."""
        network = network or await self.network()
        return _accepted(await self.join(await self.school(urn), network))

    async def person(self, school: Json | None = None, name: str = "Ada Example") -> Json:
        body: Json = {"name": name, "email": "ada@example.org"}
        if school is not None:
            body["post"] = {
                "school_id": school["school_id"],
                "role": "senior_leader",
                "appointed_on": "2026-09-01",
            }
        return await self.do("/people", body)

    async def events(self, key: str | UUID | None = None) -> list[tuple[str, Json | None]]:
        """The journal's events, of one key or all: short type and payload."""
        rows = await self.pool.fetch(
            "SELECT type, payload FROM event WHERE $1::text IS NULL OR key = $1 ORDER BY position",
            None if key is None else str(key),
        )
        return [
            (row["type"].split(".")[3], json.loads(row["payload"]) if row["payload"] else None)
            for row in rows
        ]

    async def types(self, key: str | UUID | None = None) -> list[str]:
        return [name for name, _ in await self.events(key)]


def _accepted(response: httpx.Response) -> Json:
    assert response.is_success, response.text
    return cast("Json", response.json())


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem, as in (409, "school-already-member")."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert body["detail"]
    return response.status_code, body["type"].rsplit("/", 1)[1]
