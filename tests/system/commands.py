"""The command `aspire` as tests give it, and what they do to its platform behind its back."""

import asyncio
import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg

from deploy.cli.app import invoke
from deploy.embedded.home import cache
from deploy.embedded.state import InstanceState


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Aspire:
    """Runs `aspire` in one home, with nothing else of ours in its environment."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "ASPIRE" not in name}
        return kept | {
            "ASPIRE_HOME": str(self.home),
            "ASPIRE_CACHE": str(cache()),
            "ASPIRE_PARTITIONS": "3",
        }

    def __call__(self, *arguments: str, **settings: str) -> Done:
        """In this process, as a new one spends most of its time on importing; in a thread, as the
        commands run event loops of their own."""
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment | settings, clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
            ThreadPoolExecutor(1) as thread,
        ):
            code = thread.submit(invoke, arguments).result(100)
        return Done(code, out.getvalue(), err.getvalue())

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def database_url(self, service: str) -> str:
        """With its password, which `aspire status` does not show."""
        return self.state.database_urls[service]

    @property
    def state(self) -> InstanceState:
        """Of the instance that runs, with its passwords."""
        state = InstanceState.read(self.home)
        assert state is not None
        return state

    def eventually(self, *arguments: str, holds: str) -> str:
        """What a command prints once that has `holds` in it."""
        deadline = time.monotonic() + 30
        while True:
            done = self(*arguments)
            if holds in done.stdout:
                return done.stdout
            assert time.monotonic() < deadline, (done.stdout, done.stderr)

    def url(self, service: str) -> str:
        """Where a service's HTTP is."""
        return str(self.json("status")["services"][service]["address"])

    def until_zipkin_is_ready(self) -> None:
        """Nobody waits for it, so a busy machine may let it start later than everything else."""
        deadline = time.monotonic() + 80
        while not self.json("status")["zipkin"]["ready"]:
            assert time.monotonic() < deadline, (self.home / "log" / "zipkin.log").read_text()

    def until_traced(self, event: str, wanted: set[tuple[str, str]]) -> None:
        """Returns when the event's trace has spans of these services and names."""
        deadline = time.monotonic() + 30
        while True:
            done = self("trace", event, "--json")
            spans = json.loads(done.stdout)["spans"] if done.returncode == 0 else []
            if not (lacking := wanted - {(each["service"], each["name"]) for each in spans}):
                return
            assert time.monotonic() < deadline, (lacking, done.stderr)
            time.sleep(0.1)


def run_sql(dsn: str, statement: str) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(run())
