"""The image and the compose file: promises that can be read; with ASPIRE_TEST_COMPOSE=1 they run.

ASPIRE_TEST_COMPOSE=1 make test ARGS="tests/system/test_compose.py --timeout=900"
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.embedded.home import is_free

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ("membership", "scheduling", "cpd", "reporting", "integration")
SERVERS: Final = ("postgres", "kafka")
LOOKED_AT: Final = ("zipkin", "prometheus", "grafana")
"""By people, with the profile `observability`; see tests/unit/deploy/test_observability.py."""
PORTS: Final = range(31_000, 31_900)
SECONDS_TO_COME_UP: Final = 600


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text("utf-8")


def compose_text() -> str:
    return (ROOT / "docker-compose.yml").read_text("utf-8")


def section(name: str) -> str:
    """What the compose file says of a service, without what it merges in."""
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", compose_text(), re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_images_are_pinned() -> None:
    named = re.findall(r"^\s+image: (\S+)$", compose_text(), re.MULTILINE)
    named += re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile(), re.MULTILINE)
    foreign = {image for image in named if image != "aspire:local"}
    assert {image.partition(":")[0] for image in foreign} == {
        *("postgres", "apache/kafka", "python"),
        *(
            "otel/opentelemetry-collector",
            "openzipkin/zipkin",
            "prom/prometheus",
            "grafana/grafana",
        ),
    }
    for image in foreign:
        assert re.fullmatch(r"[a-z/-]+:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?", image), image
    assert set(re.findall(r"^FROM (\S+)", dockerfile(), re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_the_image_runs_as_nobody_of_rights_and_says_how_it_is() -> None:
    last_stage = dockerfile().rpartition("\nFROM ")[2]
    user = re.findall(r"^USER (\d+):(\d+)$", last_stage, re.MULTILINE)
    assert user == [("10001", "10001")]
    assert "HEALTHCHECK" in last_stage
    assert re.search(r'^ENTRYPOINT \["aspire"\]$', last_stage, re.MULTILINE)


def test_the_image_installs_by_hash_and_without_the_embedded_servers() -> None:
    assert "--require-hashes" in dockerfile()
    assert "requirements.runtime.lock" in dockerfile()
    assert "requirements.lock" not in dockerfile().replace("requirements.runtime.lock", "")


def test_every_service_has_a_health_check_a_restart_policy_and_few_rights() -> None:
    shared = compose_text().split("\nservices:\n")[0]
    assert "deploy.compose.ready" in shared
    assert "restart: unless-stopped" in shared
    assert "cap_drop: [ALL]" in shared
    assert "read_only: true" in shared
    for name in SERVICES:
        assert "<<: *service" in section(name)
        assert f'command: ["run", "{name}"]' in section(name)
    for name in SERVERS:
        assert "healthcheck:" in section(name)
        assert "restart: unless-stopped" in section(name)


def test_nothing_listens_beyond_this_machine() -> None:
    published = re.findall(r'ports: \["(.*?)"\]', compose_text())
    assert len(published) == len(SERVICES) + len(SERVERS) + len(LOOKED_AT)
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_service_gets_its_own_database_only() -> None:
    for name in SERVICES:
        urls = re.findall(r"ASPIRE_(\w+)_DATABASE_URL", section(name))
        assert urls == [name.upper()]
        assert "ASPIRE_" + name.upper() + "_PASSWORD" in section("postgres")


def test_each_service_has_its_own_user_on_kafka_only() -> None:
    for name in SERVICES:
        assert re.findall(r"ASPIRE_KAFKA_SASL_USERNAME: (\w+)", section(name)) == [name]
        assert f"ASPIRE_{name.upper()}_KAFKA_PASSWORD" in section("migrate")
        assert "kafka-administrator" not in section(name)


def test_the_private_key_is_where_tokens_are_issued_only() -> None:
    with_home = {
        name
        for name in (*SERVICES, *SERVERS, "migrate", "aspire")
        if "home:/var/lib/aspire" in section(name)
    }
    assert with_home == {"migrate", "aspire"}


# For real


class Platform:
    """A compose project of this test alone, on ports of its own."""

    def __init__(self) -> None:
        free = (port for port in PORTS if is_free(port))
        self.ports = {name: next(free) for name in (*SERVICES, *SERVERS)}
        chosen = {f"ASPIRE_{name.upper()}_PORT": str(p) for name, p in self.ports.items()}
        unset = {"ASPIRE_HOME", "ASPIRE_TOKEN", "ASPIRE_KAFKA"}
        self._environment = {k: v for k, v in os.environ.items() if k not in unset} | chosen
        self._project = f"aspire-test-{uuid4().hex[:8]}"

    def compose(self, *arguments: str, seconds: float = 120) -> str:
        """What the command prints; the test fails with what it said if it fails."""
        ran = subprocess.run(
            ["docker", "compose", "--project-name", self._project, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout[-4000:]}\n{ran.stderr[-8000:]}"
        return ran.stdout

    def aspire(self, *arguments: str) -> str:
        return self.compose("run", "--rm", "--no-TTY", "aspire", *arguments).strip()

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Built from the checkout, started, and gone with its data afterwards."""
    if os.environ.get("ASPIRE_TEST_COMPOSE") != "1":
        pytest.skip("set ASPIRE_TEST_COMPOSE=1 to build the image and start everything")
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode != 0:
        pytest.skip("no Docker answers here")
    running = Platform()
    try:
        running.compose("build", "--quiet", seconds=SECONDS_TO_COME_UP)
        running.compose("up", "--detach", "--wait", seconds=SECONDS_TO_COME_UP)
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "20")


def test_all_services_are_ready(platform: Platform) -> None:
    for name in SERVICES:
        answer = httpx.get(f"{platform.url(name)}/health/ready", timeout=20)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "ready", answer.text


def test_the_report_answers(platform: Platform) -> None:
    report: dict[str, Any] = json.loads(platform.aspire("report", "--json"))
    assert report
    assert "Networks" in platform.aspire("report", "--year", "2025-26")


def test_a_fact_told_to_membership_comes_to_scheduling_and_into_the_report(
    platform: Platform,
) -> None:
    token = platform.aspire("token", "--role", "office")
    said = {"name": "Compose Vale", "region": "North East", "established_on": "2026-09-01"}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        answer = client.post(
            f"{platform.url('membership')}/networks",
            json=said,
            headers={"Idempotency-Key": str(uuid4())},
        )
        assert answer.status_code == 201, answer.text
        network = answer.json()["network_id"]
        known = eventually_found(client, f"{platform.url('scheduling')}/networks/{network}")
        assert known["name"] == "Compose Vale"
        assert eventually_found(
            client, f"{platform.url('reporting')}/reports/2026-27/networks/{network}"
        )


async def test_a_service_may_open_its_own_database_only(platform: Platform) -> None:
    address = f"127.0.0.1:{platform.ports['postgres']}"
    own = await asyncpg.connect(f"postgresql://cpd:cpd@{address}/cpd")
    await own.close()
    for other in ("membership", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"postgresql://cpd:cpd@{address}/{other}")


def test_services_run_without_rights_and_without_the_private_key(platform: Platform) -> None:
    said = platform.compose(
        "exec", "--no-TTY", "reporting",
        "sh", "-c", "id -u; ls /var/lib/aspire; ls /var/lib/aspire-public",
    )  # fmt: skip
    assert said.split() == ["10001", "jwks.json"]


def eventually_found(client: httpx.Client, url: str) -> Any:
    """The answer once the thing is known there: events take a moment."""
    until = monotonic() + 60
    while (answer := client.get(url)).status_code == 404 and monotonic() < until:
        sleep(0.2)
    assert answer.status_code == 200, answer.text
    return answer.json()
