"""Jars are run only if they are, all and only, those whose sums are in the tree."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.embedded.jars import KAFKA, ZIPKIN, Jars
from deploy.embedded.trouble import JarsRefused

Change = Callable[[Path], object]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = KAFKA.folder(tmp_path)
    folder.mkdir()
    for name in ("broker.jar", "clients.jar"):
        (folder / name).write_text(f"the contents of {name}")
    return tmp_path


@pytest.fixture
def jars(cache: Path) -> Jars:
    path = cache / "sums"
    path.write_text(
        "".join(
            f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n"
            for jar in KAFKA.folder(cache).iterdir()
        )
    )
    return replace(KAFKA, sums=path)


def test_good_jars_are_given_out(cache: Path, jars: Jars) -> None:
    assert [jar.name for jar in jars.verified(cache)] == ["broker.jar", "clients.jar"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "broker.jar").write_text("!"), "broker.jar has been changed"),
        (lambda folder: (folder / "clients.jar").unlink(), "clients.jar is missing"),
        (lambda folder: (folder / "more.jar").write_text("!"), "more.jar does not belong there"),
    ],
    ids=["changed", "missing", "extra"],
)
def test_other_jars_are_refused_by_name(
    cache: Path, jars: Jars, change: Change, message: str
) -> None:
    change(jars.folder(cache))
    with pytest.raises(JarsRefused, match=f"(?s){message}.*Delete"):
        jars.verified(cache)


@pytest.mark.parametrize("jars", [KAFKA, ZIPKIN], ids=lambda jars: jars.server)
def test_the_sums_name_no_registry(jars: Jars) -> None:
    for line in jars.sums.read_text().splitlines():
        digest, name = line.split("  ")
        assert len(digest) == 64
        assert name.endswith(".jar")
        assert "/" not in name
