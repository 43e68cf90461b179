"""The folder of an instance: its lock, and ports that stay the same."""

import json
import socket
from pathlib import Path

import pytest

from deploy.embedded.home import Ports, cache, default_home, lock, write_atomically
from deploy.embedded.trouble import HomeInUse, PortTaken


def listening(port: int = 0) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_a_name_keeps_its_port_across_restarts(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = Ports(file, {}).choose("kafka")
    assert Ports(file, {}).choose("kafka") == first


def test_a_remembered_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = Ports(file, {}).choose("kafka")
    with listening(first):
        second = Ports(file, {}).choose("kafka")
    assert second != first
    assert Ports(file, {}).choose("kafka") == second


def test_two_names_never_get_one_port(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text(json.dumps({"cpd": 23456, "reporting": 23456}))
    ports = Ports(file, {})
    assert ports.choose("cpd") != ports.choose("reporting")


def test_a_port_may_be_known_ahead(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json", {})
    port = ports.ahead("cpd")
    assert (ports.choose("cpd"), ports.ahead("cpd")) == (port, port)
    assert ports.choose("cpd") != port, "it is given once"


def test_a_port_that_is_set_is_used(tmp_path: Path) -> None:
    with listening() as server:
        port = server.getsockname()[1]
    ports = Ports(tmp_path / "ports.json", {"ASPIRE_MEMBERSHIP_PORT": str(port)})
    assert ports.choose("membership") == port


def test_a_port_that_is_set_and_taken_is_refused_by_name(tmp_path: Path) -> None:
    with listening() as server:
        port = server.getsockname()[1]
        ports = Ports(tmp_path / "ports.json", {"ASPIRE_KAFKA_PORT": str(port)})
        with pytest.raises(PortTaken, match=f"Port {port}, set by ASPIRE_KAFKA_PORT"):
            ports.choose("kafka")


@pytest.mark.parametrize("wanted", ["http", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, wanted: str) -> None:
    ports = Ports(tmp_path / "ports.json", {"ASPIRE_KAFKA_PORT": wanted})
    with pytest.raises(PortTaken, match="ASPIRE_KAFKA_PORT"):
        ports.choose("kafka")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kafka": "x"}'])
def test_a_damaged_memory_of_ports_is_forgotten(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert Ports(file, {}).choose("kafka") > 0


def test_a_home_is_taken_once(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(HomeInUse, match="aspire down"):
        lock(tmp_path)
    lock(tmp_path).close()


def test_the_folders_follow_the_settings(tmp_path: Path) -> None:
    assert default_home({"ASPIRE_HOME": str(tmp_path)}) == tmp_path
    assert cache({"ASPIRE_CACHE": str(tmp_path)}) == tmp_path
    assert default_home({}).name == ".aspire"
    assert cache({}).name == ".cache"


def test_a_written_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
