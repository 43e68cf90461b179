"""A made-up register of 20,000 schools through membership's HTTP API, beside csv and COPY alone."""

import csv
import io
import tempfile
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx

from benchmarks.measure import Measured, database_of, rate_of
from deploy.demo.register import write_register
from shared.service import Running, load
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.infra import Infra

SCHOOLS = 20_000


async def importing(infra: Infra) -> list[Measured]:
    """Rates in schools a second: the first import, and the same file once more."""
    with tempfile.TemporaryDirectory() as folder:
        content = _register(Path(folder))
        settings = Settings(home=Path(folder), kafka=infra.kafka)
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
    reference = "csv and COPY, no rules, no events"
    return [
        Measured("register import, first", first, "schools/s", reference, copied),
        Measured("register import, the same again", again, "schools/s", reference, copied),
    ]


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


async def _copy(pool: asyncpg.Pool, content: bytes) -> int:
    rows = list(csv.reader(io.StringIO(content.decode("cp1252"), newline="")))
    columns = [f"c{number}" for number in range(len(rows[0]))]
    await pool.execute(f"CREATE TABLE copied ({', '.join(f'{column} text' for column in columns)})")
    await pool.copy_records_to_table("copied", records=rows[1:], columns=columns)
    return len(rows) - 1
