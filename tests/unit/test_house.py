"""The house keeps its rules: one consumer, one way to publish."""

import ast
import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from shared.messaging import faults
from shared.service import SERVICES, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _left_alone() -> None:
    """CPython 3.11's parser fails where a collection in its midst makes a finalizer parse too (to
    log a traceback, say); other tests leave such objects behind."""
    gc.collect()


def python_files() -> Iterator[Path]:
    for folder in ("deploy", "services", "shared"):
        yield from (ROOT / folder).rglob("*.py")


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def files_that_call(*names: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in python_files()
        if not set(names).isdisjoint(calls(path))
    }


A_TRUSTS_OWN = "deploy/demo/trusts/by_kafka.py"
"""It comes in from outside, by nothing but what a trust is given."""


def test_no_subscriber_is_declared_past_the_kernel() -> None:
    assert files_that_call("KafkaBroker", "KafkaRouter", "subscriber") == {
        "shared/messaging/consumer.py"
    }


def test_nothing_is_produced_past_the_relay() -> None:
    """But copies of trusts' feeds, which are on no topic of ours, and what a trust writes."""
    assert files_that_call("AIOKafkaProducer", "Producer", "producer", "publisher") == {
        "shared/messaging/producers.py",
        "services/integration/sending/carrier.py",
        A_TRUSTS_OWN,
    }


def test_every_client_comes_into_kafka_in_the_one_way() -> None:
    clients = (".AIOKafkaClient", ".AIOKafkaAdminClient", ".AIOKafkaConsumer", ".AIOKafkaProducer",
               ".Reader", "client.reader", "client.producer")  # fmt: skip
    past = {
        path.relative_to(ROOT).as_posix()
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and f".{ast.unparse(node.func)}".endswith(clients)
        and "security.options" not in ast.unparse(node)
    }
    assert past == {A_TRUSTS_OWN}
    # FastStream's consumer is made by a partial.
    consumer = (ROOT / "shared/messaging/consumer.py").read_text("utf-8")
    assert consumer.count("security.options") == consumer.count("self._client.reader") == 1


def test_events_are_appended_by_one_function_only() -> None:
    touching = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "services").rglob("*.py")
        if "INSERT INTO event" in path.read_text("utf-8")
        or "INSERT INTO outbox" in path.read_text("utf-8")
    }
    assert touching == set()


def test_every_fault_point_is_where_the_kernel_says() -> None:
    reached = {
        node.args[0].value
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "faults.reach"
        and isinstance(node.args[0], ast.Constant)
    }
    assert reached == set(faults.POINTS)


def test_no_service_arms_a_fault_point() -> None:
    assert files_that_call("arm") == set()


@pytest.mark.parametrize("service", SERVICES)
def test_no_command_takes_a_field_that_it_does_not_know(service: str) -> None:
    app = FastAPI()
    for router in load(service).routers:
        app.include_router(router)
    described = app.openapi()
    bodies = [
        operation.get("requestBody", {}).get("content", {}).get("application/json")
        for path in described["paths"].values()
        for operation in path.values()
    ]
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(bodies)))
    schemas = described["components"]["schemas"]
    assert not [each for each in names if schemas[each].get("additionalProperties") is not False]
