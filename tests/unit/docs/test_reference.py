"""The published language stays as published, and its reference says what the models say."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.docs.__main__ import DOCS, generated, published
from deploy.docs.schemas import Schema, incompatible_changes, schemas
from shared.events import EVENT_TYPES

HELD = "uk.aspire.scheduling.NetworkDayHeld.v1"


def test_a_published_type_has_only_gained_optional_fields() -> None:
    assert incompatible_changes(published(), schemas()) == []


def test_every_type_has_a_schema() -> None:
    assert set(published()) == set(EVENT_TYPES)


def test_the_reference_is_as_generated() -> None:
    differing = [
        name
        for name, content in generated().items()
        if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != content
    ]
    assert differing == [], "run `make docs`"


def test_a_new_optional_field_is_compatible() -> None:
    now = copy.deepcopy(schemas())
    now[HELD]["properties"]["room"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    now[HELD]["properties"]["date"]["title"] = "The day"
    assert incompatible_changes(schemas(), now) == []


def remove_field(schema: Schema) -> None:
    del schema["properties"]["hours"]
    schema["required"].remove("hours")


def add_required_field(schema: Schema) -> None:
    schema["properties"]["room"] = {"type": "string"}
    schema["required"].append("room")


def change_type(schema: Schema) -> None:
    schema["properties"]["hours"] = {"type": "integer"}


def make_optional(schema: Schema) -> None:
    schema["required"].remove("hours")


def add_value_to_list(schema: Schema) -> None:
    schema["$defs"]["Attendance"]["enum"].append("online")


def remove_nested_field(schema: Schema) -> None:
    del schema["$defs"]["RegisterEntry"]["properties"]["role"]


def change_key(schema: Schema) -> None:
    schema["x-key"] = "network_id"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove_field, "hours is gone"),
        (add_required_field, "room is new and not optional"),
        (change_type, "hours has another type or other values"),
        (make_optional, "hours is required in one of the two only"),
        (add_value_to_list, "Attendance allows something else than it did"),
        (remove_nested_field, "RegisterEntry.role is gone"),
        (change_key, "the event allows something else than it did"),
    ],
)
def test_any_other_change_is_incompatible(change: Callable[[Schema], None], said: str) -> None:
    now = copy.deepcopy(schemas())
    change(now[HELD])
    assert incompatible_changes(schemas(), now) == [f"{HELD}: {said}"]


def test_a_published_type_stays() -> None:
    now = schemas()
    del now[HELD]
    assert incompatible_changes(schemas(), now) == [f"{HELD}: a published type is gone"]


def test_the_generator_writes_nothing_over_an_incompatible_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from deploy.docs import __main__ as generator

    changed = copy.deepcopy(schemas())
    remove_field(changed[HELD])
    monkeypatch.setattr(generator, "DOCS", tmp_path)
    monkeypatch.setattr(generator, "published", schemas)
    monkeypatch.setattr(generator, "schemas", lambda: changed)
    assert generator.main() == 1
    assert "hours is gone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
