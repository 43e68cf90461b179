"""What a trust's developer reads is valid by the standards, and examples are by their schemas."""

import copy
import json
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import ValidationError

from deploy.docs import examples
from deploy.docs.asyncapi import CHANNELS, asyncapi, references
from deploy.docs.openapi import openapi
from services.integration.domain.reports import REPORTS
from services.integration.domain.telling import TYPES
from services.integration.sending.parcels import PING_TYPE

DOCUMENT = json.loads(json.dumps(asyncapi()))


def at(document: Any, pointer: str) -> Any:
    """What a reference leads to. Raises KeyError."""
    for part in pointer.removeprefix("#/").split("/"):
        document = document[part]
    return document


def faults(payload: dict[str, Any], example: Any) -> list[str]:
    """Why an example is not valid."""
    schema = {"components": DOCUMENT["components"], **payload}
    checked = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [each.message for each in checked.iter_errors(example)]


def test_asyncapi_is_valid_and_a_wrong_one_is_not() -> None:
    ApplicationSchema.model_validate(DOCUMENT)
    wrong = copy.deepcopy(DOCUMENT)
    wrong["operations"]["feed"]["action"] = "tell"
    with pytest.raises(ValidationError):
        ApplicationSchema.model_validate(wrong)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 100
    assert all(at(DOCUMENT, each) for each in found)


def test_each_type_is_a_message_of_each_channel_that_has_it() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert set(messages) == TYPES | set(REPORTS) | {PING_TYPE, "feed.batch", "reports.batch"}
    for channel in CHANNELS:
        named = [at(DOCUMENT, each) for each in references(
            DOCUMENT["channels"][channel.name]["messages"]
        )]  # fmt: skip
        assert len(named) == (1 if channel.batch else len(channel.types))


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_each_example_is_valid_by_its_schema(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    [example] = message["examples"]
    assert faults(message["payload"], example["payload"]) == []


def test_an_example_that_is_wrong_is_not() -> None:
    message = DOCUMENT["components"]["messages"]["uk.aspire.cpd.CpdCredited.v1"]
    example = message["examples"][0]["payload"]
    for wrong in (
        example | {"type": "uk.aspire.cpd.CpdRevoked.v1"},
        example | {"data": example["data"] | {"hours": 5.5}},
        example | {"data": example["data"] | {"external_ids": None}},
        {name: value for name, value in example.items() if name != "id"},
    ):
        assert faults(message["payload"], wrong)


def test_the_sdk_reads_each_example() -> None:
    for example in [*examples.told().values(), *examples.reported().values()]:
        read = JSONFormat().read(CloudEvent, json.dumps(example))
        assert read.get_id() == example["id"]


def test_openapi_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(openapi()).iter_errors()) == []


def test_openapi_has_the_trusts_own_routes_each_with_its_credentials() -> None:
    document = openapi()
    assert {"/mis/events", "/mis/feed", "/mis/webhooks"} <= set(document["paths"])
    for path, operations in document["paths"].items():
        assert path.startswith("/mis/")
        assert {str(each["security"]) for each in operations.values()} == {"[{'trust': []}]"}
    assert all(at(document, each) for each in references(document))
