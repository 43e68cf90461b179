"""The made-up register is one as GIAS publishes it, and the same for the same seed."""

import csv
import re
from pathlib import Path

import pytest

from deploy.demo.register import local_authorities, write_register
from shared.events.vocabulary import Region


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    write_register(path, seed=1)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="cp1252", newline="") as file:
        return list(csv.DictReader(file))


def test_it_has_every_region_and_every_local_authority(register: Path) -> None:
    found = rows(register)
    regions = {row["GOR (name)"].casefold() for row in found}
    assert regions == {region.casefold() for region in Region}
    assert {row["LA (code)"] for row in found} == {code for _, code, _ in local_authorities()}


def test_it_has_the_layout_of_gias(register: Path) -> None:
    found = rows(register)
    assert len(found) == 2000
    assert len({row["URN"] for row in found}) == 2000
    assert len({(row["LA (code)"], row["EstablishmentNumber"]) for row in found}) == 2000
    for row in found:
        assert re.fullmatch(r"[1-9][0-9]{5}", row["URN"])
        assert re.fullmatch(r"[0-9]{2}-[0-9]{2}-[0-9]{4}", row["OpenDate"])
    assert register.read_bytes().startswith(b'"URN","LA (code)"')


def test_the_same_seed_writes_the_same_bytes(register: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.csv", tmp_path / "other.csv"
    write_register(again, seed=1)
    write_register(other, seed=2)
    assert again.read_bytes() == register.read_bytes() != other.read_bytes()
