"""The envelope of an event: what a payload class knows of itself, and what comes with a record.

CloudEvents 1.0 over its Kafka protocol binding, binary content mode.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.events.topics import Topic

TYPE_PREFIX = "uk.aspire"

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every published type by its CloudEvents `type`."""


class Event(BaseModel):
    """A fact of the programme, in the past tense, frozen.

    A subclass names its topic and the field that is its key:
    `class SchoolJoined(Event, topic=MEMBERSHIP, key="school_id")`. Unknown fields are ignored, so
    that a type may gain optional fields. A `tombstone` has no payload: its key says it all.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    topic: ClassVar[Topic]
    key_field: ClassVar[str]
    tombstone: ClassVar[bool]

    def __init_subclass__(
        cls, *, topic: Topic, key: str, version: int = 1, tombstone: bool = False, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.topic = topic
        cls.key_field = key
        cls.tombstone = tombstone
        cls.type = f"{TYPE_PREFIX}.{topic.service}.{cls.__name__}.v{version}"
        EVENT_TYPES[cls.type] = cls

    @property
    def key(self) -> str:
        """The Kafka message key: events of one key are in order."""
        return str(getattr(self, self.key_field))

    def payload(self) -> str | None:
        """The record's value as JSON text; None for a tombstone."""
        return None if self.tombstone else self.model_dump_json()


E = TypeVar("E", bound=Event, covariant=True)


@dataclass(slots=True)
class Received(Generic[E]):
    """An event as a consumer meets it: the payload and the attributes of its record.

    Not frozen, as it is made by the thousand; nobody changes one.
    """

    id: UUID
    topic: str
    key: str
    sequence: int
    time: datetime
    data: E
    partition: int
    offset: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Caused:
    """An event that an effect makes, and the received event that is its cause."""

    cause: Received[Event]
    event: Event
