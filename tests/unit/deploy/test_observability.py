"""The profile `observability`: its files fit one another, the compose file and what is measured."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from shared import metrics, telemetry
from shared.service import SERVICES
from tests.unit.deploy.promql import ROOT, faults

COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
PROFILE: Final = {"collector", "zipkin", "prometheus", "grafana"}
DASHBOARDS: Final = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
PROMETHEUS: Final = ROOT / "deploy" / "prometheus" / "prometheus.yml"


def queries() -> Iterator[tuple[str, str]]:
    """Each query with where it stands; what Grafana puts in for its variables is put in."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                asked = target["expr"].replace("$service", "aspire-cpd")
                yield (
                    f"{path.stem}: {panel['title']} {target['refId']}",
                    asked.replace("$__rate_interval", "5m"),
                )


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in queries()])
def test_a_panel_asks_for_what_there_is(query: str) -> None:
    assert not list(faults(query))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_leads_to_the_flow_to_each_service_and_to_the_traces(path: Path) -> None:
    dashboard = json.loads(path.read_text("utf-8"))
    panels = dashboard["panels"]
    assert dashboard["uid"] == f"aspire-{path.stem}"
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {p["datasource"]["uid"] for p in panels if p["type"] != "row"} == {"prometheus"}
    assert [link["url"] for link in dashboard["links"]] == [
        "/d/aspire-flow",
        *(f"/d/aspire-service?var-service=aspire-{name}" for name in SERVICES),
        "http://127.0.0.1:9411",
    ]


def test_the_service_s_dashboard_knows_every_service() -> None:
    [choice] = json.loads(DASHBOARDS[1].read_text("utf-8"))["templating"]["list"]
    assert choice["query"].split(",") == [f"aspire-{name}" for name in SERVICES]


def test_grafana_finds_prometheus_and_zipkin_by_their_names() -> None:
    told = (ROOT / "deploy/grafana/provisioning/datasources/aspire.yml").read_text("utf-8")
    sources = {each["uid"]: each["url"] for each in yaml.safe_load(told)["datasources"]}
    assert sources == {"prometheus": "http://prometheus:9090", "zipkin": "http://zipkin:9411"}


def test_prometheus_fetches_from_every_service_and_decides_the_alerts() -> None:
    told = yaml.safe_load(PROMETHEUS.read_text("utf-8"))
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in told["scrape_configs"]
    }
    assert targets["aspire"] == [f"{name}:8000" for name in SERVICES]
    assert told["rule_files"] == ["alerts.yml"]
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it")
    ran = subprocess.run(
        [promtool, "check", "config", str(PROMETHEUS)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_without_the_profile_there_is_nothing_more() -> None:
    services = COMPOSE["services"]
    of_profile = {name for name, of in services.items() if of.get("profiles") == ["observability"]}
    assert of_profile == PROFILE
    for name in SERVICES:
        assert not PROFILE & services[name]["depends_on"].keys(), name


def test_the_profile_runs_without_rights_and_says_how_it_is() -> None:
    for name in PROFILE:
        service = COMPOSE["services"][name]
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "healthcheck" in service or name == "collector", name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), volume


def test_services_send_spans_with_the_profile_and_nothing_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in SERVICES:
        given = COMPOSE["services"][name]["environment"]
        variable, endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", given["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert endpoint == "${COMPOSE_PROFILES:+http://collector:4318}"
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", given["OTEL_METRICS_EXPORTER"])
        monkeypatch.setenv(variable, "")  # what compose makes of it
        assert telemetry._exporter() is None
        monkeypatch.setenv(variable, "http://collector:4318")
        exporter = telemetry._exporter()
        assert type(exporter).__name__ == "OTLPSpanExporter"
        assert exporter is not None
        exporter.shutdown()
        assert metrics._exporters() == [], "Prometheus fetches them"


def test_the_collector_takes_spans_and_hands_them_to_zipkin() -> None:
    told = yaml.safe_load((ROOT / "deploy/collector/config.yml").read_text("utf-8"))
    assert told["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    assert (
        told["exporters"]["zipkin"]["endpoint"]
        == (COMPOSE["services"]["aspire"]["environment"]["OTEL_EXPORTER_ZIPKIN_ENDPOINT"])
    )
    [pipeline] = told["service"]["pipelines"].values()
    named = {kind: set(pipeline[kind]) for kind in ("receivers", "processors", "exporters")}
    assert named == {kind: set(told[kind]) for kind in named}
    [reader] = told["service"]["telemetry"]["metrics"]["readers"]
    port = reader["pull"]["exporter"]["prometheus"]["port"]
    assert f'"collector:{port}"' in PROMETHEUS.read_text("utf-8")
