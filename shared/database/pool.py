"""Connections to PostgreSQL, with the limits that keep a stopped process from holding locks."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast
from urllib.parse import urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from opentelemetry import metrics

from shared import tls
from shared.problems import Refused

log = logging.getLogger(__name__)


CONNECTING_SECONDS: Final = 10

POOL: Final = "db.client.connection.pool.name"
REQUESTS: Final = {POOL: "requests"}
_meter = metrics.get_meter("aspire.database")
_waited = _meter.create_histogram(
    "db.client.connection.wait_time",
    unit="s",
    description="How long a request waited for a connection to the database",
    explicit_bucket_boundaries_advisory=[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
)
_timed_out = _meter.create_counter(
    "db.client.connection.timeouts",
    unit="{timeout}",
    description="Requests that were told to come back because no connection was to be had in time",
)


class DatabaseAway(Refused):
    """The database cannot be reached, or has no connection free, just now."""

    status = 503
    title = "The service is busy"


async def create_pool(
    dsn: str,
    application_name: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    statement_timeout_seconds: float = 15,
    transaction_timeout_seconds: float = 30,
    patience_seconds: float = 5,
    schema: str | None = None,
) -> asyncpg.Pool:
    """A pool whose connections PostgreSQL (17 or later) itself limits.

    A connection whose other end has gone without a word tells nobody: the client waits
    `patience_seconds` longer than PostgreSQL would let a statement run, then hangs up.

    The transaction timeout is enforced by the server, so it ends the transactions of a process
    that was stopped or lost its network, too; reading lists relies on it (see shared.web.paging).
    A single transaction may set itself another with `SET LOCAL transaction_timeout`.
    json and jsonb are text in both directions: models read and write them. With `schema` names
    are looked up there and nowhere else.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        command_timeout=statement_timeout_seconds + patience_seconds,
        timeout=CONNECTING_SECONDS,
        reset=_leaves_no_trace,
        server_settings={
            "application_name": application_name,
            "statement_timeout": _milliseconds(statement_timeout_seconds),
            "transaction_timeout": _milliseconds(transaction_timeout_seconds),
            "timezone": "UTC",
            **({} if schema is None else {"search_path": schema}),
        },
    )


async def _leaves_no_trace(_: asyncpg.Connection) -> None:
    """Instead of asyncpg's four statements each time that a connection is given back.

    Nothing here sets, listens or locks for longer than a transaction, which a pooler between us and
    the server would not keep either; asyncpg itself ends a transaction that is still open.
    """


AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server died while a connection was being made
)
"""What connecting raises while there is no database, or none that has room."""


@asynccontextmanager
async def acquire(pool: asyncpg.Pool, timeout_seconds: float) -> AsyncIterator[asyncpg.Connection]:
    """A connection for a request; DatabaseAway where there is none within the time."""
    begun = time.perf_counter()
    try:
        connection = await pool.acquire(timeout=timeout_seconds)
    except (*AWAY, *_NOT_READY, asyncpg.InvalidAuthorizationSpecificationError) as error:
        if isinstance(error, TimeoutError):
            _timed_out.add(1, REQUESTS)
        reason = tls.trouble(error) or error or type(error).__name__
        log.warning("No connection to the database: %s", reason)
        raise DatabaseAway(
            "The database does not answer at the moment. Nothing was changed; try again shortly.",
            headers={"Retry-After": "2"},
        ) from error
    finally:
        _waited.record(time.perf_counter() - begun, REQUESTS)
    try:
        # A proxy with the methods of a connection, which the types do not say.
        yield cast("asyncpg.Connection", connection)
    except Exception as error:
        if isinstance(error, TimeoutError):
            connection.terminate()
        if not _lost(connection) or isinstance(error, Refused):
            raise
        log.warning("Lost the connection to the database: %s", error or "it does not answer")
        raise DatabaseAway(
            "The connection to the database was lost. Try again shortly, "
            "with the same Idempotency-Key if it is a command: then it is done once.",
            headers={"Retry-After": "2"},
        ) from error
    finally:
        await pool.release(connection)


def _lost(connection: PoolConnectionProxy) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back already, because it is dead
        return True


def why(error: BaseException) -> str:
    """Why the database cannot be used, in words that follow its name; never with its password."""
    if untrusted := tls.trouble(error):
        return f"cannot be trusted: {untrusted}. Check host, sslmode and sslrootcert in its URL"
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"refuses us: {error}"
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return f"cannot be asked: {error}"
    return f"does not answer ({type(error).__name__})"


async def wait_for_database(dsn: str, timeout_seconds: float | None = None) -> None:
    """Returns once the database lets us in; says every five seconds what it waits for.

    A refused password is no matter of waiting and is raised. Raises TimeoutError after
    `timeout_seconds`, where given.
    """
    async with asyncio.timeout(timeout_seconds):
        attempt = 0
        while (trouble := await answers(dsn)) is not None:
            if attempt % 10 == 0:
                log.warning("Waiting: %s", trouble)
            attempt += 1
            await asyncio.sleep(0.5)
        if attempt:
            log.info("PostgreSQL at %s is there", _address(dsn))


async def answers(dsn: str) -> str | None:
    """None where the database lets us in; otherwise why not, in words.

    A refused password and a URL that is none are no matter of waiting and are raised.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except asyncpg.exceptions.ClientConfigurationError:
        raise
    except (*AWAY, *_NOT_READY) as error:
        reason = tls.trouble(error) or str(error) or type(error).__name__
        return f"PostgreSQL at {_address(dsn)} does not let us in ({reason})"
    await connection.close()
    return None


_NOT_READY: Final = (
    asyncpg.CannotConnectNowError,  # starting up or shutting down
    asyncpg.InvalidCatalogNameError,  # the database is still to be created
    asyncpg.TooManyConnectionsError,
)


def _address(dsn: str) -> str:
    """Hosts, ports and database: never the password."""
    url = urlsplit(dsn)
    return url.netloc.rpartition("@")[2] + url.path


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
