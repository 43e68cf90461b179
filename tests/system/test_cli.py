"""The command `aspire` against a whole platform that it has started itself."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from deploy.demo.register import write_register
from shared.service import SERVICES
from tests import bad_event
from tests.system import small_year
from tests.system.commands import Aspire, run_sql
from tests.system.scaling import SECONDS, Networks, applied, replicas
from tests.system.story import follow

SECONDS_TO_START = 100.0
SECONDS_TO_STOP = 10.0
SCHOOLS = 320


@pytest.fixture(scope="module")
def aspire() -> Iterator[Aspire]:
    # Not in pytest's own folder: another run closes that to PostgreSQL's account.
    home = Path(tempfile.mkdtemp(prefix="aspire-cli-"))
    yield Aspire(home)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def up(aspire: Aspire) -> Iterator[subprocess.Popen[str]]:
    """`aspire up`, until the last test is over."""
    log = aspire.home / "up.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "up"],
            env=aspire.environment,
            stdout=output,
            stderr=output,
            text=True,
        )
    deadline = time.monotonic() + SECONDS_TO_START
    while "Ctrl-C" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"aspire up did not start:\n{log.read_text()}")
        time.sleep(0.1)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS_TO_STOP + 5)


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("register") / "register.csv"
    write_register(path, seed=1, schools=SCHOOLS)
    with path.open("a", encoding="cp1252", newline="") as file:
        file.write('"12","830","Derbyshire"\r\n')
    return path


@pytest.mark.usefixtures("up")
def test_up_prints_the_addresses_and_a_link_to_the_report(aspire: Aspire) -> None:
    printed = (aspire.home / "up.txt").read_text()
    link = next(line for line in printed.splitlines() if "/#token=" in line)
    address, _, token = link.partition("/#token=")
    answer = httpx.get(
        f"{address}/reports/2025-26", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    assert answer.status_code == 200
    assert "\x1b[" not in printed, "no colours where nobody watches"


@pytest.mark.usefixtures("up")
def test_status_knows_every_process_and_database(aspire: Aspire) -> None:
    status = aspire.json("status")
    assert status["running"] is True
    for name, service in status["services"].items():
        assert service["status"] == "ready"
        assert [each["pid"] for each in service["flow"]["replicas"]] == [service["pid"]]
        assert psutil.pid_exists(service["pid"])
        assert f"//{name}:***@127.0.0.1:" in service["database_url"]
        assert service["database_url"].endswith(f"/{name}")
    assert set(status["services"]) == set(SERVICES)
    for server in ("kafka", "postgres"):
        assert psutil.pid_exists(status[server]["pid"])
    assert "ready" in aspire("status").stdout


@pytest.mark.usefixtures("up")
async def test_a_school_joins_learns_and_is_in_the_report(aspire: Aspire) -> None:
    await follow(aspire)


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("mode", [["--json"], []])
def test_status_is_watched_until_nobody_reads(aspire: Aspire, mode: list[str]) -> None:
    with watching(aspire, *mode) as watched:
        assert watched.stdout is not None
        watched.stdout.readline()
        watched.stdout.close()
        assert watched.wait(20) == 0


@pytest.mark.usefixtures("up")
def test_status_is_watched_until_ctrl_c(aspire: Aspire) -> None:
    with watching(aspire, "--json") as watched:
        assert watched.stdout is not None
        looks = [json.loads(watched.stdout.readline()) for _ in range(2)]
        watched.send_signal(signal.SIGINT)
        watched.communicate(timeout=20)  # it may be writing the next one
    assert all(each["services"]["cpd"]["flow"]["service"] == "cpd" for each in looks)
    assert watched.returncode == 130


def watching(aspire: Aspire, *mode: str) -> subprocess.Popen[str]:
    command = ("status", "--watch", "--every", "0.5", *mode)
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", *command],
        env=aspire.environment,
        stdout=subprocess.PIPE,
        text=True,
        # Where a shell runs the tests in the background, it has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.usefixtures("up")
def test_a_second_instance_in_the_same_home_is_refused(aspire: Aspire) -> None:
    for command in (("up",), ("demo", "--once")):
        done = aspire(*command)
        assert done.returncode == 2
        assert "already runs" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("up")
def test_migrate_again_changes_nothing(aspire: Aspire) -> None:
    done = aspire("migrate")
    assert done.returncode == 0
    assert done.stdout.count("up to date") == len(SERVICES)
    assert "topics: all there" in done.stdout


@pytest.mark.usefixtures("up")
def test_migrate_says_so_when_kafka_is_away(aspire: Aspire) -> None:
    done = aspire("migrate", ASPIRE_KAFKA="127.0.0.1:1")
    assert done.returncode == 0
    assert "the topics are not created" in done.stderr


@pytest.mark.usefixtures("up")
def test_a_register_goes_in_and_its_events_can_be_read(aspire: Aspire, register: Path) -> None:
    imported = aspire.json("import-schools", str(register))
    assert imported["registered"] == SCHOOLS
    assert imported["refused_count"] == 1
    assert imported["refused"][0]["line"] == SCHOOLS + 2

    again = aspire("import-schools", str(register))
    assert again.returncode == 0
    assert f"{SCHOOLS:,}" in again.stdout
    assert "columns instead of" in again.stdout

    line = aspire.eventually(
        "events", "--type", "SchoolRegistered", "--limit", "1", "--json", holds="SchoolRegistered"
    )
    event = json.loads(line)
    assert event["topic"] == "aspire.membership"
    assert event["data"]["school_id"] == event["key"]
    shown = aspire("events", "--key", event["key"], "--topic", "membership").stdout
    assert "membership.SchoolRegistered.v1" in shown
    assert event["data"]["details"]["name"] in shown


@pytest.mark.usefixtures("up")
def test_a_file_that_is_no_register_is_refused_in_words(aspire: Aspire, tmp_path: Path) -> None:
    file = tmp_path / "letter.csv"
    file.write_text("Dear colleague\n")
    done = aspire("import-schools", str(file))
    assert done.returncode == 2
    assert "EstablishmentName" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("up")
def test_the_report_comes_as_tables_json_and_csv(aspire: Aspire) -> None:
    assert "Network Days held" in aspire("report").stdout
    assert aspire.json("report", "--year", "2025-26")["year"] == "2025-26"
    rows = aspire("report", "--region", "London", "--csv").stdout.splitlines()
    assert rows[0].count(",") >= 2
    done = aspire("report", "--region", "Wales")
    assert done.returncode == 2
    assert "no region of England" in done.stderr


@pytest.mark.usefixtures("up")
def test_a_token_of_the_wrong_role_is_refused_in_words(aspire: Aspire, register: Path) -> None:
    token = aspire("token", "--role", "operations").stdout.strip()
    done = aspire("import-schools", str(register), ASPIRE_TOKEN=token)
    assert done.returncode == 2
    assert "operations" in done.stderr


@pytest.mark.usefixtures("up")
def test_nothing_is_parked_and_nothing_is_stopped(aspire: Aspire) -> None:
    for service in ("scheduling", "cpd", "reporting"):
        assert aspire.json("parked", "list", service) == []
    done = aspire("parked", "show", "cpd", "7")
    assert done.returncode == 2
    assert "no parked record number 7" in done.stderr
    done = aspire("resume", "cpd", "--because", "a test asks")
    assert done.returncode == 2
    assert "not stopped" in done.stderr


@pytest.mark.usefixtures("up")
def test_reporting_is_rebuilt_while_it_runs(aspire: Aspire) -> None:
    done = aspire("rebuild", "reporting")
    assert (done.returncode, done.stderr.count("Reading the log")) == (0, 1)
    assert "have taken over: they are the same" in done.stdout
    database = aspire.database_url("reporting")
    spoilt = run_sql(
        database,
        "DELETE FROM school WHERE school_id = (SELECT max(school_id::text)::uuid FROM school)"
        " RETURNING school_id",
    )
    assert len(spoilt) == 1
    done = aspire("rebuild", "reporting")
    assert done.returncode == 1
    assert "school: 1 differ" in done.stdout
    done = aspire("rebuild", "reporting", "--accept", "--because", "a school was lost", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["taken_over"]


@pytest.mark.usefixtures("up")
def test_what_is_on_kafka_is_what_the_journals_and_inboxes_say(aspire: Aspire) -> None:
    deadline = time.monotonic() + 30
    while (verified := aspire("verify")).returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "no difference" in verified.stdout, verified.stdout
    assert "lacks nothing" in aspire("reconcile", "membership").stdout
    assert aspire.json("reconcile", "membership") == []
    report = aspire("report", "--json").stdout
    sent = aspire.json("republish")
    assert {each["service"] for each in sent} == set(SERVICES) - {"reporting"}
    assert sum(each["events"] for each in sent) >= SCHOOLS
    assert aspire("report", "--json").stdout == report
    assert aspire.json("verify", "reporting")["differences"] == []


@pytest.mark.usefixtures("up")
def test_a_hostile_record_is_parked_looked_at_replayed_and_discarded(aspire: Aspire) -> None:
    asyncio.run(bad_event.send(aspire.state.kafka_settings, "hostile-key"))
    aspire.eventually("parked", "list", "cpd", "--json", holds="hostile-key")
    assert "reason" in aspire("parked", "list", "cpd").stdout
    [parked] = aspire.json("parked", "list", "cpd")
    number = str(parked["parked_id"])
    assert parked["key"] == "hostile-key"
    assert "is not as published" in parked["reason"]
    assert "{broken" in aspire("parked", "show", "cpd", number).stdout

    replay = ("parked", "replay", "cpd", "--topic", "aspire.scheduling", "--key", "hostile-key")
    again = aspire(*replay)
    assert again.returncode == 1
    assert "failed again" in again.stdout
    gone = aspire("parked", "discard", "cpd", number, "--because", "sent by a test")
    assert "is discarded" in gone.stdout
    assert aspire.json("parked", "list", "cpd") == []
    assert "Nothing is parked" in aspire(*replay).stderr

    # No journal knows it: that is a difference, and no reason to stop.
    verified = aspire("verify", "scheduling", "cpd", "--json")
    assert verified.returncode == 1
    found = {each["kind"] for each in json.loads(verified.stdout)["differences"]}
    assert "unknown to the journal" in found
    assert "lacks nothing" in aspire("reconcile", "scheduling").stdout


@pytest.mark.usefixtures("up")
def test_a_stop_is_ended_with_the_operators_reason_on_record(aspire: Aspire) -> None:
    dsn = aspire.database_url("cpd")
    run_sql(dsn, "INSERT INTO stop (part, reason) VALUES ('consumer', 'a test')")
    done = aspire("resume", "cpd", "--because", "the column is there")
    assert done.returncode == 0, done.stderr
    [stop] = run_sql(dsn, "SELECT resumed_by, resumed_because FROM stop WHERE reason = 'a test'")
    assert stop["resumed_by"].startswith("operator:")
    assert stop["resumed_because"] == "the column is there"


@pytest.mark.usefixtures("up")
def test_resuming_says_what_it_has_ended_and_what_still_stands(aspire: Aspire) -> None:
    dsn = aspire.database_url("cpd")
    run_sql(dsn, "INSERT INTO stop (part, reason) VALUES ('relay', 'no Kafka'), ('api', 'older')")
    done = aspire("resume", "cpd", "--because", "a test asks")
    assert done.returncode == 2
    assert "ended the stop of relay, because a test asks" in done.stdout
    assert "takes no command still: older" in done.stderr
    [left] = run_sql(dsn, "SELECT part FROM stop WHERE resumed_at IS NULL")
    assert left["part"] == "api"
    run_sql(dsn, "UPDATE stop SET resumed_at = now() WHERE part = 'api'")


@pytest.mark.usefixtures("up")
def test_an_event_leads_to_its_trace_through_every_service(aspire: Aspire) -> None:
    link = next(
        line.split()[-1]
        for line in (aspire.home / "up.txt").read_text().splitlines()
        if "Zipkin" in line and "http" in line
    )
    aspire.until_zipkin_is_ready()
    event = establish(aspire, "Islington", traceparent=f"00-{'ab' * 16}-{'12' * 8}-01")
    wanted = {
        ("membership", "POST /networks"),
        ("membership", "command establish_network"),
        ("membership", "append to journal"),
        ("membership", "wait in outbox"),
        ("membership", "send aspire.membership"),
        *((each, "process aspire.membership") for each in ("scheduling", "reporting")),
    }
    aspire.until_traced(event, wanted)
    aspire.until_traced(establish(aspire, "Camden"), wanted)
    shown = aspire("trace", event).stdout
    assert "POST /networks" in shown
    assert "in the outbox (NetworkEstablished)" in shown
    assert f"{link}/zipkin/traces/{'ab' * 16}" in shown
    assert aspire("trace", "AB" * 16).stdout == shown
    assert "INSERT INTO network" in aspire("trace", event, "--statements").stdout


@pytest.mark.usefixtures("up")
def test_a_trace_that_nobody_has_is_told_in_one_line(aspire: Aspire) -> None:
    unsampled = establish(aspire, "Hackney", traceparent=f"00-{'cd' * 16}-{'12' * 8}-00")
    for asked, said in (
        (unsampled, "was not sampled"),
        (str(uuid4()), "No journal has an event"),
        ("ef" * 16, "has no trace"),
    ):
        done = aspire("trace", asked)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("up")
def test_a_zipkin_that_dies_is_told_once_and_ends_nothing(aspire: Aspire) -> None:
    psutil.Process(aspire.json("status")["zipkin"]["pid"]).kill()
    deadline = time.monotonic() + 30
    while (told := (aspire.home / "up.txt").read_text().count("Traces are not kept")) != 1:
        assert told == 0
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "runs without Zipkin" in aspire("trace", "ab" * 16).stderr
    establish(aspire, "Brent")
    status = aspire.json("status")
    assert status["zipkin"] is None
    assert {each["status"] for each in status["services"].values()} == {"ready"}


@pytest.mark.usefixtures("up")
def test_the_audit_trail_says_who_changed_what_and_nothing_of_what_was_said(
    aspire: Aspire,
) -> None:
    event = establish(aspire, "Camden Town", traceparent=f"00-{'ba' * 16}-{'12' * 8}-00")
    [change] = aspire.json("audit", "--type", "NetworkEstablished", "--limit", "1")
    assert (change["event_id"], change["service"]) == (event, "membership")
    assert (change["actor"], change["trace_id"]) == ("office", "ba" * 16)
    trail = ("audit", "--key", change["key"])
    assert aspire.json(*trail) == [change]
    assert aspire.json(*trail, "--actor", "office", "--since", "1h") == [change]
    assert aspire.json(*trail, "--actor", "nobody") == []
    assert aspire.json(*trail, "--until", "2026-01-01") == []
    assert aspire.json(*trail, "--service", "cpd") == []
    shown = aspire(*trail)
    assert f"membership.NetworkEstablished.v1  by office  {change['key']}" in shown.stdout
    assert "Camden" not in shown.stdout


@pytest.mark.usefixtures("up")
def test_the_audit_trail_goes_back_page_by_page_the_newest_last(aspire: Aspire) -> None:
    for name in ("Barnet", "Enfield", "Harrow"):
        establish(aspire, name)
    times = [each["at"] for each in aspire.json("audit", "--limit", "3")]
    assert times == sorted(times)
    page = aspire("audit", "--limit", "2")
    assert len(page.stdout.splitlines()) == 2
    before = page.stderr.strip().rpartition("--until ")[2]
    assert before == times[1]
    assert times[0] in {each["at"] for each in aspire.json("audit", "--until", before)}


@pytest.mark.usefixtures("up")
def test_operators_acts_are_in_the_audit_trail_with_their_reasons(aspire: Aspire) -> None:
    dsn = aspire.database_url("cpd")
    run_sql(dsn, "INSERT INTO stop (part, reason) VALUES ('consumer', 'no column')")
    assert aspire("resume", "cpd", "--because", "it is there").returncode == 0
    asked = ("audit", "--service", "cpd", "--type", "stopped", "--type", "resumed", "--limit", "2")
    stopped, resumed = aspire.json(*asked)
    assert (stopped["actor"], stopped["because"]) == ("service:cpd", "no column")
    assert resumed["actor"].startswith("operator:")
    assert (resumed["part"], resumed["because"]) == ("consumer", "it is there")
    assert "cpd consumer resumed  by operator:" in aspire(*asked).stdout


@pytest.mark.usefixtures("up")
async def test_two_trusts_systems_know_exactly_what_is_their_own(aspire: Aspire) -> None:
    stage = await small_year.play(aspire)
    by_webhooks, by_kafka = (each.records.known() for each in stage.systems.values())
    assert sorted(by_webhooks.hours.values()) == [Decimal("1.50"), Decimal("5.50"), Decimal("8.00")]
    assert list(by_kafka.hours.values()) == [Decimal("7.50")]
    webhooks = await asyncio.to_thread(aspire.json, "trust", "webhooks", stage.groups[0])
    assert webhooks == []


@pytest.mark.usefixtures("up")
def test_replicas_share_the_events_and_each_has_one_effect(aspire: Aspire) -> None:
    [(_, first)] = replicas(aspire, "reporting").items()
    before, networks = applied(first), Networks(aspire)
    done = aspire("scale", "reporting", "2")
    assert done.returncode == 0
    assert "reporting-2" in done.stdout
    assert "2 are wanted" in done.stderr
    running = replicas(aspire, "reporting")
    assert running.pop("reporting") == first
    second = running.pop("reporting-2")
    deadline = time.monotonic() + SECONDS
    while not (applied(second) and applied(first) > before):
        assert time.monotonic() < deadline, "one of them has all partitions"
        networks.establish()
    networks.until_each_has_its_effect()
    of_second = applied(second)
    assert applied(first) - before + of_second == len(networks.ids)

    [_, unwanted] = aspire.json("scale", "reporting", "2")
    [only] = aspire.json("scale", "reporting", "1")
    assert not psutil.pid_exists(unwanted["pid"])
    assert only["address"] == first
    assert list(replicas(aspire, "reporting")) == ["reporting"]
    networks.establish()
    networks.until_each_has_its_effect()
    assert applied(first) - before + of_second == len(networks.ids)


def test_down_ends_everything_within_ten_seconds(aspire: Aspire, up: subprocess.Popen[str]) -> None:
    status = aspire.json("status")
    pids = [service["pid"] for service in status["services"].values()]
    pids += [status[server]["pid"] for server in ("kafka", "postgres")]
    began = time.monotonic()
    done = aspire("down")
    assert done.returncode == 0
    assert time.monotonic() - began < SECONDS_TO_STOP + 3
    assert up.wait(5) == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert aspire("status").returncode == 3


def establish(aspire: Aspire, name: str, **headers: str) -> str:
    """Establish a network; answers the id of the event."""
    office = {"Authorization": f"Bearer {aspire('token', '--role', 'office').stdout.strip()}"}
    created = httpx.post(
        f"{aspire.url('membership')}/networks",
        json={"name": name, "region": "London", "established_on": "2026-09-01"},
        headers={"Idempotency-Key": str(uuid4()), **office, **headers},
        trust_env=False,
    )
    asked = ("events", "--key", created.raise_for_status().json()["network_id"], "--json")
    event = json.loads(aspire.eventually(*asked, holds="NetworkEstablished"))
    return str(event["id"])
