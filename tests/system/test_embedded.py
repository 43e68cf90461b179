"""Real PostgreSQL and Kafka as children: what they keep, and that nobody outlives anybody."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.embedded.home import Ports, cache
from deploy.embedded.jars import KAFKA
from deploy.embedded.kafka import Kafka, classes
from deploy.embedded.processes import Identity, wait_until
from deploy.embedded.state import InstanceState, down
from deploy.embedded.supervisor import Supervisor
from deploy.embedded.trouble import JarsRefused
from shared.messaging import security
from tests.conftest import eventually

SECONDS_TO_STOP: Final = 10.0
RUN: Final = """
import asyncio, sys
from pathlib import Path
from deploy.embedded.instance import Instance
from deploy.embedded.trouble import Trouble

async def main():
    async with Instance(Path(sys.argv[1]), services=("membership", "cpd")) as instance:
        instance.stop_on_signals()
        await instance.start_servers()
        print("started", flush=True)
        await instance.wait()

try:
    asyncio.run(main())
except Trouble as trouble:
    sys.exit(str(trouble))
"""


class Running:
    """An instance in a process of its own, with neither Java nor Maven nor anything on its PATH."""

    errors: str = ""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if "ASPIRE" not in name}
        begun = time.monotonic()
        self.popen = subprocess.Popen(
            [sys.executable, "-c", RUN, str(home)],
            env=kept | {"PATH": "/usr/sbin", "ASPIRE_CACHE": str(cache())} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        self.seconds_to_start = time.monotonic() - begun
        if not line:
            self.close()
            pytest.fail(f"It did not start: {self.errors}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
        _, self.errors = self.popen.communicate(timeout=20)

    @property
    def state(self) -> InstanceState:
        state = InstanceState.read(self.home)
        assert state is not None
        return state

    @property
    def processes(self) -> list[Identity]:
        """All of them: PostgreSQL's and the watchdog too."""
        me = psutil.Process(self.popen.pid)
        pids = [process.pid for process in (me, *me.children(recursive=True))]
        return [identity for pid in pids if (identity := Identity.of(pid))]


@contextmanager
def killed_afterwards(processes: list[Identity]) -> Iterator[None]:
    """A test that fails leaves nothing behind either."""
    try:
        yield
    finally:
        for process in processes:
            if process.alive():
                os.kill(process.pid, signal.SIGKILL)


def gone(processes: list[Identity], seconds: float = SECONDS_TO_STOP) -> bool:
    return wait_until(
        lambda: not any(process.alive() for process in processes), time.monotonic() + seconds
    )


async def write(state: InstanceState) -> None:
    """A row and a record."""
    connection = await asyncpg.connect(state.database_urls["cpd"])
    await connection.execute("CREATE TABLE kept AS SELECT 'row' AS what")
    await connection.close()
    admin = AIOKafkaAdminClient(**security.options(state.kafka_settings))
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(
        **security.options(state.kafka_settings), acks="all", enable_idempotence=True
    )
    await producer.start()
    await producer.send_and_wait("kept", b"record")
    await producer.stop()


async def read(state: InstanceState) -> tuple[str, bytes]:
    """The row and the record."""
    connection = await asyncpg.connect(state.database_urls["cpd"])
    row: str = await connection.fetchval("SELECT what FROM kept")
    await connection.close()
    consumer = AIOKafkaConsumer(**security.options(state.kafka_settings))
    await consumer.start()
    consumer.assign([TopicPartition("kept", 0)])
    await consumer.seek_to_beginning()
    record = await asyncio.wait_for(consumer.getone(), 20)
    await consumer.stop()
    return row, record.value


@contextmanager
def new_home() -> Iterator[Path]:
    """Not pytest's tmp_path: pytest shuts its folder to other accounts, PostgreSQL's too."""
    with tempfile.TemporaryDirectory(prefix="aspire-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Path, list[Running]]]:
    """A home that these tests share, as each start takes seconds, and what ran in it."""
    with new_home() as home:
        ran: list[Running] = []
        yield home, ran
        for each in ran:
            each.close()


@pytest.fixture
def running(shared: tuple[Path, list[Running]]) -> Running:
    """The instance in the shared home, started anew where a test has ended it."""
    home, ran = shared
    if not ran or ran[-1].popen.poll() is not None:
        ran.append(Running(home))
    return ran[-1]


async def test_a_role_opens_its_own_database_only(running: Running) -> None:
    urls = running.state.database_urls
    connection = await asyncpg.connect(urls["cpd"])
    assert await connection.fetchval("SELECT current_user || '@' || current_database()") == (
        "cpd@cpd"
    )
    assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = 'cpd'") is False
    await connection.close()
    for other in ("membership", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(urls["cpd"].rsplit("/", 1)[0] + f"/{other}")


async def test_a_wrong_password_is_refused(running: Running) -> None:
    url = running.state.database_urls["cpd"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="another")


async def test_kafka_makes_no_topic_by_accident(running: Running) -> None:
    producer = AIOKafkaProducer(
        **security.options(running.state.kafka_settings), request_timeout_ms=1000
    )
    await producer.start()
    client = producer.client
    await client.fetch_all_metadata()
    assert "misspelt" not in client.cluster.topics()
    client.add_topic("misspelt")
    await client.force_metadata_update()
    assert "misspelt" not in client.cluster.topics()
    await producer.stop()


def test_passwords_are_their_owners_alone(running: Running) -> None:
    secret = ("postgres/passwords.json", "kafka/passwords.json", "kafka/server.properties")
    for name in (*secret, "run/state.json"):
        assert (running.home / name).stat().st_mode & 0o077 == 0


def test_another_process_learns_what_runs(running: Running) -> None:
    state = running.state
    assert state.pid == running.popen.pid
    assert {child.name: child.kind for child in state.children} == {
        "kafka": "server",
        "postgres": "server",
    }
    assert all(child.ready and child.identity.alive() for child in state.children)
    assert state.kafka == next(child.address for child in state.children if child.name == "kafka")


@pytest.mark.bad_day
async def test_a_server_that_is_killed_is_started_again(running: Running) -> None:
    url, old = running.state.database_urls["cpd"], pids(running)["postgres"]
    os.kill(old, signal.SIGKILL)

    async def answers() -> bool:
        if pids(running).get("postgres", old) == old:
            return False
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    await eventually(answers, within_seconds=30)
    assert running.popen.poll() is None


def pids(running: Running) -> dict[str, int]:
    return {child.name: child.pid for child in running.state.children}


def test_a_second_instance_in_the_same_home_is_refused(running: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-c", RUN, str(running.home)], capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 1
    assert f"already runs in {running.home} (process {running.popen.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert running.state.pid == running.popen.pid


@pytest.mark.skipif(
    not hasattr(psutil.Process, "memory_maps"), reason="this system does not show mapped files"
)
def test_kafka_starts_from_the_classes_that_were_kept(running: Running) -> None:
    (kafka,) = [child for child in running.state.children if child.name == "kafka"]
    mapped = {each.path for each in psutil.Process(kafka.identity.pid).memory_maps()}
    assert str(classes(cache())) in mapped


def test_a_second_instance_runs_beside_the_first_and_sigterm_ends_it(
    running: Running, home: Path
) -> None:
    with Running(home) as second:
        processes = second.processes
        with killed_afterwards(processes):
            assert len(processes) > 4
            assert second.state.kafka != running.state.kafka
            begun = time.monotonic()
            second.popen.terminate()
            assert second.popen.wait(SECONDS_TO_STOP) == 0
            assert time.monotonic() - begun < SECONDS_TO_STOP
            assert gone(processes, 1)
            assert InstanceState.last(second.home) is None
    assert running.state.live


@pytest.mark.bad_day
async def test_data_survive_the_killing_of_every_process(
    running: Running, shared: tuple[Path, list[Running]]
) -> None:
    before = running.state
    await write(before)
    processes = running.processes
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
    running.popen.wait()
    assert gone(processes, 2)
    again = Running(running.home)
    shared[1].append(again)
    assert await read(again.state) == ("row", b"record")
    assert again.state.kafka == before.kafka
    assert again.state.database_urls == before.database_urls
    # On an idle machine it takes 3 to 4 s: the JVM's start, and every log is looked through.
    assert again.seconds_to_start < 30


@pytest.mark.bad_day
def test_killing_the_parent_ends_every_process(running: Running) -> None:
    processes = running.processes
    with killed_afterwards(processes):
        running.popen.kill()
        running.popen.wait()
        assert gone(processes)
    assert InstanceState.read(running.home) is None
    assert not down(running.home)
    # Not killed: each was asked to stop, in turn.
    assert "database system is shut down" in (running.home / "log/postgres.log").read_text()


@pytest.mark.bad_day
def test_orphans_of_an_earlier_instance_are_ended_first(home: Path) -> None:
    with Running(home, ASPIRE_KAFKA="kafka.example:9092") as first:
        processes = first.processes
        with killed_afterwards(processes):
            (orphan,) = first.state.children
            os.kill(first.state.watchdog, signal.SIGKILL)
            first.popen.kill()
            first.popen.wait()
            assert orphan.identity.alive()
            with Running(home, ASPIRE_KAFKA="kafka.example:9092") as again:
                assert not orphan.identity.alive()
                assert [child.name for child in again.state.children] == ["postgres"]


@pytest.mark.bad_day
def test_a_lock_file_with_a_number_that_is_anothers_now_is_no_hindrance(home: Path) -> None:
    with Running(home, ASPIRE_KAFKA="kafka.example:9092") as first:
        first.close()
    # As after a restart of the machine, when the numbers are dealt anew.
    sleeper = psutil.Popen(["sleep", "60"], user=(home / "postgres/data").stat().st_uid)
    try:
        (home / "postgres/data/postmaster.pid").write_text(f"{sleeper.pid}\n/elsewhere\n1\n1\n\n")
        with Running(home, ASPIRE_KAFKA="kafka.example:9092") as again:
            assert [child.name for child in again.state.children] == ["postgres"]
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.bad_day
async def test_kafka_starts_without_kept_classes_too(tmp_path: Path) -> None:
    KAFKA.fetch(cache())
    KAFKA.folder(tmp_path).symlink_to(KAFKA.folder(cache()))
    classes(tmp_path).touch()
    ports = Ports(tmp_path / "ports.json", {})
    async with Supervisor(tmp_path / "log") as supervisor:
        kafka = Kafka(
            supervisor,
            tmp_path / "kafka",
            port=ports.choose("kafka"),
            controller_port=ports.choose("controller"),
            cache=tmp_path,
        )
        assert (await kafka.start()).ready


async def test_changed_jars_are_not_run(tmp_path: Path) -> None:
    KAFKA.fetch(cache())
    copy = KAFKA.folder(tmp_path)
    copy.mkdir()
    for jar in KAFKA.folder(cache()).iterdir():
        (copy / jar.name).symlink_to(jar)
    changed = next(copy.glob("kafka-clients-*.jar"))
    changed.unlink()
    changed.write_bytes(b"something else")
    ports = Ports(tmp_path / "ports.json", {})
    async with Supervisor(tmp_path / "log") as supervisor:
        kafka = Kafka(
            supervisor,
            tmp_path / "kafka",
            port=ports.choose("kafka"),
            controller_port=ports.choose("controller"),
            cache=tmp_path,
        )
        with pytest.raises(JarsRefused, match=f"{changed.name} has been changed"):
            await kafka.start()
        assert supervisor.children == []
