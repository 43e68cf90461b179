"""What a trust is told and may send, with an example of each, made as the service makes it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from deploy.docs.samples import named, sample
from services.integration.domain.reports import REPORTS
from services.integration.domain.telling import (
    PERSON_FIELDS,
    TOLD,
    ExternalIds,
    Told,
    envelope,
    mentioned,
    slices,
)
from services.integration.sending.parcels import PING_TYPE, ping
from shared.events import Event, Received

RECORDED: Final = datetime(2026, 10, 9, 8, 15, 27, 120450, tzinfo=UTC)
SOURCE: Final = "/mis/example"
CloudEvent = dict[str, Any]

_REPORTED: Final[Mapping[str, dict[str, Any]]] = {
    "uk.aspire.mis.StaffReported.v1": {
        "external_id": "E1042", "name": "Ada Example", "school_urn": 100001, "role_code": "HOD",
        "role_title": "Head of department", "from": "2026-09-01",
        "work_email": "ada@school.example", "trn": "1234567",
    },
    "uk.aspire.mis.StaffLeft.v1": {"external_id": "E1042", "left_on": "2027-08-31"},
    "uk.aspire.mis.AbsenceReported.v1": {
        "external_id": "E1042", "from": "2026-11-10", "to": "2026-11-12",
    },
    "uk.aspire.mis.SchoolReported.v1": {"external_id": "S1", "school_urn": 100001},
}  # fmt: skip


def told() -> dict[type[Event], CloudEvent]:
    """An example of each event that a trust is told, as a delivery or the feed has it."""
    return {event: _delivered(event) for event in TOLD}


def pinged() -> CloudEvent:
    """An example of what a webhook is sent where its trust asks for it."""
    return ping(named(PING_TYPE), named("webhook_id"), RECORDED)


def reported() -> dict[str, CloudEvent]:
    """An example of each event that a trust may send, by its type. Raises ValidationError where
    one is not valid any more, KeyError where there is none."""
    found = {}
    for number, (kind, report) in enumerate(REPORTS.items(), 1):
        data = _REPORTED[kind]
        report.model_validate_json(json.dumps(data))
        attributes = {"source": SOURCE, "id": f"2026-{number}", "data": data}
        found[kind] = {"specversion": "1.0", "type": kind, **attributes}
    return found


def _delivered(event: type[Event]) -> CloudEvent:
    happened = sample(event)
    [cut] = slices(
        Received(
            id=named(event.type), topic=event.topic.name, key=happened.key, sequence=3,
            time=RECORDED, data=happened, partition=0, offset=0, traceparent=None,
        )
    )  # fmt: skip
    shared = {name: getattr(cut, name) for name in Told.__annotations__ if name != "position"}
    return envelope(Told(position=1, **shared), _called(cut.data))


def _called(data: Mapping[str, Any]) -> ExternalIds:
    """The trust has reported everybody and every school."""
    return ExternalIds(
        people={key: ["E1042"] for key in mentioned(data, *PERSON_FIELDS)},
        schools={key: ["S1"] for key in mentioned(data, "school_id")},
    )
