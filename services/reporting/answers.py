"""What reporting says, for a rebuild to compare: the national report of each year."""

from collections.abc import AsyncIterator

import asyncpg

from services.reporting import domain
from services.reporting.store import scopes
from services.reporting.store.figures import Asked
from services.reporting.store.summaries import facts
from shared.clock import SystemClock


async def answers(connection: asyncpg.Connection) -> AsyncIterator[tuple[str, str]]:
    """Each report as it goes over HTTP, with its name, as of today."""
    today = SystemClock().today()
    for name in domain.years_between(*await scopes.dates(connection), today):
        year = domain.year_named(name)
        counted = await facts(connection, Asked(year=year), today)
        yield f"report {name}", domain.report_of(year, domain.ENGLAND, counted).model_dump_json()
