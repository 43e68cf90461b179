"""Imports beside one another, beside commands, and broken off: each school goes in once."""

import asyncio
from contextlib import suppress

import pytest

from services.membership.register.importing import BATCH_ROWS
from services.membership.store.register import IMPORTS_TAKE_TURNS
from tests.conftest import eventually
from tests.service.membership.office import Office, problem, register, row

pytestmark = pytest.mark.bad_day

SCHOOLS = 2 * BATCH_ROWS + 500
MANY = [row(urn) for urn in range(100001, 100001 + SCHOOLS)]


async def test_two_imports_at_once_register_each_school_once(office: Office) -> None:
    there, back = await asyncio.gather(
        office.imports(register(MANY)), office.imports(register(MANY[::-1]))
    )
    reports = [there.json(), back.json()]
    assert [report["refused"] for report in reports] == [[], []]
    assert sum(report["registered"] for report in reports) == SCHOOLS
    assert sum(report["unchanged"] for report in reports) == SCHOOLS
    assert await office.types() == ["SchoolRegistered"] * SCHOOLS


async def test_what_a_command_changes_before_the_batch_has_its_turn_is_seen(
    office: Office,
) -> None:
    school = await office.school(100001)
    async with office.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", IMPORTS_TAKE_TURNS)
        importing = asyncio.create_task(office.imports(register([row(100001, town="Eastleigh")])))
        await eventually(
            lambda: office.pool.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
            ),
            what="the import waits for its turn",
        )
        await office.do(f"/schools/{school['school_id']}/closure", {"closed_on": "2026-08-31"})
    report = (await importing).json()
    assert report["changed"] == 0
    assert "A closed school does not open again" in report["refused"][0]["reason"]
    assert await office.types() == ["SchoolRegistered", "SchoolClosed"]


async def test_a_batch_sees_what_the_batch_before_it_did(office: Office) -> None:
    first, last = row(100001, number="2000"), row(199999, number="2000")
    twice = [first, *MANY[1:BATCH_ROWS], last]
    report = (await office.imports(register(twice))).json()
    assert (report["registered"], report["refused_count"]) == (BATCH_ROWS, 1)
    assert report["refused"][0]["line"] == BATCH_ROWS + 2
    assert "its LAESTAB 850/2000 is that of School 100001" in report["refused"][0]["reason"]

    given_up = [row(100001, number="2001"), *twice[1:]]
    report = (await office.imports(register(given_up))).json()
    assert (report["registered"], report["changed"], report["refused"]) == (1, 1, [])


async def test_an_import_that_was_broken_off_goes_on_when_the_file_is_sent_again(
    office: Office,
) -> None:
    async def some_are_in() -> bool:
        return bool(await office.pool.fetchval("SELECT EXISTS (SELECT FROM school)"))

    importing = asyncio.create_task(office.imports(register(MANY)))
    await eventually(some_are_in)
    importing.cancel()
    with suppress(asyncio.CancelledError):
        await importing
    went_in = len(await office.types())
    assert 0 < went_in < SCHOOLS
    report = (await office.imports(register(MANY))).json()
    assert (report["registered"], report["unchanged"]) == (SCHOOLS - went_in, went_in)
    assert await office.types() == ["SchoolRegistered"] * SCHOOLS


async def test_a_file_that_breaks_off_after_whole_batches_changes_nothing(office: Office) -> None:
    answer = await office.imports(register(MANY)[:-20])
    assert problem(answer) == (422, "register-cut-off")
    assert await office.types() == []
