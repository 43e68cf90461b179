"""Children are started, waited for and ended, also those that would rather not end."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from deploy.embedded import replicas
from deploy.embedded.instance import Instance
from deploy.embedded.jars import ZIPKIN
from deploy.embedded.processes import Identity, wait_until
from deploy.embedded.replicas import want
from deploy.embedded.servers import Server
from deploy.embedded.state import InstanceState
from deploy.embedded.supervisor import Child, Supervisor
from deploy.embedded.trouble import ChildDied, NotReady

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)"
)
WEB = """
import http.server, os, sys
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
given = os.environ.items()
print({name: value for name, value in given if name[:4] in ("ASPI", "OTEL")}, flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["ASPIRE_HTTP_PORT"])), Ok).serve_forever()
"""
STOPPED = """
import http.server, os
class Stopped(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503); self.end_headers()
        self.wfile.write(b'{"status": "not ready", "parts": {"api": {"detail": ""}, "consumer":'
            b' {"detail": "stopped at noon; `aspire resume cpd` lets it go on"}}}')
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["ASPIRE_HTTP_PORT"])), Stopped).serve_forever()
"""
ENDS = """
import signal, sys
signal.signal(signal.SIGUSR1, lambda *_: sys.exit("no room left"))
print("ready", flush=True)
signal.pause()
"""
SETTINGS = {
    **{name: value for name, value in os.environ.items() if name[:4] not in ("ASPI", "OTEL")},
    "ASPIRE_KAFKA": "kafka.example:9092",
    "ASPIRE_CPD_DATABASE_URL": "postgresql://cpd@db.example/cpd",
    "ASPIRE_MEMBERSHIP_DATABASE_URL": "postgresql://membership@db.example/membership",
}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    assert wait_until(condition, time.monotonic() + seconds)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(tmp_path / "log") as supervisor:
        yield supervisor


async def ready(child: Child) -> bool:
    return "ready" in child.last_lines()


async def test_a_child_that_ends_well_is_waited_for(supervisor: Supervisor) -> None:
    await supervisor.run("good", python("print('done')"))
    assert supervisor.children == []


async def test_a_child_that_fails_is_reported_with_its_last_words(supervisor: Supervisor) -> None:
    with pytest.raises(ChildDied, match=r"(?s)bad ended with 3.*no room left"):
        await supervisor.run("bad", python("print('no room left'); raise SystemExit(3)"))


async def test_a_server_is_started_again_where_it_was_killed(supervisor: Supervisor) -> None:
    said: list[str] = []
    kept = server(supervisor, "import time; print('ready', flush=True); time.sleep(60)", said)
    await kept.start()
    kept.look()
    first = kept.child
    os.kill(first.popen.pid, signal.SIGKILL)
    until(lambda: not first.alive)
    while kept.child is first:
        kept.look()
        await supervisor.tick()
    assert kept.child.alive
    until(lambda: "ready" in kept.child.last_lines())
    await kept.close()
    assert said == [
        "server ended by SIGKILL; it starts again on its data.",
        "server answers again.",
    ]


async def test_a_server_that_ends_by_itself_is_reported(supervisor: Supervisor) -> None:
    kept = server(supervisor, ENDS, [])
    await kept.start()
    os.kill(kept.child.popen.pid, signal.SIGUSR1)
    until(lambda: not kept.child.alive)
    with pytest.raises(ChildDied, match=r"(?s)server ended with 1.*no room left"):
        kept.look()


def server(supervisor: Supervisor, code: str, said: list[str]) -> Server:
    async def start() -> Child:
        child = supervisor.spawn("server", python(code))
        await supervisor.until_ready(child, lambda: ready(child), 10)
        return child

    return Server(start, supervisor, said.append)


async def test_a_child_that_is_not_ready_in_time_is_reported(supervisor: Supervisor) -> None:
    child = supervisor.spawn("slow", python(SLEEP))
    with pytest.raises(NotReady, match="slow is not ready"):
        await supervisor.until_ready(child, lambda: ready(child), 0.3)


async def test_a_child_that_will_not_stop_is_killed(supervisor: Supervisor) -> None:
    child = supervisor.spawn("stubborn", python(STUBBORN))
    await supervisor.until_ready(child, lambda: ready(child), 10)
    begun = time.monotonic()
    await supervisor.end([child], seconds=0.5)
    assert time.monotonic() - begun < 3
    assert child.popen.returncode == -signal.SIGKILL


async def test_what_a_killed_child_has_started_is_killed_with_it(supervisor: Supervisor) -> None:
    code = (
        "import subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True);"
        f"print(child.pid); {STUBBORN}"
    )
    child = supervisor.spawn("parent", python(code))
    await supervisor.until_ready(child, lambda: ready(child), 10)
    grandchild = Identity.of(int(child.last_lines().split()[0]))
    assert grandchild is not None
    await supervisor.end([child], seconds=0.2)
    until(lambda: not grandchild.alive())


async def test_a_child_that_was_paused_can_be_stopped(supervisor: Supervisor) -> None:
    child = supervisor.spawn("paused", python(SLEEP))
    child.ward.send(signal.SIGSTOP)
    await supervisor.end([child])
    assert child.popen.returncode == -signal.SIGTERM


async def test_lower_stages_end_first(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        log = tmp_path / "ends"
        code = (
            "import signal, sys, time\n"
            "def end(*_):\n"
            f"    open({str(log)!r}, 'a').write(sys.argv[1] + ' ')\n"
            "    sys.exit()\n"
            "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
        )
        for name, stage in (("server", 1), ("service", 0)):
            child = supervisor.spawn(name, [*python(code), name], stage=stage)
            await supervisor.until_ready(child, partial(ready, child), 10)
    assert log.read_text().split() == ["service", "server"]


async def test_a_watchdog_that_was_killed_is_replaced(supervisor: Supervisor) -> None:
    first = supervisor.watchdog.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: not Identity(first, 0).alive())
    child = supervisor.spawn("child", python(SLEEP))

    def replaced() -> bool:
        supervisor.watchdog.keep()
        return supervisor.watchdog.pid != first

    until(replaced)
    assert child.alive


def instance(
    home: Path, code: str, given: dict[str, str] | None = None, **options: object
) -> Instance:
    return Instance(
        home,
        services=("membership", "cpd"),
        command=lambda service, part: [*python(code), service, part or "all"],
        settings=SETTINGS | (given or {}),
        **options,  # type: ignore[arg-type]
    )


async def test_a_service_gets_its_own_settings_only(tmp_path: Path) -> None:
    async with instance(tmp_path, WEB) as running:
        await running.start_servers()
        address = await running.start_service("cpd")
        log = (tmp_path / "log" / "cpd.log").read_text()
        state = InstanceState.read(tmp_path)
    assert "postgresql://cpd@db.example/cpd" in log
    assert "MEMBERSHIP" not in log
    assert "membership@db.example" not in log
    assert state is not None
    assert [(child.name, child.address, child.ready) for child in state.children] == [
        ("cpd", address, True)
    ]
    assert InstanceState.read(tmp_path) is None


async def test_a_service_that_is_stopped_is_told_of_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "SECONDS_TO_READY", 1.0)
    said: list[str] = []
    async with instance(tmp_path, STOPPED, say=said.append) as running:
        await running.start_servers()
        address = await running.start_service("cpd")
        assert running.addresses()["cpd"] == address
    assert said[-1] == (
        "cpd runs and is not ready (consumer: stopped at noon; `aspire resume cpd` lets it go on). "
        "All else goes on."
    )


async def test_a_zipkin_that_cannot_be_run_is_told_and_ends_nothing(tmp_path: Path) -> None:
    jars = ZIPKIN.folder(tmp_path / "cache")
    jars.mkdir(parents=True)
    (jars / "zipkin-server-3.6.1-slim.jar").write_text("something else")
    said: list[str] = []
    given = {"ASPIRE_CACHE": str(tmp_path / "cache")}
    async with instance(tmp_path, WEB, given, tracing=True, say=said.append) as running:
        await running.start_servers()
        while "zipkin" in running.addresses():
            await running.pause(0.05)
        await running.start_service("cpd")
    [line] = [each for each in said if "Traces are not kept" in each]
    assert "slim.jar has been changed" in line
    assert "OTEL" not in (tmp_path / "log" / "cpd.log").read_text()


@pytest.mark.parametrize(
    ("given", "exporter"),
    [({}, "zipkin"), ({"OTEL_TRACES_EXPORTER": "console"}, "console")],
    ids=["ours", "the user's"],
)
async def test_spans_go_to_zipkin_unless_the_user_says_where(
    tmp_path: Path, given: dict[str, str], exporter: str
) -> None:
    cache = tmp_path / "cache"
    given = {**given, "ASPIRE_CACHE": str(cache), "OTEL_TRACES_SAMPLER": "always_off"}
    with ZIPKIN.locked(cache):  # so that it is still being fetched
        async with instance(tmp_path, WEB, given, tracing=True) as running:
            await running.start_servers()
            assert ("zipkin" in running.addresses()) == (exporter == "zipkin")
            await running.start_service("cpd")
    log = (tmp_path / "log" / "cpd.log").read_text()
    assert f"'OTEL_TRACES_EXPORTER': '{exporter}'" in log
    assert "'OTEL_TRACES_SAMPLER': 'always_off'" in log


async def test_a_replica_that_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    async with instance(tmp_path, WEB, say=said.append) as running:
        await running.start_servers()
        await running.start_service("cpd")
        address = await running.start_service("cpd", replica=2, part="consumer")
        before = pid_of(tmp_path, "cpd-consumer-2")
        os.kill(before, signal.SIGKILL)

        def again() -> bool:
            return pid_of(tmp_path, "cpd-consumer-2") not in {0, before}

        while not again():
            await running.pause(0.05)
        assert running.addresses()["cpd-consumer-2"] == address
    assert any("cpd-consumer-2 ended by SIGKILL" in line for line in said)


async def test_as_many_replicas_run_as_are_wanted(tmp_path: Path) -> None:
    async with asyncio.timeout(60), instance(tmp_path, WEB) as running:
        await running.start_servers()
        address = await running.start_service("cpd")
        waiting = asyncio.create_task(running.wait())

        async def until_running(*names: str) -> None:
            while set(running.addresses()) != set(names):
                await running.pause(0.05)

        want(tmp_path, "membership", 2)
        want(tmp_path, "cpd", 3)
        await until_running("cpd", "cpd-2", "cpd-3")
        third = Identity.of(pid_of(tmp_path, "cpd-3"))
        assert third is not None
        addresses = running.addresses()
        want(tmp_path, "cpd", 1)
        await until_running("cpd")
        while pid_of(tmp_path, "cpd-3"):
            await running.pause(0.05)
        assert not third.alive()
        want(tmp_path, "cpd", 2)
        await until_running("cpd", "cpd-2")
        assert running.addresses() == {"cpd": address, "cpd-2": addresses["cpd-2"]}
    await waiting


async def test_a_replica_that_cannot_start_is_told_and_tried_until_it_is_unwanted(
    tmp_path: Path,
) -> None:
    once = "import os; os.close(os.open('begun', os.O_CREAT | os.O_EXCL))" + WEB
    said: list[str] = []
    code = once.replace("begun", str(tmp_path / "begun"))
    async with asyncio.timeout(60), instance(tmp_path, code, say=said.append) as running:
        await running.start_servers()
        await running.start_service("cpd")
        waiting = asyncio.create_task(running.wait())
        want(tmp_path, "cpd", 2)
        while not said:
            await running.pause(0.05)
        assert set(running.addresses()) == {"cpd"}
        assert pid_of(tmp_path, "cpd-2") == 0
        assert not waiting.done()
    assert "cpd-2 ended with 1" in said[0]
    assert "It is tried again in 10 s." in said[0]


async def test_a_service_that_dies_before_it_is_ready_is_reported(tmp_path: Path) -> None:
    async with instance(tmp_path, "raise SystemExit('no database')") as running:
        await running.start_servers()
        with pytest.raises(ChildDied, match=r"(?s)cpd ended with 1.*no database"):
            await running.start_service("cpd")


async def test_asking_to_stop_ends_a_wait_quietly(tmp_path: Path) -> None:
    async with instance(tmp_path, SLEEP) as running:
        await running.start_servers()
        running.ask_to_stop()
        await running.start_service("cpd")
        pytest.fail("it went on")
    assert InstanceState.last(tmp_path) is None


def pid_of(home: Path, name: str) -> int:
    state = InstanceState.read(home)
    children = state.children if state else ()
    return next((child.pid for child in children if child.name == name), 0)
