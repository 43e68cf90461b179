"""Whatever commands overlap at two replicas, no school is in the programme twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.clock import FixedClock
from shared.web import LocalIssuer
from tests.conftest import Start
from tests.service.crowd import NOTHING_HAPPENED, Crowd
from tests.service.membership.joining import JoiningRush
from tests.service.membership.office import NOW, Office, register, row

pytestmark = pytest.mark.bad_day

SCHOOLS = 2
DAYS = st.sampled_from(("2026-09-01", "2026-10-01", "2026-11-01"))
COPIES = st.sampled_from((1, 1, 1, 3))
COMMANDS = st.one_of(
    st.tuples(st.just("join"), st.integers(0, SCHOOLS - 1), DAYS, COPIES),
    st.tuples(st.just("leave"), st.integers(0, 9), DAYS, COPIES),
    st.tuples(st.just("withdraw"), st.integers(0, 9), COPIES),
)
GROUPS = st.lists(st.lists(COMMANDS, min_size=2, max_size=8), min_size=1, max_size=5)


@pytest_asyncio.fixture
async def crowd(start: Start, issuer: LocalIssuer) -> AsyncIterator[tuple[Office, Crowd]]:
    """An office, and many of it at once at two replicas."""
    async with (
        start("membership", parts=("api",), clock=FixedClock(NOW)) as one,
        start("membership", parts=("api",), clock=FixedClock(NOW), dsn=one.dsn) as two,
    ):
        office = Office(pool=one.pool, client=one.client, issuer=issuer)
        yield office, Crowd([one.client, two.client], {"Authorization": f"Bearer {office.token()}"})


@given(groups=GROUPS)
@settings(
    max_examples=12,
    phases=[Phase.generate],  # what a race has shown once may not be shown again
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_school_is_joined_twice(
    crowd: tuple[Office, Crowd], groups: list[list[tuple[Any, ...]]]
) -> None:
    office, many = crowd
    await office.pool.execute(
        f"TRUNCATE school, school_urn, membership CASCADE; {NOTHING_HAPPENED}"
    )
    await office.imports(register(row(urn) for urn in range(100001, 100001 + SCHOOLS)))
    schools = [each["school_id"] for each in (await office.look("/schools"))["items"]]
    networks = [(await office.network())["network_id"] for _ in range(2)]
    rush = JoiningRush(office.pool, many, schools, networks)

    def sent(act: str, number: int, *rest: Any) -> Awaitable[None]:
        match act:
            case "join":
                day, copies = rest
                return rush.join(number, copies, day, copies)
            case "leave":
                return rush.leave(number, *rest)
            case _:
                return rush.withdraw(number, *rest)

    for group in groups:
        await asyncio.gather(*(sent(*command) for command in group))
    await rush.check()
