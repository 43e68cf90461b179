"""JSON Schemas of the published types, and what may not change in them.

A published type only ever gains optional fields; any other change is a new type, `.v2`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from shared.events import EVENT_TYPES, Event

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
WORDS: Final = frozenset({"title", "description", "$id", "$schema"})
"""Words for people, which may change; everything else says what is valid."""

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """The schema of each published type, by its CloudEvents `type`."""
    return {name: schema_of(event) for name, event in sorted(EVENT_TYPES.items())}


def schema_of(event: type[Event]) -> Schema:
    """The schema of a record's value, as it is written: decimals are strings."""
    if event.tombstone:
        body: Schema = {"description": event.__doc__ or "", "type": "null"}
    else:
        body = event.model_json_schema(mode="serialization")
    return {
        "$schema": DIALECT,
        "$id": f"https://aspire.example/schemas/{event.type}.json",
        "x-topic": event.topic.name,
        "x-key": event.key_field,
        **body,
    }


def as_text(schema: Schema) -> str:
    """The file's content; the order of keys says nothing."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def incompatible_changes(published: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """What a consumer of the published types could not read, in words; empty if all is well."""
    found = []
    for name, before in published.items():
        if name in now:
            found += [f"{name}: {each}" for each in _differences(before, now[name])]
        else:
            found.append(f"{name}: a published type is gone")
    return found


def _differences(before: Schema, after: Schema) -> list[str]:
    before_parts, after_parts = _parts(before), _parts(after)
    found = []
    for part, old in before_parts.items():
        new = after_parts.get(part)
        if new is None:
            if part in _referred(before_parts):
                found.append(f"{part} is gone")
            continue
        found += _changed_fields(part, old, new)
        if _rules_besides_fields(old) != _rules_besides_fields(new):
            found.append(f"{part or 'the event'} allows something else than it did")
    return found


def _parts(schema: Schema) -> dict[str, Schema]:
    """The event itself under "", and each structure that it refers to under its name."""
    whole = {key: value for key, value in schema.items() if key != "$defs"}
    return {"": whole, **schema.get("$defs", {})}


def _referred(parts: Mapping[str, Schema]) -> set[str]:
    text = json.dumps(list(parts.values()))
    return {name for name in parts if f'"#/$defs/{name}"' in text}


def _changed_fields(part: str, old: Schema, new: Schema) -> list[str]:
    prefix = f"{part}." if part else ""
    was, becomes = old.get("properties", {}), new.get("properties", {})
    required_before, required_now = set(old.get("required", ())), set(new.get("required", ()))
    found = []
    for field, schema in was.items():
        if field not in becomes:
            found.append(f"{prefix}{field} is gone")
        elif _without_words(schema) != _without_words(becomes[field]):
            found.append(f"{prefix}{field} has another type or other values")
        elif (field in required_before) != (field in required_now):
            found.append(f"{prefix}{field} is required in one of the two only")
    found += [
        f"{prefix}{field} is new and not optional"
        for field in becomes
        if field not in was and field in required_now
    ]
    return found


def _rules_besides_fields(schema: Schema) -> Any:
    rest = {key: value for key, value in schema.items() if key not in ("properties", "required")}
    return _without_words(rest)


def _without_words(schema: Any) -> Any:
    """The schema without titles and descriptions, at every depth."""
    if isinstance(schema, dict):
        return {key: _without_words(value) for key, value in schema.items() if key not in WORDS}
    if isinstance(schema, list):
        return [_without_words(each) for each in schema]
    return schema
