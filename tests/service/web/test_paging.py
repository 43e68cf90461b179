"""A walk over pages sees each row, and the next walk what it could not see."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.service.web.things import Api


def thing_id(number: int) -> UUID:
    return UUID(int=number)


async def add(api: Api, *numbers: int) -> None:
    await api.pool.executemany(
        "INSERT INTO thing (id, name) VALUES ($1, $2)",
        [(thing_id(number), f"thing {number}") for number in numbers],
    )


async def page(api: Api, **query: Any) -> dict[str, Any]:
    response = await api.client.get("/things", params=query, headers=api.token())
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def walk(api: Api, **query: Any) -> list[str]:
    found = await page(api, **query)
    names = [item["name"] for item in found["items"]]
    while found["next"]:
        found = await page(api, limit=query["limit"], cursor=found["next"])
        names += [item["name"] for item in found["items"]]
    return names


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
async def test_a_walk_sees_each_row_once(api: Api, limit: int) -> None:
    await add(api, *range(1, 7))
    assert await walk(api, limit=limit) == [f"thing {number}" for number in range(1, 7)]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_at_the_end_of_time_is_refused(api: Api, moment: str) -> None:
    crafted = json.dumps({"k": [str(thing_id(1))], "s": moment, "b": "2026-01-01T00:00:00Z"})
    cursor = base64.urlsafe_b64encode(crafted.encode()).decode()
    query = {"updated_since": moment}
    answer = await api.client.get("/things", params=query, headers=api.token())
    assert answer.status_code == 422, answer.text
    answer = await api.client.get("/things", params={"cursor": cursor}, headers=api.token())
    assert answer.status_code in (200, 422), answer.text


async def test_an_empty_list_has_one_page(api: Api) -> None:
    found = await page(api)
    assert (found["items"], found["next"]) == ([], None)


async def test_rows_changed_or_removed_meanwhile_move_nothing(api: Api) -> None:
    await add(api, *range(1, 7))
    first = await page(api, limit=3)
    await api.pool.execute("DELETE FROM thing WHERE id = $1", thing_id(3))
    await api.pool.execute("UPDATE thing SET updated_at = now() WHERE id = $1", thing_id(1))
    second = await page(api, limit=3, cursor=first["next"])
    assert [item["name"] for item in second["items"]] == ["thing 4", "thing 5", "thing 6"]


async def test_a_row_that_is_committed_late_is_in_the_next_walk(api: Api) -> None:
    await add(api, 10, 20)
    async with api.pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO thing (id, name) VALUES ($1, 'late')", thing_id(5))
        first = await page(api, limit=1)
        await transaction.commit()
    second = await page(api, limit=1, cursor=first["next"])
    assert second["as_of"] == first["as_of"]
    seen = [item["name"] for item in first["items"] + second["items"]]
    assert seen == ["thing 10", "thing 20"]
    assert "late" in await walk(api, limit=1, updated_since=first["as_of"])


async def test_updated_since_leaves_out_what_is_older(api: Api) -> None:
    await add(api, 1, 2)
    long_ago = datetime.now(UTC) - timedelta(days=1)
    await api.pool.execute("UPDATE thing SET updated_at = $1 WHERE id = $2", long_ago, thing_id(1))
    assert await walk(api, limit=1, updated_since=datetime.now(UTC).isoformat()) == ["thing 2"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "bm90IGpzb24", "e30", "eyJrIjpbIngiXSwicyI6bnVsbCwiYiI6IjIwMjYtMTEtMDNUMDk6MzBaIn0"],
)
async def test_a_cursor_that_is_none(api: Api, cursor: str) -> None:
    response = await api.client.get("/things", params={"cursor": cursor}, headers=api.token())
    assert response.status_code == 422
    assert response.json()["type"].endswith("/cursor-not-valid")


@pytest.mark.parametrize(
    "query", ["limit=1001", "limit=x", "updated_since=2026-11-03T09:30:00", "updated_since=2026"]
)
async def test_a_query_that_is_none(api: Api, query: str) -> None:
    response = await api.client.get(f"/things?{query}", headers=api.token())
    assert response.status_code == 422
