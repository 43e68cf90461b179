"""What other processes read about an instance, and when they may believe it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.embedded.processes import Identity
from deploy.embedded.state import InstanceState, down


def test_the_state_of_a_live_instance_is_read_back(tmp_path: Path) -> None:
    written = InstanceState.of_this_process(tmp_path, watchdog=1)
    written.write()
    assert InstanceState.read(tmp_path) == written


def test_nothing_runs_where_nothing_was_written(tmp_path: Path) -> None:
    assert InstanceState.read(tmp_path) is None
    assert not down(tmp_path)


def test_a_file_of_a_dead_process_is_stale(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    identity = Identity.of(dead.pid)
    assert identity is not None
    dead.wait()
    state = InstanceState.of_this_process(tmp_path, watchdog=1)
    state = state.model_copy(update={"pid": identity.pid, "created": identity.created})
    state.write()
    assert InstanceState.read(tmp_path) is None
    assert InstanceState.last(tmp_path) == state
    assert not down(tmp_path)


def test_a_number_that_another_process_has_now_is_stale(tmp_path: Path) -> None:
    state = InstanceState.of_this_process(tmp_path, watchdog=1)
    state.model_copy(update={"created": state.created - 3600}).write()
    assert state.pid == os.getpid()
    assert InstanceState.read(tmp_path) is None


def test_a_process_that_only_waits_to_be_reaped_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = Identity.of(child.pid)
    assert identity is not None
    assert identity.alive()
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    child.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "\x00"])
def test_a_damaged_file_tells_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.json").write_text(content)
    assert InstanceState.read(tmp_path) is None
