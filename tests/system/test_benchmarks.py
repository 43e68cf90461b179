"""Each group of `make bench` has its rows, with so little to do that the figures mean nothing."""

from collections.abc import AsyncIterator
from types import ModuleType

import asyncpg
import pytest
import pytest_asyncio

from benchmarks import (
    appending,
    clicking,
    consuming,
    importing,
    latency,
    remembering,
    rostering,
    sending,
    serving,
)  # fmt: skip
from benchmarks.__main__ import GROUPS
from benchmarks.measure import COUNTING, Bench
from benchmarks.report import table
from tests.infra import Infra

pytestmark = [pytest.mark.bad_day, pytest.mark.timeout(300)]

LITTLE: dict[ModuleType, dict[str, int]] = {
    appending: {"COMMANDS": 10},
    clicking: {"SECONDS": 1, "UNMEASURED": 2},
    consuming: {"ONE_BY_ONE": 20},
    importing: {"SCHOOLS": 100},
    latency: {"SECONDS": 1, "UNMEASURED": 2},
    remembering: {"FEW": 1_000, "SCHOOLS": 500},
    rostering: {"STAFF": 50},
    sending: {"TRUSTS": 60, "HANGING": 10, "RATE": 40, "SECONDS": 1, "UNMEASURED": 2},
    serving: {"DAYS": 1, "LISTS": 2},
}
"""What each takes of its work, where that is not told to the whole bench."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench() -> AsyncIterator[Bench]:
    async with Infra(COUNTING) as infra:
        admin = await asyncpg.connect(infra.admin_dsn)
        await admin.execute("CREATE EXTENSION pg_stat_statements")
        yield Bench(infra, admin, runs=1, events=1_000, growth=2_000)
        await admin.close()


@pytest.mark.parametrize("group", GROUPS)
async def test_a_group_of_the_benchmarks_has_its_rows(
    bench: Bench, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, less in LITTLE.items():
        for name, number in less.items():
            monkeypatch.setattr(module, name, number)
    rows = await GROUPS[group](bench)
    assert rows
    for row in rows:
        assert row.value(row.ours) > 0
        assert row.value(row.theirs) > 0
    assert table(rows, bench.runs).row_count == len(rows)
