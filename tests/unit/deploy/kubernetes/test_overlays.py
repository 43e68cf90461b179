"""What the overlays bring to a cluster, against Kubernetes' schemas and our own code."""

import re
from collections import Counter
from pathlib import Path

import kubernetes_validate
import pytest

from shared.service import SERVICES, load
from shared.settings import Settings
from tests.unit.deploy.kubernetes.manifests import (
    KEDA,
    OVERLAYS,
    ROOT,
    Manifest,
    build,
    container,
    of_kind,
    pods,
    told,
)
from tests.unit.deploy.kubernetes.schemas import KUBERNETES, keda_faults

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
DATABASES = {f"ASPIRE_{service.upper()}_DATABASE_URL" for service in SERVICES}
KNOWN = {f"ASPIRE_{field.upper()}" for field in Settings.model_fields} | DATABASES
OF_THE_COMMAND = {"SERVICE", "PART"}
MOUNTED = "/etc/aspire/"


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return build(request.param)


@pytest.fixture
def national() -> list[Manifest]:
    return build("national")


def image_environment() -> dict[str, str]:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    return dict(re.findall(r"(ASPIRE_\w+)=(\S+)", dockerfile))


def variables(pod: Manifest) -> set[str]:
    return {each["name"] for each in container(pod).get("env", ())}


def fits(labels: dict[str, str], selector: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def test_kubernetes_and_keda_take_all_of_it(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if manifest["kind"] in KEDA:
            assert keda_faults(manifest) == []
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_service_has_each_of_its_parts_once(manifests: list[Manifest]) -> None:
    found = Counter(
        (labels[NAME], labels[COMPONENT])
        for each in of_kind(manifests, "Deployment")
        if (labels := each["spec"]["template"]["metadata"]["labels"])
    )
    assert found == Counter((name, part) for name in SERVICES for part in load(name).parts)
    for each in of_kind(manifests, "Deployment"):
        labels = each["metadata"]["labels"]
        assert each["metadata"]["name"] == f"{labels[NAME]}-{labels[COMPONENT]}"
        arguments = container(each["spec"]["template"])["args"]
        assert arguments == ["run", "$(SERVICE)", "--part", "$(PART)"]
        assert each["spec"]["selector"]["matchLabels"].keys() >= {NAME, COMPONENT}


def test_every_variable_is_one_that_we_read(manifests: list[Manifest]) -> None:
    names = set(told(manifests)).union(*map(variables, pods(manifests)))
    assert {n for n in names if not n.startswith("OTEL_")} <= KNOWN | OF_THE_COMMAND


def test_our_settings_take_what_they_are_told(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {name: value for name, value in told(manifests).items() if value.startswith(MOUNTED)}
    mounted = {
        f"{MOUNTED}{item['path']}"
        for pod in pods(manifests)
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        for item in source["secret"]["items"]
    }
    assert set(paths.values()) <= mounted
    authorities = next(Path("/etc/ssl/certs").glob("*.pem"), None)
    for name, value in told(manifests).items():
        monkeypatch.setenv(name, value)
    for name, value in paths.items():
        file = tmp_path / Path(value).name
        if name.endswith("CA_FILE"):
            if authorities is None:
                pytest.skip("this system has no certificates of authorities")
            file.write_bytes(authorities.read_bytes())
        else:
            file.write_text("s3cret")
        monkeypatch.setenv(name, str(file))
    for name in set().union(*map(variables, pods(manifests))) - OF_THE_COMMAND:
        monkeypatch.setenv(name, "aspire")
    settings = Settings()
    assert settings.issuer == "https://id.example"
    assert settings.log_format == "json"


def test_each_process_is_given_its_own_secrets_only(manifests: list[Manifest]) -> None:
    for each in of_kind(manifests, "Deployment", "Job"):
        secrets = [
            source["secretRef"]["name"]
            for source in container(each["spec"]["template"])["envFrom"]
            if "secretRef" in source
        ]
        service = each["metadata"]["labels"].get(NAME)
        sealing = ["integration-sealing"] if service == "integration" else []
        databases = [f"{name}-database" for name in ([service] if service else SERVICES)]
        assert secrets == databases + sealing


def test_each_process_comes_into_kafka_as_its_own_user(national: list[Manifest]) -> None:
    for each in of_kind(national, "Deployment", "Job"):
        pod = each["spec"]["template"]
        user = f"{each['metadata']['labels'].get(NAME, 'aspire')}-kafka"
        named = [
            variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in container(pod)["env"]
            if variable["name"] == "ASPIRE_KAFKA_SASL_USERNAME"
        ]
        passwords = [
            source["secret"]["name"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", ())
            for item in source["secret"]["items"]
            if item["key"] == "password"
        ]
        assert (named, passwords) == ([user], [user])


def test_probes_and_services_meet_the_port_that_is_listened_on(manifests: list[Manifest]) -> None:
    port = int(image_environment()["ASPIRE_HTTP_PORT"])
    paths = set()
    for pod in (each["spec"]["template"] for each in of_kind(manifests, "Deployment")):
        found = container(pod)
        assert found["ports"] == [{"name": "http", "containerPort": port}]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert found[probe]["httpGet"]["port"] == "http"
            paths.add((probe, found[probe]["httpGet"]["path"]))
        # It asks the database, then Kafka, within this time; see shared/web/health.py.
        assert found["readinessProbe"]["timeoutSeconds"] > 5
    assert paths == {
        ("startupProbe", "/health/live"),
        ("livenessProbe", "/health/live"),
        ("readinessProbe", "/health/ready"),
    }
    for service in of_kind(manifests, "Service"):
        assert [each["targetPort"] for each in service["spec"]["ports"]] == ["http"]


def test_each_api_has_a_service_that_finds_it_and_nothing_else(manifests: list[Manifest]) -> None:
    found = {
        service["metadata"]["name"]: [
            each["metadata"]["name"]
            for each in of_kind(manifests, "Deployment")
            if fits(each["spec"]["template"]["metadata"]["labels"], service["spec"]["selector"])
        ]
        for service in of_kind(manifests, "Service")
    }
    assert found == {f"{name}-api": [f"{name}-api"] for name in SERVICES}


def test_all_run_the_same_image_locked_down(manifests: list[Manifest]) -> None:
    assert len({container(pod)["image"] for pod in pods(manifests)}) == 1
    for pod in pods(manifests):
        of_pod, of_container = pod["spec"]["securityContext"], container(pod)["securityContext"]
        assert of_pod["runAsNonRoot"] is True
        assert of_pod["runAsUser"] == int(
            re.findall(r"^USER (\d+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[0]
        )
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert of_container["readOnlyRootFilesystem"] is True
        assert of_container["allowPrivilegeEscalation"] is False
        assert of_container["capabilities"] == {"drop": ["ALL"]}
        assert pod["spec"]["automountServiceAccountToken"] is False
        # Kubernetes would add variables of its own, such as those of a service named aspire.
        assert pod["spec"]["enableServiceLinks"] is False
        resources = container(pod)["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert "memory" in resources["limits"]


def test_the_network_lets_out_to_what_is_needed_and_in_to_apis_only(
    manifests: list[Manifest],
) -> None:
    policies = {each["metadata"]["name"]: each for each in of_kind(manifests, "NetworkPolicy")}
    everything, api = policies["aspire"], policies["api"]
    assert everything["spec"]["podSelector"] == {}
    assert everything["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything["spec"]
    open_ports = [
        range(each["port"], each.get("endPort", each["port"]) + 1)
        for rule in everything["spec"]["egress"]
        for each in rule["ports"]
    ]
    brokers = [int(each.rpartition(":")[2]) for each in told(manifests)["ASPIRE_KAFKA"].split(",")]
    for port in (53, 443, 5432, *brokers):
        assert any(port in each for each in open_ports), port
    assert api["spec"]["podSelector"] == {"matchLabels": {COMPONENT: "api"}}


def test_single_is_one_replica_of_each_without_anything_to_install() -> None:
    manifests = build("single")
    assert not of_kind(manifests, *KEDA, "HorizontalPodAutoscaler", "PodDisruptionBudget")
    assert all(each["spec"].get("replicas", 1) == 1 for each in of_kind(manifests, "Deployment"))


def test_a_consumer_scales_by_the_lag_of_its_group_on_its_topics(national: list[Manifest]) -> None:
    settings = told(national)
    scaled = {each["spec"]["scaleTargetRef"]["name"]: each for each in of_kind(national, KEDA[0])}
    consuming = {name: load(name).effects.topics for name in SERVICES if load(name).effects.topics}
    assert scaled.keys() == {f"{name}-consumer" for name in consuming}
    [authentication] = of_kind(national, KEDA[1])
    for name, topics in consuming.items():
        spec = scaled[f"{name}-consumer"]["spec"]
        assert spec["maxReplicaCount"] == int(settings["ASPIRE_PARTITIONS"])
        asked = [trigger["metadata"] for trigger in spec["triggers"]]
        assert {each["topic"] for each in asked} == {topic.name for topic in topics}
        assert {each["consumerGroup"] for each in asked} == {f"aspire.{name}"}
        assert {each["limitToPartitionsWithLag"] for each in asked} == {"true"}
        mechanism = settings["ASPIRE_KAFKA_SASL_MECHANISM"]
        assert {each["sasl"] for each in asked} == {mechanism.lower().replace("-sha-", "_sha")}
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["bootstrapServersFromEnv"] in settings
            assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]


def test_apis_scale_by_load_and_nothing_sets_their_number_back(national: list[Manifest]) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["minReplicas"]
        for each in of_kind(national, "HorizontalPodAutoscaler")
    }
    assert scaled == {f"{name}-api": 2 for name in SERVICES}
    for each in of_kind(national, "Deployment"):
        relay = each["metadata"]["labels"][COMPONENT] == "relay"
        assert each["spec"].get("replicas") == (2 if relay else None)


def test_every_part_survives_a_drain_and_the_loss_of_a_zone(national: list[Manifest]) -> None:
    budgets = of_kind(national, "PodDisruptionBudget")
    for each in of_kind(national, "Deployment"):
        labels = each["spec"]["template"]["metadata"]["labels"]
        [budget] = [b for b in budgets if fits(labels, b["spec"]["selector"]["matchLabels"])]
        assert budget["spec"]["maxUnavailable"] == 1
        spread = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [one["topologyKey"] for one in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for one in spread:
            assert one["labelSelector"]["matchLabels"] == each["spec"]["selector"]["matchLabels"]


def test_every_secret_and_namespace_label_is_in_the_docs(national: list[Manifest]) -> None:
    text = (ROOT / "docs/kubernetes.md").read_text("utf-8")
    secrets = set(
        re.findall(r"'name': '([\w-]+-(?:database|kafka)|aspire-postgres)'", str(national))
    )
    assert len(secrets) == 2 * len(SERVICES) + 2
    labels = set(re.findall(r"aspire\.uk/[\w-]+", str(national)))
    assert [each for each in secrets | labels if each not in text] == []
