"""The feeder's turn: to which trusts slices belong, appended to their feeds.

A turn is one transaction on one snapshot, and begins with a change of the feeder's row. So turns
follow one another, whoever takes them, and each sees all that the one before it saw. A slice and
what makes it a trust's, a stay or a post, meet in a turn that sees both and finds one of them new:
the slice is due, or there is a note to look again.

Notes go first, and pass by what is due. So what has been due once is told before what still is, and
slices of one key are told in their order, also to a trust whose stay was known in between.
"""

from typing import Final

import asyncpg

from shared.database import plan_anew

APPEND: Final = """
     slice_of AS (
         SELECT DISTINCT trust_id, t.position, t.id
           FROM looked_at AS l
           JOIN told AS t USING (position)
          CROSS JOIN LATERAL trusts_of(t) AS o (trust_id)
     ),
     ends AS (
         SELECT e.trust_id,
                coalesce(f.position,
                         (SELECT begins FROM sandbox AS b WHERE b.trust_id = e.trust_id),
                         0) AS position,
                coalesce(f.digest, 0) AS digest
           FROM (SELECT DISTINCT trust_id FROM slice_of) AS e
           LEFT JOIN LATERAL (SELECT position, digest
                                FROM feed
                               WHERE feed.trust_id = e.trust_id
                               ORDER BY feed.position DESC
                               LIMIT 1) AS f ON true
     ),
     appended AS (
         INSERT INTO feed (trust_id, position, told, digest)
         SELECT trust_id,
                e.position + row_number() OVER upwards,
                s.position,
                e.digest # bit_xor(hashtextextended(s.id::text, 0)) OVER upwards
           FROM slice_of AS s
           JOIN ends AS e USING (trust_id)
          WHERE NOT EXISTS (SELECT
                              FROM feed AS f
                             WHERE f.trust_id = s.trust_id
                               AND f.told = s.position)
         WINDOW upwards AS (PARTITION BY trust_id ORDER BY s.position)
         RETURNING told
     )
"""
"""Of the positions in `looked_at`, what their trusts do not have yet."""


async def is_due(connection: asyncpg.Connection) -> bool:
    due: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM told_due) OR EXISTS (SELECT FROM look_again)"
    )
    return due


async def take_turn(connection: asyncpg.Connection, most: int) -> int:
    """Looks at `most` slices, in a transaction of its own; answers how many were appended to feeds.

    Raises asyncpg.SerializationError where another feeder has just had a turn.
    """
    async with connection.transaction(isolation="repeatable_read"):
        turn = await connection.fetchval("UPDATE feeder SET turn = turn + 1 RETURNING turn")
        await plan_anew(connection)
        begun = await _begin_looking(connection, turn, most)
        if begun is None:
            return await _look(connection, most)
        return await _look_again(connection, begun, most)


async def _begin_looking(connection: asyncpg.Connection, turn: int, most: int) -> int | None:
    """The turn in which the notes were begun that are looked into now; None where there is none.

    New ones go before those that are under way: to go on with these under what is known only now
    would tell a trust the end of a stream before its beginning.
    """
    status = await connection.execute(
        """
        UPDATE look_again
           SET begun = $1
         WHERE number IN (SELECT number
                            FROM look_again
                           WHERE begun IS NULL
                           ORDER BY number
                           LIMIT $2)
        """,
        turn,
        most,
    )
    if status != "UPDATE 0":
        return turn
    begun: int | None = await connection.fetchval("SELECT max(begun) FROM look_again")
    return begun


async def _look_again(connection: asyncpg.Connection, begun: int, most: int) -> int:
    row = await connection.fetchrow(
        f"""
        WITH noted AS (
            SELECT DISTINCT audience, audience_id, after FROM look_again WHERE begun = $1
        ),
        who AS (
            SELECT DISTINCT a.audience, a.audience_id, n.after
              FROM noted AS n
             CROSS JOIN LATERAL affected(n.audience, n.audience_id) AS a
        ),
        looked_at AS (
            SELECT t.position
              FROM who
             CROSS JOIN LATERAL (SELECT position
                                   FROM told
                                  WHERE told.audience = who.audience
                                    AND told.audience_id = who.audience_id
                                    AND told.position > who.after
                                    AND NOT EXISTS (SELECT
                                                      FROM told_due AS d
                                                     WHERE d.position = told.position)
                                  ORDER BY told.position
                                  LIMIT $2) AS t
             ORDER BY t.position
             LIMIT $2
        ),
        {APPEND}
        SELECT (SELECT count(*) FROM looked_at) AS looked_at,
               (SELECT max(position) FROM looked_at) AS last,
               (SELECT count(*) FROM appended) AS appended
        """,  # noqa: S608
        begun,
        most,
    )
    assert row is not None
    if row["looked_at"] == most:
        await connection.execute(
            "UPDATE look_again SET after = $2 WHERE begun = $1", begun, row["last"]
        )
    else:
        await connection.execute("DELETE FROM look_again WHERE begun = $1", begun)
    appended: int = row["appended"]
    return appended


async def _look(connection: asyncpg.Connection, most: int) -> int:
    appended: int = await connection.fetchval(
        f"""
        WITH looked_at AS (
            DELETE FROM told_due
             WHERE position IN (SELECT position FROM told_due ORDER BY position LIMIT $1)
         RETURNING position
        ),
        {APPEND}
        SELECT count(*) FROM appended
        """,  # noqa: S608
        most,
    )
    return appended
