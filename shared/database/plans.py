"""How PostgreSQL plans the statements of a transaction."""

import asyncpg


async def plan_anew(connection: asyncpg.Connection) -> None:
    """Has each statement of this transaction planned for the arguments that it is given.

    A plan made for any arguments takes arrays to be short, and joins a large batch in loops; it
    also has to do for an argument that is NULL, and then reads everything.
    """
    await connection.execute(
        "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on"
    )


async def plan_once(connection: asyncpg.Connection) -> None:
    """Has each statement of this transaction planned once for its connection, to look rows up.

    For those that find a few rows, and take less than planning them. A plan that was made while
    its tables were empty would read all of them for as long as it is kept: so it uses indexes.
    """
    await connection.execute(
        "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
    )
