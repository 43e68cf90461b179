"""How PostgreSQL plans the statements of a transaction."""

import asyncpg


async def plan_anew(connection: asyncpg.Connection) -> None:
    """Has each statement of this transaction planned for the arguments that it is given.

    A plan made for any arguments takes arrays to be short, and joins a large batch in loops; it
    also has to do for an argument that is NULL, and then reads everything.
    """
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
