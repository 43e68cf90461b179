"""A valid event of any published type, of which a test says only what matters to it."""

import types
import typing
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.events import Event
from tests.service.integration.world import named

E = TypeVar("E", bound=Event)
_PLAIN: dict[Any, Any] = {
    str: "text", int: 1, bool: False, date: date(2026, 10, 8), Decimal: Decimal("5.5")
}  # fmt: skip


def sample(event: type[E], **fields: Any) -> E:
    """Ids are named after their fields."""
    return event.model_validate(_fill(event) | fields)


def _fill(model: type[BaseModel]) -> dict[str, Any]:
    return {name: _value(name, field.annotation) for name, field in model.model_fields.items()}


def _value(name: str, annotation: Any) -> Any:
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
