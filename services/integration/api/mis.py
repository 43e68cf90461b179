"""What a trust's own systems may ask and tell, by the trust's credentials."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from services.integration.api.asking import TrustCommand
from services.integration.api.intake import Answer, take
from services.integration.api.reading import BATCHED, STRUCTURED, Sent, read
from services.integration.api.sealing import Sealing
from services.integration.api.signing_in import Trust
from services.integration.api.trusts import ConnectionOut, shown
from services.integration.domain.reports import REPORTS
from services.integration.store import refused
from services.integration.store import trusts as store
from services.integration.store.refused import RefusedRecord
from shared.web import Now, Read, Today, Tx
from shared.web.problems import FaultyField


class TellingRoute(TrustCommand):
    """The events' own source and id tell what is new."""

    keyed = False


router = APIRouter(prefix="/mis", tags=["mis"])
telling = APIRouter(route_class=TellingRoute)


class RefusalOut(BaseModel):
    """Why an event was not taken, as a problem (RFC 9457) says it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultyField] | None = None


class EventOut(BaseModel):
    source: str | None
    id: str | None
    outcome: str = Field(
        description="taken; unchanged: it says what is known; repeated: it was taken before; "
        "refused, and why; not_the_trusts: refused, as the school is another's"
    )
    refusal: RefusalOut | None = None

    @classmethod
    def of(cls, answer: Answer) -> "EventOut":
        why = answer.refusal
        return cls(
            source=answer.sent.source,
            id=answer.sent.event_id,
            outcome=answer.outcome,
            refusal=None if why is None else RefusalOut(
                type=why.type(),
                title=why.title,
                status=why.status,
                detail=why.detail,
                errors=[FaultyField(**vars(each)) for each in why.errors] or None,
            ),
        )  # fmt: skip


class RefusedRecordOut(BaseModel):
    """A record on the trust's own topic that was not taken, and why."""

    offset: int
    refused_at: datetime
    source: str | None
    id: str | None
    refusal: RefusalOut

    @classmethod
    def of(cls, record: RefusedRecord) -> "RefusedRecordOut":
        return cls(
            offset=record.offset,
            refused_at=record.refused_at,
            source=record.source,
            id=record.event_id,
            refusal=RefusalOut.model_validate(dict(record.refusal)),
        )


class RefusedRecordsOut(BaseModel):
    """The newest first; of a trust the newest 1,000 are kept."""

    refusals: list[RefusedRecordOut]


class EventsOut(BaseModel):
    """An answer for each event, in their order. Send only those again that were refused."""

    taken: int = Field(description="Events that need not be sent again, also the repeated ones")
    refused: int
    events: list[EventOut]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> "EventsOut":
        refused = sum(answer.refusal is not None for answer in answers)
        events = [EventOut.of(answer) for answer in answers]
        return cls(taken=len(answers) - refused, refused=refused, events=events)


_ATTRIBUTES: Final = {name: {"type": "string"} for name in ("id", "source", "specversion")}
_EVENT: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["id", "source", "specversion", "type", "data"],
            "properties": _ATTRIBUTES
            | {"type": {"const": name}, "data": report.model_json_schema()},
        }
        for name, report in REPORTS.items()
    ]
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": _EVENT},
            BATCHED: {"schema": {"type": "array", "items": _EVENT}},
        },
    }
}


@telling.post(
    "/events",
    summary="Take CloudEvents 1.0: binary, structured or batched",
    openapi_extra=_BODY,
)
async def take_events(
    request: Request, tx: Tx, trust_id: Trust, today: Today, sealer: Sealing
) -> EventsOut:
    """One event that is refused is answered by a problem; of a batch, each for itself."""
    sent = read(request.headers, await request.body())
    if not isinstance(sent, Sent):
        return EventsOut.of(await take(tx, trust_id, sent, today, sealer))
    [answer] = await take(tx, trust_id, [sent], today, sealer)
    if answer.refusal is not None:
        raise answer.refusal
    return EventsOut.of([answer])


@router.get("/connection", summary="Look at the own connection and the own schools")
async def look(trust_id: Trust, reading: Read, now: Now, today: Today) -> ConnectionOut:
    return await shown(reading, await store.connection_of(reading, trust_id), now, today)


@router.get("/refusals", summary="Look at what was not taken from the own topic on Kafka")
async def refusals(
    trust_id: Trust, reading: Read, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> RefusedRecordsOut:
    found = await refused.newest(reading, trust_id, limit)
    return RefusedRecordsOut(refusals=[RefusedRecordOut.of(each) for each in found])


router.include_router(telling)
