"""A small API on a real database: a list of things, and the commands that change it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field

from shared.clock import FixedClock
from shared.problems import NotFound, Refused
from shared.web import (
    UPDATED_AT,
    Actor,
    CommandRoute,
    LocalIssuer,
    Now,
    Page,
    PageQuery,
    Read,
    Tx,
    require,
)

CREATE_THING = f"CREATE TABLE thing (id uuid PRIMARY KEY, name text NOT NULL, {UPDATED_AT})"

Office = Annotated[Actor, Depends(require("office", "adviser"))]


class ThingToMake(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    size: int = Field(1, ge=1, le=10)
    tags: list[Annotated[str, Field(max_length=5)]] = []


class Thing(BaseModel):
    id: UUID
    name: str


class NameTaken(Refused):
    status = 409
    title = "The name is taken"


router = APIRouter(route_class=CommandRoute)
hooks: dict[str, Callable[[asyncpg.Connection], Any]] = {}
"""What a test does inside the command of that name, between its statements."""


@router.post("/things", status_code=201)
async def make_thing(body: ThingToMake, tx: Tx, actor: Office, now: Now) -> Thing:
    thing_id = uuid4()
    await tx.connection.execute("INSERT INTO thing (id, name) VALUES ($1, $2)", thing_id, body.name)
    if hook := hooks.get(body.name):
        await hook(tx.connection)
    if body.name == "taken":
        raise NameTaken("There is a thing called taken. Choose another name.")
    return Thing(id=thing_id, name=body.name)


@router.post("/imports", max_body_size=10_000_000)
async def count_bytes(body: list[str], tx: Tx, actor: Office) -> int:
    return sum(len(each) for each in body)


@router.delete("/things/{thing_id}", status_code=204)
async def remove_thing(thing_id: UUID, tx: Tx, actor: Office) -> None:
    if not await tx.connection.fetchval("DELETE FROM thing WHERE id = $1 RETURNING true", thing_id):
        raise NotFound(f"There is no thing {thing_id}.")


@router.get("/things")
async def list_things(page: PageQuery, read: Read, actor: Office) -> Page[Thing]:
    rows = await read.fetch(
        """
        SELECT id, name
          FROM thing
         WHERE ($1::uuid IS NULL OR id > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
         ORDER BY id
         LIMIT $3
        """,
        page.after,
        page.updated_since,
        page.fetch,
    )
    return Page[Thing].of(page, rows, lambda row: Thing(**row))


@router.get("/broken")
async def broken(actor: Office) -> None:
    raise ValueError("the secret reason")


@dataclass
class Api:
    """The API, a client of it, the tokens it trusts, and what it did."""

    app: FastAPI
    client: httpx.AsyncClient
    pool: asyncpg.Pool
    clock: FixedClock
    issuer: LocalIssuer
    woken: list[datetime]

    def token(self, role: str = "office", subject: str = "ada", **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.issue(role, subject, **claims)}"}

    async def make(
        self, name: Any = "lamp", key: str | None = None, **headers: str
    ) -> httpx.Response:
        sent = {**self.token(), "Idempotency-Key": key or uuid4().hex, **headers}
        return await self.client.post("/things", json={"name": name}, headers=sent)

    async def names(self) -> list[str]:
        rows = await self.pool.fetch("SELECT name FROM thing ORDER BY name")
        return [row["name"] for row in rows]
