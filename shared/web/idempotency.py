"""The answers of commands, kept for seven days under their Idempotency-Key.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from shared.problems import Refused
from shared.web.actor import Actor
from shared.web.problems import problem

KEPT: Final = timedelta(days=7)
HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
LONGEST_PATH: Final = 512
"""It is a part of an index, whose rows are limited."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKeyNeeded(Refused):
    status = 400
    title = "An Idempotency-Key is needed"


class IdempotencyKeyReused(Refused):
    status = 422
    title = "The Idempotency-Key was used for another request"


class PathTooLong(Refused):
    status = 414
    title = "The path is too long"


@dataclass(frozen=True)
class Attempt:
    """A request that may be sent again: who, what, under which key.

    `actor` is who it is and what they may see: an answer is never given to anybody else.
    """

    actor: str
    route: str
    key: str
    request_hash: bytes


def attempt_of(request: Request, body: bytes, actor: Actor) -> Attempt | None:
    """None where there is no key and none is needed. Raises IdempotencyKeyNeeded, PathTooLong."""
    key = request.headers.get(HEADER)
    if key is None and request.method != "POST":
        return None
    # The draft's structured string is quoted; most clients send it bare.
    key = (key or "").strip().removeprefix('"').removesuffix('"')
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyNeeded(
            f"Send the header {HEADER} with a new random value, such as a UUID, for each thing "
            "that you want done, and with the same value when you send it again: "
            "1 to 255 characters of ASCII without spaces."
        )
    path = request.url.path
    if len(path) > LONGEST_PATH:
        raise PathTooLong(
            f"The path has {len(path)} characters, and nothing here has one of more than "
            f"{LONGEST_PATH}. /openapi.json lists what there is."
        )
    asked = hashlib.sha256()
    for part in (request.url.query.encode(), body):
        asked.update(len(part).to_bytes(8, "big") + part)
    return Attempt(actor.fingerprint, f"{request.method} {path}", key, asked.digest())


async def claim(connection: asyncpg.Connection, attempt: Attempt, now: datetime) -> Response | None:
    """Takes the key for this transaction; or the answer that it has got already.

    Waits for a twin that is under way. Raises IdempotencyKeyReused.
    """
    # A key that has expired is as new.
    claimed = await connection.fetchval(
        """
        INSERT INTO idempotency AS known (actor, route, key, request_hash, created_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (actor, route, key) DO UPDATE
           SET request_hash = excluded.request_hash,
               created_at = excluded.created_at,
               status = NULL, headers = NULL, body = NULL
         WHERE known.created_at < $6
        RETURNING true
        """,
        attempt.actor,
        attempt.route,
        attempt.key,
        attempt.request_hash,
        now,
        now - KEPT,
    )
    return None if claimed else await _answer(connection, attempt)


async def _answer(connection: asyncpg.Connection, attempt: Attempt) -> Response:
    row = await connection.fetchrow(
        """
        SELECT request_hash, status, headers, body
          FROM idempotency
         WHERE actor = $1 AND route = $2 AND key = $3
        """,
        attempt.actor,
        attempt.route,
        attempt.key,
    )
    if row is None:
        # Forgotten between the two statements: the client's next try is a new one.
        raise asyncpg.SerializationError("the stored answer has just been forgotten")
    if row["request_hash"] != attempt.request_hash:
        raise IdempotencyKeyReused(
            f"The {HEADER} “{attempt.key}” has been used for {attempt.route} with another body. "
            "Take a new key for another request."
        )
    response = Response(row["body"], status_code=row["status"])
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in json.loads(row["headers"])
    ]
    response.headers[REPLAYED] = "true"
    return response


async def keep(connection: asyncpg.Connection, attempt: Attempt, response: Response) -> None:
    """Stores the answer beside what it answers for."""
    await connection.execute(
        """
        UPDATE idempotency
           SET status = $4, headers = $5, body = $6
         WHERE actor = $1 AND route = $2 AND key = $3
        """,
        attempt.actor,
        attempt.route,
        attempt.key,
        response.status_code,
        _headers(response),
        bytes(response.body),
    )


async def keep_not(connection: asyncpg.Connection, attempt: Attempt) -> None:
    """Stores that it was done, without the answer, which holds a secret."""
    await keep(
        connection,
        attempt,
        problem(
            410,
            "answer-not-kept",
            "The answer was shown once",
            "This was done before. Its answer held a secret, which is kept nowhere. If it was lost "
            "on the way, make a new one: rotate the credentials, under a new Idempotency-Key.",
        ),
    )


async def forget_old_answers(connection: asyncpg.Connection, now: datetime) -> int:
    """Deletes what is older than seven days, a piece at a time; answers how many were deleted."""
    deleted = 0
    while True:
        done: int = await connection.fetchval(
            """
            WITH old AS (
                SELECT actor, route, key
                  FROM idempotency
                 WHERE created_at < $1
                 ORDER BY created_at
                 LIMIT 5000
                   FOR UPDATE SKIP LOCKED
            ),
            gone AS (
                DELETE FROM idempotency USING old
                 WHERE idempotency.actor = old.actor
                   AND idempotency.route = old.route
                   AND idempotency.key = old.key
                RETURNING 1
            )
            SELECT count(*) FROM gone
            """,
            now - KEPT,
        )
        deleted += done
        if done < 5000:
            return deleted


async def erase_answers_about(connection: asyncpg.Connection, *person_ids: UUID) -> int:
    """Empties the stored answers that mention people who have been erased; says how many.

    The keys stay, so that a command that is sent again is not done again: it is answered with 410.
    Rare, so it reads the whole table, which holds seven days, once for all of them.
    """
    gone = problem(
        410,
        "answer-erased",
        "The answer has been erased",
        "This was done before. Its answer named a person who has been erased or merged with "
        "another record since, so it is not kept any more.",
    )
    erased: int = await connection.fetchval(
        """
        WITH emptied AS (
            UPDATE idempotency
               SET status = $2, headers = $3, body = $4
             WHERE EXISTS (
                       SELECT
                         FROM unnest($1::text[]) AS person_id
                        WHERE position(convert_to(person_id, 'UTF8') IN body) > 0
                           OR position(person_id IN route) > 0)
            RETURNING 1
        )
        SELECT count(*) FROM emptied
        """,
        [str(person_id) for person_id in person_ids],
        gone.status_code,
        _headers(gone),
        bytes(gone.body),
    )
    return erased


def _headers(response: Response) -> str:
    return json.dumps(
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
    )
