"""A disk that is full: nothing acknowledged is lost, and work goes on when there is room.

PostgreSQL and Kafka each get a small filesystem of their own here, beside the servers of the other
tests.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from deploy.embedded.home import Ports
from deploy.embedded.kafka import Kafka
from deploy.embedded.postgres import FORGETFUL, Postgres
from deploy.embedded.supervisor import Supervisor
from shared.database import migrate
from shared.events.membership import NetworkRenamed
from shared.messaging import cluster
from shared.messaging.relay import Relay
from shared.web import LocalIssuer
from tests.conftest import Start, Started, eventually
from tests.kernel.flow import Flow, history, working

pytestmark = pytest.mark.bad_day

MIB = 1024 * 1024


@dataclass(frozen=True)
class Disk:
    """A filesystem of a few MiB, which a test fills and empties again."""

    folder: Path

    def fill(self, but_for: int = 0) -> None:
        """Leaves only so many bytes; the server may take some while it is looked."""
        with (self.folder / "filler").open("wb") as file:
            while (size := shutil.disk_usage(self.folder).free - but_for) > 0:
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), 0, size)
                    return

    def make_room(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A small tmpfs."""
    folder = Path(tempfile.mkdtemp(prefix="aspire-tests-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=755", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no small filesystem can be mounted here, so no disk can be full: needs root")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(tmp_path / "log") as supervisor:
        yield supervisor


@asynccontextmanager
async def postgres_on(disk: Disk, supervisor: Supervisor) -> AsyncIterator[Postgres]:
    small = {"max_wal_size": "32MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
    server = Postgres(
        supervisor,
        disk.folder / "postgres",
        port=Ports(disk.folder / "ports.json", {}).choose("postgres"),
        services=["membership"],
        settings=FORGETFUL | small,
    )
    await server.start()
    yield server
    await server.stop()


async def test_commands_are_refused_while_postgresql_has_no_room_and_none_is_lost(
    disk: Disk, supervisor: Supervisor, start: Start, issuer: LocalIssuer, topics: list[str]
) -> None:
    async with postgres_on(disk, supervisor) as server:
        dsn = server.database_url("membership")
        await migrate(dsn, "services.membership")
        async with start("membership", parts=("api", "relay"), dsn=dsn) as membership:
            office = Office(membership, issuer)
            await eventually(office.is_accepted, what="the journal is compared, and commands go on")
            disk.fill()
            assert set(await office.commands(refused=5)) == {201, 503}
            assert "disk is full" in office.last_refusal
            await eventually(lambda: _relay_says(membership, "No space left"))
            assert (await office.look()).status_code == 200
            # Without room for its own log, PostgreSQL ends; `aspire up` says so, and ends too.
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await _checkpoint(server)
            await eventually(lambda: _ended(server))
            assert server.child is not None
            assert "No space left on device" in server.child.last_lines()
            assert await office.commands(refused=1) == [503]
            disk.make_room()
            await server.start()
            await eventually(office.is_accepted, what="commands are accepted again")
            await eventually(lambda: _sent(membership), what="the relay has sent all")
            assert {str(row["key"]) for row in await membership.journal()} >= office.accepted
            named = await membership.pool.fetch("SELECT network_id FROM network")
            assert {str(row["network_id"]) for row in named} >= office.accepted


async def test_events_wait_while_kafka_has_no_room_and_none_is_lost(
    disk: Disk, supervisor: Supervisor, flow: Flow
) -> None:
    ports = Ports(disk.folder / "ports.json", {})
    server = Kafka(
        supervisor,
        disk.folder / "kafka",
        port=ports.choose("kafka"),
        controller_port=ports.choose("kafka-controller"),
    )
    await server.start()
    flow.settings = flow.settings.model_copy(
        update={"kafka": server.bootstrap, "relay_delivery_seconds": 3}
    )
    await cluster.create_topics(flow.settings)
    relay, consumer = flow.relay(), flow.consumer()
    async with working(relay), working(consumer):
        [first] = history(1)
        await flow.publish(first)
        await flow.until_ledger_has(1)
        disk.fill()
        for _ in range(20):
            await flow.publish(NetworkRenamed(network_id=UUID(first.key), name="x" * 100_000))
        await eventually(lambda: _ended(server), what="Kafka has ended for want of room")
        await eventually(lambda: _cannot_work(relay), what="the relay says so")
        assert await flow.publisher.fetchval("SELECT count(*) FROM outbox") > 0
        disk.make_room()
        await server.start()
        await flow.until_ledger_has(21, within_seconds=60)
    assert await flow.kernel.ledger() == list(range(1, 22))
    await server.stop()


@dataclass
class Office:
    """A client that keeps its own account of what was accepted."""

    membership: Started
    issuer: LocalIssuer
    accepted: set[str] = field(default_factory=set)
    last_refusal: str = ""

    async def commands(self, refused: int = 0) -> list[int]:
        """Sends one command, and more until so many were refused; answers the statuses."""
        statuses: list[int] = []
        async with asyncio.timeout(60):
            while not statuses or sum(status != 201 for status in statuses) < refused:
                answer = await self._ask("POST", {
                    "name": "N" * 150 + uuid4().hex,
                    "region": "London",
                    "established_on": "2026-01-01",
                })  # fmt: skip
                statuses.append(answer.status_code)
                if answer.status_code == 201:
                    self.accepted.add(answer.json()["network_id"])
                else:
                    self.last_refusal = answer.json()["detail"]
        return statuses

    async def is_accepted(self) -> bool:
        return await self.commands() == [201]

    async def look(self) -> httpx.Response:
        return await self._ask("GET", None)

    async def _ask(self, method: str, body: object) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self.issuer.issue('office', 'office-1')}",
            "Idempotency-Key": uuid4().hex,
        }
        return await self.membership.client.request(method, "/networks", json=body, headers=headers)


async def _checkpoint(server: Postgres) -> None:
    connection = await asyncpg.connect(server.admin_dsn)
    await connection.execute("CHECKPOINT")


async def _ended(server: Postgres | Kafka) -> bool:
    return server.child is not None and not server.child.alive


async def _relay_says(membership: Started, words: str) -> bool:
    parts = (await membership.client.get("/health/ready")).json()["parts"]
    return parts["relay"]["status"] == "not ready" and words in parts["relay"]["detail"]


async def _cannot_work(relay: Relay) -> bool:
    return "does not answer" in (await relay.ready() or "")


async def _sent(membership: Started) -> bool:
    return not await membership.pool.fetchval("SELECT count(*) FROM outbox")
