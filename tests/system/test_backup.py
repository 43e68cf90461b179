"""What docs/operations/backup.md says, done: a platform dumped and restored."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from deploy.cli.app import invoke
from deploy.embedded.postgres import _binaries
from shared.clock import FixedClock
from shared.service import SERVICES
from shared.settings import Settings
from shared.web import LocalIssuer
from tests.conftest import Database, Start, Started, database_url, eventually
from tests.infra import Infra
from tests.service.scheduling.world import NOW, World

pytestmark = pytest.mark.bad_day

ORDER = ("reporting", "integration", "cpd", "scheduling", "membership")
"""Whoever reads before whom it reads: no inbox knows what a journal of the backup lacks."""

RESTING = ("membership", "scheduling")
"""Whose consumers rest meanwhile, for integration, which reads them, is read by them."""

PUBLISHING = ("membership", "scheduling", "cpd", "integration")

NAMED = ("Ada Uniquename", "Bea Uniquename")

Ids = dict[str, set[str]]


@dataclass
class Site:
    """Services on some databases and some Kafka, and the command beside them."""

    start: Start
    issuer: LocalIssuer
    infra: Infra
    settings: Settings
    patch: pytest.MonkeyPatch

    def environment(self, dsns: dict[str, str], prefix: str) -> None:
        """What the command is told from here on."""
        told = {"HOME": self.settings.home, "KAFKA": self.settings.kafka, "TOPIC_PREFIX": prefix,
                "PARTITIONS": self.settings.partitions}  # fmt: skip
        told |= {f"{name.upper()}_DATABASE_URL": dsn for name, dsn in dsns.items()}
        for name, value in told.items():
            self.patch.setenv(f"ASPIRE_{name}", str(value))

    @asynccontextmanager
    async def running(
        self, dsns: dict[str, str], prefix: str, parts: tuple[str, ...] | None = None
    ) -> AsyncIterator[dict[str, World]]:
        """The services of these databases, with all of their parts unless some are named."""
        clock = FixedClock(NOW)
        async with AsyncExitStack() as stack:
            services: dict[str, Started] = {
                name: await stack.enter_async_context(
                    self.start(name, parts, clock=clock, dsn=dsn, topic_prefix=prefix)
                )
                for name, dsn in dsns.items()
            }
            yield {
                name: World(each.pool, each.client, issuer=self.issuer, clock=clock, dsn=each.dsn)
                for name, each in services.items()
            }

    async def dump(self, dsn: str, file: Path) -> None:
        await program("pg_dump", "--format=custom", f"--dbname={dsn}", f"--file={file}")

    @asynccontextmanager
    async def restored(self, backups: dict[str, Path]) -> AsyncIterator[dict[str, str]]:
        """New databases from the backups, with none of the old ones there any more."""
        names = {service: f"restored_{service}_{uuid4().hex[:8]}" for service in backups}
        admin = await asyncpg.connect(self.infra.admin_dsn)
        dsns = {}
        for service, name in names.items():
            await admin.execute(f"CREATE DATABASE {name}")
            dsns[service] = database_url(self.infra.admin_dsn, name)
            await program("pg_restore", "--no-owner", "--exit-on-error",
                          f"--dbname={dsns[service]}", str(backups[service]))  # fmt: skip
        yield dsns
        for name in names.values():
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def program(name: str, *arguments: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [str(_binaries() / name), *arguments], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def site(
    start: Start, issuer: LocalIssuer, infra: Infra, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:  # fmt: skip
    return Site(start, issuer, infra, settings, monkeypatch)


@pytest.fixture
def aspire(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command in a thread, for it has an event loop of its own; answers what it prints."""

    async def run(*arguments: str) -> str:
        with ThreadPoolExecutor(1) as thread:
            loop = asyncio.get_running_loop()
            code = await loop.run_in_executor(thread, invoke, arguments)
        printed = capsys.readouterr()
        assert code == 0, (arguments, printed)
        return printed.out

    return run


@dataclass
class Term:
    """Some facts of before the backup and some of after it."""

    dsns: dict[str, str]
    backups: dict[str, Path]
    said: Ids
    report: dict[str, Any]
    erased_before: Any
    erased_after: Any


@pytest_asyncio.fixture
async def term(
    site: Site, database: Database, settings: Settings, topics: list[str], tmp_path: Path
) -> Term:
    dsns = {name: await database(name) for name in SERVICES}
    backups = {name: tmp_path / f"{name}.dump" for name in ORDER}
    others = {name: dsn for name, dsn in dsns.items() if name not in RESTING}
    own = {name: dsns[name] for name in RESTING}
    prefix = settings.topic_prefix
    async with site.running(others, prefix) as rest:
        async with site.running(own, prefix) as office:
            worlds = office | rest
            ada, bea = [await person(office["membership"], name) for name in NAMED]
            await person(office["membership"], "Cyd Stays")
            await erase(office["membership"], ada)
            solent = await network(office["membership"], office["scheduling"], "Solent")
            await office["scheduling"].day(solent)
            connection = await connected_trust(worlds)
            await taken(worlds)

        async with site.running(own, prefix, ("api", "relay")):
            for name in ORDER:
                await site.dump(dsns[name], backups[name])
                if name == "integration":  # what it says now is in no dump
                    await rest[name].post(f"{connection}/rotation")
                    await eventually(lambda: sent(rest["integration"]))

        async with site.running(own, prefix) as office:
            worlds = office | rest
            await erase(office["membership"], bea)
            tamar = await network(office["membership"], office["scheduling"], "Tamar")
            await office["scheduling"].day(tamar, title="After the backup")
            await taken(worlds)
            return Term(dsns, backups, await ids(worlds), await report(rest["reporting"]), ada, bea)


async def test_databases_are_lost_and_kafka_has_what_was_said_since_the_backup(
    site: Site, term: Term, settings: Settings, aspire: Callable[..., Any]
) -> None:
    async with site.restored(term.backups) as dsns:
        site.environment(dsns, settings.topic_prefix)
        for name in PUBLISHING:
            told = await aspire("reconcile", name, "--accept", "--because", "the disk is gone")
            if name == "membership":
                assert f"/people/{term.erased_after}/erasure" in told.replace("\n", "")
        async with site.running(dsns, settings.topic_prefix) as worlds:
            await erase(worlds["membership"], term.erased_after)
            await taken(worlds)
            now = await ids(worlds)
            assert {name: said - now[name] for name, said in term.said.items()} == nothing()
            assert await report(worlds["reporting"]) == term.report
            assert await named("Uniquename", worlds) == []
            assert await named("Cyd Stays", worlds) != []
        await aspire("verify")


async def test_all_is_lost_but_the_backup(
    site: Site, term: Term, settings: Settings, aspire: Callable[..., Any]
) -> None:
    site.environment(term.dsns, settings.topic_prefix)
    kept_elsewhere = await aspire("events", "--type", "PersonErased", "--json")
    another_kafka = f"n{uuid4().hex[:8]}."
    async with site.restored(term.backups) as dsns:
        site.environment(dsns, another_kafka)
        await aspire("migrate")
        await aspire("republish")
        async with site.running(dsns, another_kafka) as worlds:
            await taken(worlds)
            now = await ids(worlds)
            lost = {name: len(said - now[name]) for name, said in term.said.items()}
            # PersonErased and NetworkEstablished; NetworkDayScheduled; TrustCredentialsRotated.
            assert lost == {"membership": 2, "scheduling": 1, "cpd": 0, "integration": 1}
            assert await named("Ada Uniquename", worlds) == []
            assert await named("Bea Uniquename", worlds) != []
            for each in (term.erased_before, term.erased_after):
                assert each in kept_elsewhere
                await erase(worlds["membership"], each)
            await taken(worlds)
            assert await named("Uniquename", worlds) == []
        await aspire("verify")


def nothing() -> Ids:
    return {name: set() for name in PUBLISHING}


async def person(office: World, name: str) -> Any:
    await ready(office)
    made = await office.post("/people", {"name": name, "email": "a@b.example"}, expect=201)
    return made["person_id"]


async def erase(office: World, person_id: Any) -> None:
    await ready(office)
    await office.post(f"/people/{person_id}/erasure")


async def network(office: World, days: World, name: str) -> Any:
    body = {"name": name, "region": "South East", "established_on": "2025-09-01"}
    made = (await office.post("/networks", body, expect=201))["network_id"]

    async def known() -> bool:
        answer = await days.client.get(f"/networks/{made}", headers=days.token())
        return answer.status_code == 200

    await eventually(known)
    return made


async def connected_trust(worlds: dict[str, World]) -> str:
    """The path of a trust's connection, which membership has heard of."""
    made = await worlds["membership"].post(
        "/groups", {"name": "Solent Trust", "kind": "trust"}, expect=201
    )
    path = f"/trusts/{made['group_id']}/connection"
    integration = worlds["integration"]

    async def known() -> bool:
        answer = await integration.client.get(path, headers=integration.token())
        return answer.status_code == 200

    await eventually(known)
    await ready(integration)
    await integration.post(path, expect=201)
    return path


async def ready(world: World) -> None:
    """The service takes commands."""

    async def is_ready() -> bool:
        parts = (await world.client.get("/health/ready")).json()["parts"]
        return bool(parts["api"]["status"] == "ready")

    await eventually(is_ready)


async def ids(worlds: dict[str, World]) -> Ids:
    """The facts that each journal has; of profiles it has the newest only, or the newest end."""
    query = "SELECT id FROM event WHERE topic <> 'aspire.people'"
    found = {name: await worlds[name].pool.fetch(query) for name in PUBLISHING}
    return {name: {str(row["id"]) for row in rows} for name, rows in found.items()}


async def taken(worlds: dict[str, World]) -> None:
    """Until every service has taken all that the journals say of the topics that it reads."""

    async def all_of_it() -> bool:
        streams = {
            row["topic"]: row["sum"]
            for name in PUBLISHING
            for row in await worlds[name].pool.fetch(
                "SELECT topic, sum(sequence) FROM stream GROUP BY topic"
            )
        }
        for name in ORDER:
            inbox = await worlds[name].pool.fetch(
                "SELECT topic, sum(sequence) FROM inbox GROUP BY topic"
            )
            if any(streams[row["topic"]] != row["sum"] for row in inbox) or not inbox:
                return False
        return all([await sent(worlds[name]) for name in PUBLISHING])

    await eventually(all_of_it, within_seconds=40, what="everything has taken effect")


async def sent(world: World) -> bool:
    return not await world.pool.fetchval("SELECT count(*) FROM outbox")


async def report(reporting: World) -> dict[str, Any]:
    found: dict[str, Any] = await reporting.get("/reports/2026-27")
    return found


async def named(name: str, worlds: dict[str, World]) -> list[str]:
    """The tables in which a name stands, stored answers included."""
    found = []
    for service, world in worlds.items():
        tables = await world.pool.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        for (table,) in tables:
            text = "convert_from(t.body, 'UTF8')" if table == "idempotency" else "t::text"
            query = f'SELECT count(*) FROM "{table}" AS t WHERE {text} LIKE $1'  # noqa: S608
            if await world.pool.fetchval(query, f"%{name}%"):
                found.append(f"{service}.{table}")
    return found
