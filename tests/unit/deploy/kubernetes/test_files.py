"""What can be said of the manifests without Kustomize."""

import kubernetes_validate
import pytest
import yaml

from tests.unit.deploy.kubernetes.manifests import FOLDER, KEDA, Manifest, kustomizations, plain
from tests.unit.deploy.kubernetes.schemas import KUBERNETES, keda_faults


@pytest.mark.parametrize(
    ("name", "manifest"), [pytest.param(*each, id=each[0]) for each in plain()]
)
def test_a_manifest_is_what_kubernetes_takes(name: str, manifest: Manifest) -> None:
    if manifest["kind"] in KEDA:
        assert keda_faults(manifest) == []
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_file_is_used_and_every_file_used_is_there() -> None:
    used = set()
    for path in kustomizations():
        told = yaml.safe_load(path.read_text("utf-8"))
        named = [*told.get("resources", ())]
        named += [patch["path"] for patch in told.get("patches", ()) if "path" in patch]
        named += [file for each in told.get("configMapGenerator", ()) for file in each["envs"]]
        for name in named:
            found = (path.parent / name).resolve()
            used.add(found / "kustomization.yaml" if found.is_dir() else found)
    overlays = {FOLDER / each / "kustomization.yaml" for each in ("single", "national")}
    assert {path.resolve() for path in FOLDER.rglob("*") if path.is_file()} == used | overlays


def test_no_secret_stands_in_a_file() -> None:
    assert not [name for name, manifest in plain() if manifest["kind"] == "Secret"]
    assert "secretGenerator" not in "".join(path.read_text("utf-8") for path in kustomizations())
