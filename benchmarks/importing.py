"""A made-up register of 20,000 schools through membership's HTTP API, beside what the same file
costs at least: read, validated and copied into one table, without rules, events or a report."""

import csv
import io
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import asyncpg
import httpx
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter

from benchmarks.measure import Bench, Row, Spent
from deploy.demo.register import write_register
from shared.events.vocabulary import Region
from shared.service import Running, load
from shared.settings import Settings
from shared.web import LocalIssuer

SCHOOLS = 20_000


async def importing(bench: Bench) -> list[Row]:
    """Schools a second: the first import, and the same file once more."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        file = home / "register.csv"
        write_register(file, seed=1, schools=SCHOOLS)
        content = file.read_bytes()
        again: list[Spent] = []
        first, copied = await bench.alternate(
            lambda: _ours(bench, home, content, again), lambda: _copied(bench, content)
        )
    reference = "read, validated, copied into one table"
    return [
        Row(
            "register import, first",
            "schools/s",
            reference,
            0.4,
            first,
            copied,
            {"statements": 0.05, "commits": 0.01, "wal_bytes": 4000},
        ),
        Row(
            "register import, the same again",
            "schools/s",
            reference,
            0.4,
            again,
            copied,
            {"statements": 0.03, "commits": 0.006, "wal_bytes": 600},
        ),
    ]


async def _ours(bench: Bench, home: Path, content: bytes, again: list[Spent]) -> Spent:
    settings = Settings(home=home, kafka=bench.kafka)
    async with bench.database("membership") as pool:
        running = Running(load("membership"), settings, pool, parts=["api"])
        token = LocalIssuer(settings.local_keys).issue("office", "bench")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(running.app),
            base_url="http://bench",
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
        ) as client:
            first = await _import(bench, client, content)
            again.append(await _import(bench, client, content))
    return first


async def _import(bench: Bench, client: httpx.AsyncClient, content: bytes) -> Spent:
    async with bench.measured(SCHOOLS) as spent:
        answer = await client.post(
            "/register-imports", content=content, headers={"Idempotency-Key": str(uuid4())}
        )
    answer.raise_for_status()
    assert answer.json()["rows"] == SCHOOLS
    return spent


async def _copied(bench: Bench, content: bytes) -> Spent:
    async with bench.database("membership") as pool, bench.measured(SCHOOLS) as spent:
        await _copy(pool, content)
    return spent


def _day(value: str) -> date | None:
    return datetime.strptime(value, "%d-%m-%Y").date() if value else None  # noqa: DTZ007 - a day


def _region(value: str) -> str:
    return _REGIONS.get(value.casefold(), value)


_REGIONS = {region.casefold(): region.value for region in Region}

Text = Annotated[str, Field(max_length=300)]


class _Row(BaseModel):
    urn: Annotated[int, Field(alias="URN", ge=100_000, le=999_999)]
    la_code: Annotated[Text, Field(alias="LA (code)")]
    la_name: Annotated[Text, Field(alias="LA (name)")]
    number: Annotated[Text, Field(alias="EstablishmentNumber")]
    name: Annotated[Text, Field(alias="EstablishmentName", min_length=1)]
    kind: Annotated[Text, Field(alias="TypeOfEstablishment (name)")]
    status: Annotated[Text, Field(alias="EstablishmentStatus (name)")]
    opened_on: Annotated[date | None, BeforeValidator(_day), Field(alias="OpenDate")]
    closed_on: Annotated[date | None, BeforeValidator(_day), Field(alias="CloseDate")]
    phase: Annotated[Text, Field(alias="PhaseOfEducation (name)")]
    pupils: Annotated[int, Field(alias="NumberOfPupils", ge=0)]
    town: Annotated[Text, Field(alias="Town")]
    postcode: Annotated[Text, Field(alias="Postcode")]
    region: Annotated[Region, BeforeValidator(_region), Field(alias="GOR (name)")]


_ROWS = TypeAdapter(list[_Row])


async def _copy(pool: asyncpg.Pool, content: bytes) -> None:
    rows = csv.DictReader(io.StringIO(content.decode("cp1252"), newline=""))
    valid = _ROWS.validate_python(list(rows))
    kinds = {"urn": "integer PRIMARY KEY", "pupils": "integer", "opened_on": "date",
             "closed_on": "date"}  # fmt: skip
    names = list(_Row.model_fields)
    columns = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in names)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"CREATE TABLE copied ({columns})")
        await connection.copy_records_to_table(
            "copied", records=[tuple(row.__dict__.values()) for row in valid], columns=names
        )
