"""The demo removes what an instance made, and nothing of anybody else."""

from pathlib import Path

import pytest

from deploy.demo.fresh import NotAfresh, begin_afresh
from deploy.embedded import home as homes
from deploy.embedded.trouble import HomeInUse


def used_home(path: Path) -> Path:
    """A home in which an instance ran once."""
    homes.lock(path).close()
    (path / "postgres" / "data").mkdir(parents=True)
    return path


def test_it_says_so_and_removes_the_data_of_the_last_instance(tmp_path: Path) -> None:
    home, said = used_home(tmp_path), list[str]()
    (home / "notes.txt").write_text("mine")
    begin_afresh(home, said.append)
    assert "afresh" in said[0]
    assert not (home / "postgres").exists()
    assert (home / "notes.txt").read_text() == "mine"


def test_an_empty_home_needs_no_word(tmp_path: Path) -> None:
    said = list[str]()
    begin_afresh(tmp_path / "new", said.append)
    assert said == []


def test_a_running_instance_is_left_alone(tmp_path: Path) -> None:
    home = used_home(tmp_path)
    with homes.lock(home), pytest.raises(HomeInUse, match="already runs"):
        begin_afresh(home, lambda _: None)
    assert (home / "postgres" / "data").exists()


def test_a_folder_that_no_instance_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(NotAfresh, match="ASPIRE_HOME"):
        begin_afresh(tmp_path, lambda _: None)
    assert (tmp_path / "log").exists()
