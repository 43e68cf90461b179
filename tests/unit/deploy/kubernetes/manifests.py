"""The manifests as files, and as Kustomize builds them where it is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("single", "national")
KEDA = ("ScaledObject", "TriggerAuthentication")

Manifest = dict[str, Any]


def kustomizations() -> list[Path]:
    return sorted(FOLDER.rglob("kustomization.yaml"))


def plain() -> Iterator[tuple[str, Manifest]]:
    """What stands in files as it is: whole manifests, which bases and overlays change."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name not in ("kustomization.yaml", "access.yaml"):
            for manifest in yaml.safe_load_all(path.read_text("utf-8")):
                yield f"{path.relative_to(FOLDER)} {manifest['kind']}", manifest


def build(overlay: str) -> list[Manifest]:
    """What an overlay brings to a cluster; the test is skipped where Kustomize is not installed."""
    return list(_built(overlay))


@cache
def _built(overlay: str) -> tuple[Manifest, ...]:
    for command in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            done = subprocess.run(
                [*command, str(FOLDER / overlay)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return tuple(yaml.safe_load_all(done.stdout))
    pytest.skip("neither kustomize nor kubectl is installed")


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def pods(manifests: list[Manifest]) -> list[Manifest]:
    """The pod templates."""
    return [each["spec"]["template"] for each in of_kind(manifests, "Deployment", "Job")]


def container(pod: Manifest) -> Manifest:
    [only] = pod["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def told(manifests: list[Manifest]) -> dict[str, str]:
    """The settings of the overlay."""
    [settings] = of_kind(manifests, "ConfigMap")
    data: dict[str, str] = settings["data"]
    return data
