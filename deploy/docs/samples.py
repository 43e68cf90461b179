"""A valid event of any published type, the same each time: for examples, and for tests, which say
only what matters to them.
"""

import types
import typing
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel

from shared.events import Event
from shared.events.mis import record_of

E = TypeVar("E", bound=Event)
_IDS: Final = UUID("1f7e9a70-0000-4000-8000-000000000000")
_PLAIN: Final[dict[Any, Any]] = {
    str: "text", int: 1, bool: False, date: date(2026, 10, 8), Decimal: Decimal("5.5")
}  # fmt: skip


def named(name: str) -> UUID:
    """The same id for the same name."""
    return uuid5(_IDS, name)


_BY_NAME: Final[dict[str, Any]] = {
    "ends_on": date(2027, 8, 31),
    "establishment_number": "2001",
    "establishment_type": "Academy converter",
    "external_id": "E1042",
    "la_code": "852",
    "la_name": "Southampton",
    "name": "Ash Hill",
    "new_urn": 100007,
    "old_urn": 100001,
    "phase": "Primary",
    "places": 30,
    "postcode": "SO14 0AA",
    "pupils": 412,
    "record": record_of(named("trust_id"), "E1042"),
    "register_code": "TR00001",
    "title": "Leading a department",
    "town": "Southampton",
    "urn": 100001,
    "venue": "Ash Hill, main hall",
    "wrong": ("joined_on",),
}


def sample(event: type[E], **fields: Any) -> E:
    """Ids are named after their fields."""
    return event.model_validate(_fill(event) | fields)


def _fill(model: type[BaseModel]) -> dict[str, Any]:
    return {name: _value(name, field.annotation) for name, field in model.model_fields.items()}


def _value(name: str, annotation: Any) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _value(name, typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is tuple:
        return (_value(name, typing.get_args(annotation)[0]),)
    if annotation is UUID:
        return named(name)
    if issubclass(annotation, StrEnum):
        return next(iter(annotation))
    if issubclass(annotation, BaseModel):
        return _fill(annotation)
    return _PLAIN[annotation]
