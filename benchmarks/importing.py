"""A made-up register of 20,000 schools through membership's HTTP API, beside what the same file
costs at least: read, validated and copied into one table, without rules, events or a report."""

import csv
import io
import tempfile
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import Annotated
from uuid import uuid4

import asyncpg
import httpx
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter

from benchmarks.measure import Measured, database_of, rate_of
from deploy.demo.register import write_register
from shared.events.vocabulary import Region
from shared.service import Running, load, spare_the_collector
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.infra import Infra

SCHOOLS = 20_000
ROUNDS = 5


async def importing(infra: Infra) -> list[Measured]:
    """Schools a second, in the median of rounds in turn: the first import, and the same again."""
    spare_the_collector()
    with tempfile.TemporaryDirectory() as folder:
        content = _register(Path(folder))
        settings = Settings(home=Path(folder), kafka=infra.kafka)
        rounds = [await _round(infra, settings, content) for _ in range(ROUNDS)]
    first, again, copied = (median(rates) for rates in zip(*rounds, strict=True))
    reference = "read, validated, copied into one table"
    return [
        Measured("register import, first", first, "schools/s", reference, copied),
        Measured("register import, the same again", again, "schools/s", reference, copied),
    ]


async def _round(infra: Infra, settings: Settings, content: bytes) -> tuple[float, float, float]:
    async with database_of(infra, "membership") as pool:
        running = Running(load("membership"), settings, pool, parts=["api"])
        token = LocalIssuer(settings.local_keys).issue("office", "bench")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(running.app),
            base_url="http://bench",
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
        ) as client:
            first = await rate_of(lambda: _import(client, content))
            again = await rate_of(lambda: _import(client, content))
        copied = await rate_of(lambda: _copy(pool, content))
    return first, again, copied


def _register(folder: Path) -> bytes:
    file = folder / "register.csv"
    write_register(file, seed=1, schools=SCHOOLS)
    return file.read_bytes()


async def _import(client: httpx.AsyncClient, content: bytes) -> int:
    answer = await client.post(
        "/register-imports", content=content, headers={"Idempotency-Key": str(uuid4())}
    )
    answer.raise_for_status()
    rows: int = answer.json()["rows"]
    return rows


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


async def _copy(pool: asyncpg.Pool, content: bytes) -> int:
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
    return len(valid)
