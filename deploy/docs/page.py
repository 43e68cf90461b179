"""docs/events.md: every event with its fields, its topic and key, and who takes it."""

import inspect
import types
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.docs.schemas import schema_of
from shared.events import EVENT_TYPES, TOPICS, Event, Topic, vocabulary
from shared.messaging.records import SEQUENCE_DIGITS
from shared.service import SERVICES, load

PLAIN: Final = {
    UUID: "UUID",
    date: "date",
    Decimal: "decimal, as a string",
    str: "text",
    int: "whole number",
    bool: "true or false",
}

INTRODUCTION: Final = f"""\
# Events

The published language of the platform. This page and the JSON Schemas in [schemas](schemas/) are
generated from the models in `shared/events` (`make docs`); a test fails while they differ.

Every event is a [CloudEvent](https://cloudevents.io) in binary mode on Kafka. Its headers:

| header | holds |
|---|---|
| `ce_id` | a UUID: one id for one fact, for ever, however often it is sent |
| `ce_type` | `uk.aspire.<service>.<Event>.v1` |
| `ce_source` | `/aspire/<service>` |
| `ce_subject` | the key, as the record's key has it |
| `ce_time` | when it was recorded, in UTC |
| `ce_sequence` | 1, 2, 3 … for each key of a topic, no gap, padded to {SEQUENCE_DIGITS} digits |
| `ce_specversion` | `1.0` |
| `content-type` | `application/json` |
| `traceparent` | the W3C trace of the request that it came from, where there was one |

Events of one key take effect in the order of `ce_sequence`; there is no order across keys. On a
compacted topic gaps are normal, and a record without a value erases its key.

**A published type only ever gains optional fields.** Any other change is a new type, `.v2`.
Consumers ignore fields that they do not know. Dates are London dates; optional fields may be
absent or null.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections = [INTRODUCTION, _contents()]
    sections += [_topic(topic) for topic in TOPICS.values()]
    sections += [_structures(), _lists()]
    return "\n".join(sections)


def _contents() -> str:
    rows = [
        f"| [{topic.name}](#{_anchor(topic.name)}) | {topic.service} | "
        f"{', '.join(event.__name__ for event in _events_of(topic))} |"
        for topic in TOPICS.values()
    ]
    return "\n".join(["| topic | written by | events |", "|---|---|---|", *rows, ""])


def _topic(topic: Topic) -> str:
    kept = (
        "Compacted: the newest record of a key is kept."
        if topic.compacted
        else "Everything is kept."
    )
    head = f"## {topic.name}\n\nWritten by {topic.service}. {kept}\n"
    return "\n".join([head, *(_event(event) for event in _events_of(topic))])


def _event(event: type[Event]) -> str:
    name = event.__name__
    lines = [f"### {name}", ""]
    if text := inspect.cleandoc(event.__doc__ or ""):
        lines += [" ".join(text.split()), ""]
    takers = ", ".join(_takers()[event.type]) or "nobody yet"
    schema = f"[schema](schemas/{event.type}.json)"
    lines += [f"`{event.type}` · key `{event.key_field}` · taken by {takers} · {schema}", ""]
    if event.tombstone:
        return "\n".join([*lines, "No value: the key says it all.", ""])
    return "\n".join([*lines, *_fields(event), ""])


def _fields(model: type[BaseModel]) -> list[str]:
    rows = [
        f"| `{name}` | {_in_words(field.annotation)} |{_optional(field)}|"
        for name, field in model.model_fields.items()
    ]
    return ["| field | type | |", "|---|---|---|", *rows]


def _optional(field: FieldInfo) -> str:
    if field.is_required():
        return " "
    if field.default is None:
        return " optional "
    default = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return f" optional, {default} if left out "


def _in_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = " or ".join(_in_words(each) for each in arguments if each is not type(None))
        return f"{inner}, or null" if type(None) in arguments else inner
    if origin in (tuple, list):
        return f"list of {_in_words(arguments[0])}"
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, (BaseModel, StrEnum)):
        return f"[{annotation.__name__}](#{_anchor(annotation.__name__)})"
    raise TypeError(f"There are no words for {annotation}; add them to PLAIN.")


def _structures() -> str:
    lines = ["## Structures", ""]
    for name, model in sorted(_models().items()):
        lines += [f"### {name}", ""]
        if text := inspect.cleandoc(model.__doc__ or ""):
            lines += [" ".join(text.split()), ""]
        lines += [*_fields(model), ""]
    return "\n".join(lines)


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for event in EVENT_TYPES.values():
        _collect([field.annotation for field in event.model_fields.values()], found)
    return found


def _collect(annotations: Sequence[Any], found: dict[str, type[BaseModel]]) -> None:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found[annotation.__name__] = annotation
            _collect([field.annotation for field in annotation.model_fields.values()], found)
        else:
            _collect(get_args(annotation), found)


def _lists() -> str:
    used = "".join(str(schema_of(event)) for event in EVENT_TYPES.values())
    lines = ["## Closed lists", ""]
    for name, listed in vars(vocabulary).items():
        is_list = isinstance(listed, type) and issubclass(listed, StrEnum) and listed is not StrEnum
        if is_list and f"#/$defs/{name}" in used:
            lines += [f"### {name}", "", ", ".join(f"`{each}`" for each in listed), ""]
    return "\n".join(lines)


def _events_of(topic: Topic) -> Iterator[type[Event]]:
    return (event for event in EVENT_TYPES.values() if event.topic == topic)


@cache
def _takers() -> dict[str, list[str]]:
    effects = {name: load(name).effects.types for name in SERVICES}
    return {event: [name for name in SERVICES if event in effects[name]] for event in EVENT_TYPES}


def _anchor(heading: str) -> str:
    """As the usual Markdown renderers make it of a heading."""
    return heading.lower().replace(".", "")
