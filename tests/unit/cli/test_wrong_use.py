"""Every mistake at the terminal is one clear line on stderr and exit code 2, never a traceback."""

import json
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import jwt
import pytest

from deploy.cli.app import invoke

SERVICES = ("MEMBERSHIP", "SCHEDULING", "CPD", "REPORTING")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing runs, and no word of any other platform."""
    for service in SERVICES:
        monkeypatch.delenv(f"ASPIRE_{service}_URL", raising=False)
        monkeypatch.delenv(f"ASPIRE_{service}_DATABASE_URL", raising=False)
    for name in (
        *("ASPIRE_KAFKA", "ASPIRE_TOKEN", "ASPIRE_ISSUER"),
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASPIRE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frob"], "No such command"),
        (["report", "--frob"], "No such option"),
        (["token"], "--role"),
        (["token", "--role", "king"], "no role king"),
        (["token", "--role", "school", "--school", "7"], "valid UUID"),
        (["token", "--role", "office", "--lifetime", "soon"], "no lifetime"),
        (["trust", "connect", "7"], "valid UUID"),
        (["trust", "rotate", "0" * 32, "--overlap", "169"], "168"),
        (["trust", "status", "0" * 32], "No instance runs"),
        (["report"], "No instance runs"),
        (["report", "--year", "2026"], "not a programme year"),
        (["report", "--year", "2026-28"], "2026-27"),
        (["report", "--json", "--csv"], "not both"),
        (["report", "--region", "London", "--school", "0" * 32], "one of"),
        (["import-schools", "nowhere.csv"], "no file nowhere.csv"),
        (["events"], "No instance runs"),
        (["events", "--type", "NetworkDayHold"], "NetworkDayHeld"),
        (["events", "--topic", "weather"], "no topic weather"),
        (["trace", "Tuesday"], "“Tuesday” is no id"),
        (["trace", "0199f0c2-7b1e-7cc0-9a51-6f1f0f3c2d10"], "No instance runs"),
        (["trace", "ab" * 16], "`aspire up` starts it, unless --no-tracing"),
        (["up", "--replicas", "weather=2"], "no service weather"),
        (["up", "--replicas", "cpd"], "cpd says no number of replicas"),
        (["up", "--replicas", "cpd=2,reporting=some"], "some is no number of replicas"),
        (["up", "--replicas", "cpd=2,cpd=3"], "given twice"),
        (["scale", "weather", "2"], "no service weather"),
        (["scale", "cpd", "two"], "two is no number of replicas; it is one from 1 to 24"),
        (["scale", "cpd", "0"], "0 is no number"),
        (["scale", "cpd", "1000000"], "1000000 is no number"),
        (["scale", "cpd", "2"], "No instance runs cpd"),
        (["audit"], "No instance runs"),
        (["audit", "--service", "weather"], "no service weather"),
        (["audit", "--type", "PlaceBoked"], "PlaceBooked"),
        (["audit", "--since", "Tuesday"], "“Tuesday” is no time"),
        (["status", "--watch", "--every", "0"], "--every"),
        (["run", "weather"], "no service weather"),
        (["run", "cpd", "--part", "engine"], "no part engine"),
        (["run", "reporting", "--part", "relay"], "no relay"),
        (["run", "cpd"], "ASPIRE_CPD_DATABASE_URL"),
        (["migrate", "weather"], "no service weather"),
        (["resume", "cpd", "--because", "it is mended"], "No instance runs"),
        (["resume", "cpd", "--because", " "], "--because"),
        (["parked", "list", "weather"], "no service weather"),
        (["parked", "list", "cpd"], "No instance runs"),
        (["rebuild", "weather"], "no service weather"),
        (["rebuild", "cpd"], "cpd decides"),
        (["rebuild", "reporting"], "No instance runs"),
        (["rebuild", "reporting", "--accept"], "--because"),
        (["rebuild", "reporting", "--because", "it is mended"], "--accept"),
        (["republish", "weather"], "no service weather"),
        (["republish", "reporting"], "publishes nothing"),
        (["republish"], "No instance runs"),
        (["reconcile", "weather"], "no service weather"),
        (["reconcile", "reporting"], "publishes nothing"),
        (["reconcile", "cpd", "--accept"], "--because"),
        (["reconcile", "cpd"], "No instance runs"),
        (["verify", "weather"], "no service weather"),
        (["verify"], "No instance runs"),
        (["demo", "--register", "nowhere.csv"], "no file nowhere.csv"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert printed.err.startswith("aspire: ")
    assert said in printed.err


@pytest.mark.parametrize(
    ("arguments", "variable", "value"),
    [
        (["run", "cpd"], "ASPIRE_HTTP_PORT", "abc"),
        (["run", "cpd"], "ASPIRE_CPD_DATABASE_URL", "nonsense"),
        (["events"], "ASPIRE_KAFKA", "broker:port"),
        (["token", "--role", "office"], "ASPIRE_HOME", "/dev/null/home"),
        (["up"], "ASPIRE_HOME", "/dev/null/home"),
    ],
)
def test_a_setting_that_cannot_be_is_named_in_one_line(
    arguments: list[str],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASPIRE_CPD_DATABASE_URL", "postgresql://cpd@127.0.0.1:1/cpd")
    monkeypatch.setenv(variable, value)
    assert invoke(arguments) == 2
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 1
    assert variable in printed.err


def test_what_is_no_token_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_REPORTING_URL", "http://127.0.0.1:1")
    for token in ("tökén", "two\nlines"):
        assert invoke(["report", "--token", token]) == 2
        assert "token" in capsys.readouterr().err


def test_a_service_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_REPORTING_URL", "http://127.0.0.1:1")
    assert invoke(["report"]) == 2
    assert "reporting at http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_a_zipkin_that_is_away_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://127.0.0.1:1/api/v2/spans")
    assert invoke(["trace", "ab" * 16]) == 2
    assert "Zipkin at http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_what_is_no_zipkin_is_told_from_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.handle_request).start()
        monkeypatch.setenv(
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT", f"http://127.0.0.1:{server.server_port}"
        )
        assert invoke(["trace", "ab" * 16]) == 2
    assert "is no Zipkin" in capsys.readouterr().err


class Page(BaseHTTPRequestHandler):
    """Answers everything with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Not to the terminal."""


def test_kafka_that_is_away_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_KAFKA", "127.0.0.1:1")
    assert invoke(["events"]) == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_a_port_that_is_no_port_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_KAFKA_PORT", "70000")
    assert invoke(["up"]) == 2
    assert "ASPIRE_KAFKA_PORT" in capsys.readouterr().err


def test_a_service_whose_port_is_taken_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASPIRE_CPD_DATABASE_URL", "postgresql://cpd@127.0.0.1:1/cpd")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("ASPIRE_HTTP_PORT", str(port))
        assert invoke(["run", "cpd"]) == 2
    assert f"port {port}: Address already in use" in capsys.readouterr().err


def test_up_waits_for_servers_that_are_not_there_yet_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASPIRE_KAFKA", "127.0.0.1:1")
    for service in SERVICES:
        monkeypatch.setenv(
            f"ASPIRE_{service}_DATABASE_URL", f"postgresql://u:s3cret@127.0.0.1:2/{service.lower()}"
        )
    command = [sys.executable, "-m", "deploy.cli", "up"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        awaited = {"Kafka at 127.0.0.1:1"} | {f"127.0.0.1:2/{each.lower()}" for each in SERVICES}
        said = ""
        while awaited:
            line = up.stderr.readline()
            assert line, said
            said += line
            awaited = {each for each in awaited if "Waiting: " not in line or each not in line}
        up.send_signal(signal.SIGINT)
        said += up.stderr.read()
        assert up.wait(10) == 0
    for unsaid in ("Traceback", "Unable connect", "s3cret"):
        assert unsaid not in said


def test_the_demo_does_not_fill_servers_of_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_KAFKA", "kafka.example:9092")
    assert invoke(["demo", "--once"]) == 2
    assert "ASPIRE_KAFKA" in capsys.readouterr().err


def test_status_says_in_one_line_that_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["status"]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1


def test_status_for_programs_is_json_also_where_nothing_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_down_where_nothing_runs_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["down"]) == 0
    assert "Nothing runs" in capsys.readouterr().err


def test_without_a_command_it_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([]) == 0
    printed = capsys.readouterr().out
    for command in ("up", "status", "down", "run", "migrate", "import-schools", "demo", "report"):
        assert command in printed


@pytest.mark.parametrize(
    "command",
    ["up", "status", "down", "run", "migrate", "import-schools", "demo", "report", "events",
     "token", "resume", "trace", "audit"],
)  # fmt: skip
def test_help_explains_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "Examples:" in printed
    assert f"aspire {command}" in printed


def test_a_token_carries_role_subject_scope_and_lifetime(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = "0b7c0f52-6b8e-4a3f-9f0e-0d5c6a7b8c9d"
    arguments = ["--role", "adviser", "--subject", "ada", "--network", network, "--lifetime", "30m"]
    assert invoke(["token", *arguments]) == 0
    token = capsys.readouterr().out.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["role"], claims["sub"], claims["networks"]) == ("adviser", "ada", [network])
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert (home / "issuer" / "jwks.json").exists()


def test_tokens_of_different_scopes_have_different_subjects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    subjects = set()
    for network in ("0b7c0f52-6b8e-4a3f-9f0e-0d5c6a7b8c9d", "1b7c0f52-6b8e-4a3f-9f0e-0d5c6a7b8c9d"):
        assert invoke(["token", "--role", "adviser", "--network", network]) == 0
        token = capsys.readouterr().out.strip()
        subjects.add(jwt.decode(token, options={"verify_signature": False})["sub"])
    assert len(subjects) == 2


def test_a_token_without_the_scope_of_its_role_is_remarked_upon(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert invoke(["token", "--role", "adviser"]) == 0
    assert "--network" in capsys.readouterr().err


def test_status_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASPIRE_CPD_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ASPIRE_CPD_DATABASE_URL", "postgresql://cpd:s3cret@db/cpd?sslmode=require")
    for arguments in (["status"], ["status", "--json"]):
        assert invoke(arguments) == 0
        printed = capsys.readouterr().out
        assert "s3cret" not in printed
        assert "cpd:***@db/cpd?sslmode=require" in printed
