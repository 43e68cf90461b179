"""Works out from the journal and the tables alone whether the rules of days held throughout."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg


async def check_places(pool: asyncpg.Pool, day_id: UUID | str) -> None:
    """Never overbooked, the waiting list served in order, and the tables as the events say."""
    places, booked, queue = 0, set[str](), list[str]()
    async for name, body in _journal(pool, str(day_id)):
        place_id = body.get("place_id", "")
        match name:
            case "NetworkDayScheduled" | "NetworkDayRescheduled":
                places = body["places"]
            case "PlaceWaitlisted":
                assert len(booked) == places, "waits although a place is free"
                queue.append(place_id)
            case "PlaceBooked" if body["from_waiting_list"]:
                assert queue.pop(0) == place_id, "another than the first in the queue"
                booked.add(place_id)
            case "PlaceBooked":
                assert not queue, "overtakes the queue"
                booked.add(place_id)
            case "PlaceReleased" if place_id in booked:
                booked.remove(place_id)
            case "PlaceReleased":
                queue.remove(place_id)
        assert len(booked) <= places, "overbooked"
    rows = await pool.fetch(
        "SELECT place_id, status FROM place WHERE day_id = $1 ORDER BY number", day_id
    )
    now = [(str(row["place_id"]), row["status"]) for row in rows]
    assert {place_id for place_id, status in now if status == "booked"} == booked
    assert [place_id for place_id, status in now if status == "waiting"] == queue
    assert not queue or len(booked) == places, "waits although a place is free"


async def check_advisers(pool: asyncpg.Pool) -> None:
    """No adviser was ever in two places on a date. In the order of the journal: a day that takes
    over a date waits for the commit of the one that gives it up."""
    where: dict[tuple[str, str], str] = {}
    of_day: dict[str, tuple[str, str]] = {}
    async for name, body in _journal(pool):
        if not name.startswith("DevelopmentDay"):
            continue
        day_id = body["day_id"]
        match name:
            case "DevelopmentDayPlanned":
                taken = of_day[day_id] = (body["adviser_id"], body["date"])
                assert where.setdefault(taken, day_id) == day_id, "in two places"
            case "DevelopmentDayRescheduled":
                del where[of_day[day_id]]
                taken = of_day[day_id] = (body["adviser_id"], body["date"])
                assert where.setdefault(taken, day_id) == day_id, "in two places"
            case "DevelopmentDayCancelled":
                del where[of_day.pop(day_id)]
    rows = await pool.fetch(
        "SELECT day_id, adviser_id, date FROM development_day WHERE status <> 'cancelled'"
    )
    assert {(str(row["adviser_id"]), str(row["date"])): str(row["day_id"]) for row in rows} == where


async def _journal(
    pool: asyncpg.Pool, key: str | None = None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for row in await pool.fetch(
        """
        SELECT type, payload
          FROM event
         WHERE $1::text IS NULL OR key = $1
         ORDER BY position
        """,
        key,
    ):
        yield row["type"].split(".")[-2], json.loads(row["payload"])
