"""A OneRoster file of 10,000 staff through integration's HTTP API, beside what the same rows cost
at least: read, validated and copied into one table."""

import csv
import io
import time
import zipfile
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Final
from uuid import uuid4

import asyncpg
import httpx
from pydantic import BaseModel

from benchmarks.measure import Bench, Percentile, Row, Spent
from services.integration.domain.connection import hashed
from shared.service import Running, load
from shared.settings import Settings
from tests.service.integration.roster import ORG, ROLE, USER, bulk

STAFF: Final = 10_000
MOST_MS: Final = 20_000
TRUST: Final = uuid4()
SECRET: Final = "a secret of the bench"  # noqa: S105 - made up


async def rostering(bench: Bench) -> list[Row]:
    """Milliseconds until a file is applied, and until its preview is there."""
    body = _file()
    previews: list[Spent] = []
    applied, copied = await bench.alternate(
        partial(_ours, bench, body, previews), partial(_copied, bench, body)
    )
    reference = "read, validated, copied into one table"
    return [
        Percentile(f"OneRoster file of {STAFF:,} staff, {what}", "ms", reference, 10, runs, copied,
                   {"statements": 0.05}, enough=MOST_MS)
        for what, runs in (("preview", previews), ("applied", applied))
    ]  # fmt: skip


def _file() -> bytes:
    users = [
        USER | {"sourcedId": f"u{n}", "givenName": f"N{n}", "email": f"n{n}@school.example"}
        for n in range(STAFF)
    ]
    roles = [ROLE | {"sourcedId": f"r{n}", "userSourcedId": f"u{n}"} for n in range(STAFF)]
    return bulk(orgs=[ORG], users=users, roles=roles)


async def _ours(bench: Bench, body: bytes, previews: list[Spent]) -> Spent:
    async with bench.database("integration") as pool:
        await _connect(pool)
        running = Running(load("integration"), Settings(kafka=bench.kafka), pool, ("api",))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(running.app), base_url="http://bench", timeout=120,
            auth=httpx.BasicAuth(str(TRUST), SECRET),
        ) as client:  # fmt: skip
            digest = ""

            async def preview() -> None:
                nonlocal digest
                digest = (await _post(client, "/mis/roster/preview", body)).json()["digest"]

            async def apply() -> None:
                await _post(client, f"/mis/roster?digest={digest}", body)

            previews.append(await _timed(bench, preview))
            return await _timed(bench, apply)


async def _post(client: httpx.AsyncClient, path: str, body: bytes) -> httpx.Response:
    answer = await client.post(path, content=body, headers={"Idempotency-Key": uuid4().hex})
    return answer.raise_for_status()


async def _timed(bench: Bench, work: Callable[[], object]) -> Spent:
    async with bench.measured(STAFF) as spent:
        begun = time.perf_counter()
        await work()  # type: ignore[misc]
        spent.samples = [(time.perf_counter() - begun) * 1000]
    return spent


async def _connect(pool: asyncpg.Pool) -> None:
    school = uuid4()
    await pool.execute("INSERT INTO trust VALUES ($1, 'Solent')", TRUST)
    await pool.execute("INSERT INTO connection VALUES ($1)", TRUST)
    await pool.execute(
        "INSERT INTO credential VALUES ($1, $2, $3, now())", uuid4(), TRUST, hashed(SECRET)
    )
    await pool.execute("INSERT INTO school_urn VALUES ($1, 100001)", school)
    await pool.execute("INSERT INTO group_school VALUES ($1, $2, '2020-09-01')", TRUST, school)


class _Role(BaseModel):
    """A row of roles.csv as somebody would read it by hand."""

    sourcedId: str  # noqa: N815 - as the standard has it
    userSourcedId: str  # noqa: N815
    role: str
    beginDate: date  # noqa: N815


async def _copied(bench: Bench, body: bytes) -> Spent:
    async with bench.database("integration") as pool:
        await pool.execute(
            "CREATE TABLE copied (id text, name text, email text, role text, on_ date)"
        )

        async def copy() -> None:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                users, roles = (
                    list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode())))
                    for name in ("users", "roles")
                )
            by_id = {row["sourcedId"]: row for row in users}
            read = [_Role.model_validate(row) for row in roles]
            rows = [
                (each.sourcedId, by_id[each.userSourcedId]["givenName"],
                 by_id[each.userSourcedId]["email"], each.role, each.beginDate)
                for each in read
            ]  # fmt: skip
            async with pool.acquire() as connection:
                await connection.copy_records_to_table("copied", records=rows)

        return await _timed(bench, copy)
