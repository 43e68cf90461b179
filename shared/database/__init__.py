"""A service's PostgreSQL database: its connections and its migrations."""

from shared.database.columns import columns
from shared.database.migrations import (
    Migration,
    MigrationChanged,
    migrate,
    migrations_of,
)
from shared.database.plans import plan_anew, plan_once
from shared.database.pool import (
    POOL,
    DatabaseAway,
    acquire,
    answers,
    create_pool,
    wait_for_database,
    why,
)

__all__ = [
    "POOL",
    "DatabaseAway",
    "Migration",
    "MigrationChanged",
    "acquire",
    "answers",
    "columns",
    "create_pool",
    "migrate",
    "migrations_of",
    "plan_anew",
    "plan_once",
    "wait_for_database",
    "why",
]
