"""docs/integration/asyncapi.json: the channels of a trust, with a message for each event.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from deploy.docs import examples
from deploy.docs.schemas import Schema
from services.integration.api.reading import BATCHED, MOST_EVENTS, STRUCTURED
from services.integration.domain.reports import REPORTS
from services.integration.domain.telling import TOLD, ExternalIds
from services.integration.sending.parcels import PING_TYPE
from shared.events.topics import FROM_TRUSTS, TO_TRUSTS
from shared.service import VERSION

SCHEMAS: Final = "#/components/schemas/"
REFERENCE: Final = SCHEMAS + "{model}"
SIGN_IN: Final[Mapping[str, Schema]] = {
    "trust": {
        "type": "http",
        "scheme": "basic",
        "description": "The trust's id and its secret",
    },
    "kafka": {"type": "scramSha512", "description": "The trust's own user"},
}
NEEDED: Final = ["specversion", "id", "source", "type", "data"]
ENVELOPE: Final[Schema] = {
    "description": "CloudEvents 1.0 in its JSON format",
    "type": "object",
    "required": NEEDED,
    "properties": {
        "specversion": {"const": "1.0"},
        **{name: {"type": "string", "minLength": 1} for name in ("id", "source", "type")},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "string", "description": "Ascends for a partitionkey"},
        "partitionkey": {"type": "string", "description": "What comes in order"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
        "data": {"type": "object"},
    },
}
PING: Final[Schema] = {
    "type": "object",
    "required": ["webhook_id"],
    "properties": {"webhook_id": {"type": "string", "format": "uuid"}},
}


@dataclass(frozen=True)
class Channel:
    """Where events pass, as the platform sees it; `address` is a path or a topic of the server, or
    None where a trust says it. `method` is HTTP's. `batch` says that events come as an array."""

    name: str
    action: str
    address: str | None
    summary: str
    types: tuple[str, ...]
    server: str = "aspire"
    method: str | None = None
    batch: bool = False


TOLD_TYPES: Final = tuple(event.type for event in TOLD)
CHANNELS: Final = (
    Channel(
        "webhook", "send", None,
        "Each event to the trust's own address, signed after Standard Webhooks, and where it asks "
        "for one a ping", (*TOLD_TYPES, PING_TYPE),
        server="trust", method="POST",
    ),
    Channel(
        "feed", "send", "/mis/feed", "Answers what comes behind a cursor", TOLD_TYPES,
        method="GET", batch=True,
    ),
    Channel(
        "report", "receive", "/mis/events", "Takes an event", tuple(REPORTS), method="POST",
    ),
    Channel(
        "reports", "receive", "/mis/events", "Takes a batch, and answers each for itself",
        tuple(REPORTS), method="POST", batch=True,
    ),
    Channel(
        "topic", "receive", f"{FROM_TRUSTS}{{trust}}", "Takes what a trust writes to its own topic",
        tuple(REPORTS), server="kafka",
    ),
    Channel(
        "feed-topic", "send", f"{TO_TRUSTS}{{trust}}", "Each event of the trust's feed, in its "
        "order, to the topic that the trust reads", TOLD_TYPES, server="kafka",
    ),
)  # fmt: skip


def asyncapi() -> Schema:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Aspire for trusts",
            "version": VERSION,
            "description": "What a trust sends and is told, as CloudEvents 1.0 over HTTP and "
            "Kafka. `send` and `receive` are the platform's.",
        },
        "defaultContentType": STRUCTURED,
        "servers": {
            "aspire": _server("https", "The service integration", "trust"),
            "kafka": _server("kafka-secure", "The platform's Kafka", "kafka"),
            "trust": _server("https", "The trust's own receiver"),
        },
        "channels": {each.name: _channel(each) for each in CHANNELS},
        "operations": {each.name: _operation(each) for each in CHANNELS},
        "components": {
            "messages": _messages(),
            "schemas": _schemas(),
            "securitySchemes": dict(SIGN_IN),
        },
    }


def _server(protocol: str, text: str, sign_in: str | None = None) -> Schema:
    variables = {"host": {"default": "aspire.example", "description": "Where it is"}}
    where = {"host": "{host}", "pathname": "/", "protocol": protocol, "variables": variables}
    security = [_ref(f"#/components/securitySchemes/{sign_in}")] if sign_in else []
    return where | {"description": text, "security": security}


def _channel(channel: Channel) -> Schema:
    names = [_batch(channel)] if channel.batch else channel.types
    parameters = {"trust": {"description": "The trust's id"}}
    return {
        "parameters": parameters if "{trust}" in (channel.address or "") else {},
        "address": channel.address,
        "description": channel.summary,
        "servers": [_ref(f"#/servers/{channel.server}")],
        "messages": {name: _ref("#/components/messages/" + name) for name in names},
    }


def _operation(channel: Channel) -> Schema:
    over = {"http": {"method": channel.method, "bindingVersion": "0.3.0"}}
    return {
        "action": channel.action,
        "channel": _ref(f"#/channels/{channel.name}"),
        "summary": channel.summary,
        "bindings": over if channel.method else {},
    }


def _messages() -> Schema:
    """Of each event, and of each batch of them."""
    found = examples.reported() | {event.type: each for event, each in examples.told().items()}
    found[PING_TYPE] = examples.pinged()
    batches = {_batch(each): each for each in CHANNELS if each.batch}
    return {kind: _message(kind, example) for kind, example in found.items()} | {
        name: {
            "name": name,
            "contentType": BATCHED,
            "payload": {
                "type": "array",
                "maxItems": MOST_EVENTS,
                "items": {"oneOf": [_ref(SCHEMAS + kind) for kind in channel.types]},
            },
            "examples": [{"payload": [found[kind] for kind in channel.types[:2]]}],
        }
        for name, channel in batches.items()
    }


def _message(kind: str, example: Mapping[str, Any]) -> Schema:
    return {
        "name": kind,
        "title": kind.split(".")[3],
        "contentType": STRUCTURED,
        "payload": _ref(SCHEMAS + kind),
        "examples": [{"payload": example}],
    }


def _schemas() -> Schema:
    """An event's under its type; its data under the name of the model."""
    written, found = models_json_schema(
        [(model, "serialization") for model in TOLD], ref_template=REFERENCE
    )
    read, of_reports = models_json_schema(
        [(model, "validation") for model in REPORTS.values()], ref_template=REFERENCE
    )
    schemas: Schema = found["$defs"] | of_reports["$defs"]
    schemas["ExternalIds"] = TypeAdapter(ExternalIds).json_schema()
    schemas["CloudEvent"] = ENVELOPE
    schemas["Ping"] = PING
    schemas[PING_TYPE] = _event(PING_TYPE, SCHEMAS + "Ping", "Deliveries arrive; in no feed.")
    for model in TOLD:
        reference = written[model, "serialization"]["$ref"]
        data = schemas[reference.removeprefix(SCHEMAS)]
        data["properties"]["external_ids"] = _ref(SCHEMAS + "ExternalIds")
        data["required"] = [*data.get("required", ()), "external_ids"]
        schemas[model.type] = _event(model.type, reference, model.__doc__)
    for kind, report in REPORTS.items():
        reference = read[report, "validation"]["$ref"]
        schemas[kind] = _event(kind, reference, report.__doc__)
    return schemas


def _event(kind: str, data: str, text: str | None) -> Schema:
    said = {"description": " ".join(inspect.cleandoc(text).split())} if text else {}
    only = {"properties": {"type": {"const": kind}, "data": _ref(data)}}
    return said | {"allOf": [_ref(SCHEMAS + "CloudEvent"), only]}


def _batch(channel: Channel) -> str:
    return f"{channel.name}.batch"


def _ref(to: str) -> dict[str, str]:
    return {"$ref": to}


def references(document: object) -> Iterable[str]:
    """All that the document refers to."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list | tuple):
        for each in document:
            yield from references(each)
