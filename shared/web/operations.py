"""What operators see and do in a service over HTTP: the flow of events, parked records, and stops
that it has made by itself.

The same as `aspire status`, `parked` and `resume`, in every service; each act is kept with the
subject of the token.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

import asyncpg
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from shared.messaging import Effects, checkpoints, flow, journal, parking, stops
from shared.messaging.flow import Flow
from shared.messaging.inbox import Overtaken
from shared.messaging.parking import NotFirst, NothingParked, Parked
from shared.messaging.stops import Stop
from shared.problems import NotFound, Refused
from shared.web.actor import Actor
from shared.web.auth import require
from shared.web.bodies import Body, Line
from shared.web.commands import CommandRoute, Tx
from shared.web.context import Context, Read, context_of
from shared.web.paging import Page, PageQuery

MOST: Final = 2**63 - 1

Operator = Annotated[Actor, Depends(require("operations"))]
Served = Annotated[Context, Depends(context_of)]
Number = Annotated[int, Path(ge=1, le=MOST, description="`parked_id` of the record")]


class NotParked(NotFound):
    title = "Nothing is parked under that number"


class ReplayNotPossible(Refused):
    title = "The record cannot be replayed now"


class NotStopped(Refused):
    title = "There is nothing to resume"


class StopStands(Refused):
    title = "The service still takes no command"


class Reason(Body):
    """Why an operator decides so; it stays on record."""

    because: Line = Field(examples=["the column is there since migration 4"])


class FailedAgain(BaseModel):
    """A record that could not be processed this time either."""

    sequence: int | None
    reason: str


class ReplayOutcome(BaseModel):
    """How many records took effect, and those that failed again, which stay parked."""

    applied: int
    failed: list[FailedAgain]


class Resumed(BaseModel):
    """The parts that go on, and the stops that stand."""

    resumed: list[str]
    standing: list[Stop]


def operations_router(effects: Effects) -> APIRouter:
    """The routes under `/operations`, for the role `operations`; `effects` are the service's."""
    router = APIRouter(prefix="/operations", tags=["operations"], route_class=CommandRoute)
    _add_flow(router, [topic.name for topic in effects.topics])
    _add_parked(router, effects)
    _add_stops(router)
    return router


def _add_flow(router: APIRouter, reads: Sequence[str]) -> None:
    @router.get("/flow", summary="How events flow through the service just now, over all replicas")
    async def show_flow(read: Read, _: Operator, context: Served, response: Response) -> Flow:
        """Each replica tells its database what it sees every `ASPIRE_FIGURES_SECONDS`; outbox,
        parked, set aside, stops and alarms are as the database has them now."""
        response.headers["Cache-Control"] = "no-store"
        return await flow.flow(
            read,
            context.service,
            reads,
            early_alarm_seconds=context.settings.early_alarm_seconds,
            silent_after_seconds=context.settings.silent_after_seconds,
        )


def _add_parked(router: APIRouter, effects: Effects) -> None:
    @router.get("/parked", summary="Records that could not be processed, by number, without values")
    async def list_parked(
        page: PageQuery,
        read: Read,
        _: Operator,
        topic: Annotated[str | None, Query(max_length=249)] = None,
        key: Annotated[str | None, Query(max_length=1000)] = None,
    ) -> Page[Parked]:
        """`updated_since` leaves out what was parked before."""
        (after,) = page.key(int) or (0,)
        rows = await parking.page(
            read,
            topic=topic,
            key=key,
            since=page.updated_since,
            after=max(0, min(after, MOST)),
            limit=page.fetch,
        )
        return Page[Parked].of(page, rows, lambda each: each, lambda each: each.parked_id)

    @router.get("/parked/{parked_id}", summary="One parked record, with its value")
    async def show_parked(parked_id: Number, read: Read, _: Operator) -> Parked:
        """The value is null where the topic is about people."""
        with _in_words():
            return await parking.show(read, parked_id)

    @router.post(
        "/parked/{parked_id}/replay",
        summary="Process a record again, and what is parked behind it",
    )
    async def replay_parked(
        parked_id: Number, tx: Tx, _: Operator, context: Served
    ) -> ReplayOutcome:
        """It has to be the first that is parked of its key: the order of the key is kept. What
        follows it takes effect, too, up to the first that fails again; the answer is 200 also
        where that is the record itself."""
        with _in_words(), journal.refusing():
            replayed = await parking.replay_from(
                tx.connection, context.service, effects, parked_id, tx.actor
            )
        failed = [FailedAgain(sequence=at, reason=reason) for at, reason in replayed.failed]
        return ReplayOutcome(applied=replayed.applied, failed=failed)

    @router.post("/parked/{parked_id}/discard", summary="Do without a parked record, for good")
    async def discard_parked(parked_id: Number, body: Reason, tx: Tx, _: Operator) -> Parked:
        """The decision is kept, and a rebuild keeps to it. Later records of the key stay parked
        until they are replayed."""
        with _in_words():
            return await parking.discard_within(tx.connection, parked_id, tx.actor, body.because)


def _add_stops(router: APIRouter) -> None:
    @router.get("/stops", summary="What the service has stopped by itself, and why")
    async def list_stops(read: Read, _: Operator) -> list[Stop]:
        """Empty where everything may work. A stop of `consumer` or `relay` ends by
        `POST /operations/resume`; one of `api` by `aspire reconcile`."""
        return await stops.all_in_force(read)

    @router.post("/resume", summary="Let consumer and relay go on after they have stopped")
    async def resume(body: Reason, tx: Tx, _: Operator, context: Served) -> Resumed:
        """Put right first what the stop names."""
        resumed = await checkpoints.resume(tx.connection, tx.actor, body.because)
        standing = await stops.all_in_force(tx.connection)
        if not resumed and standing:
            raise StopStands(f"{context.service} takes no command still: {standing[0].reason}")
        if not resumed:
            raise NotStopped(f"{context.service} is not stopped; there is nothing to resume.")
        return Resumed(resumed=resumed, standing=standing)


@contextmanager
def _in_words() -> Iterator[None]:
    """Has what the kernel refuses be answered as a problem, and what it was overtaken in be begun
    again."""
    try:
        yield
    except NothingParked as nothing:
        raise NotParked(f"{nothing} GET /operations/parked lists what there is.") from None
    except NotFirst as order:
        raise ReplayNotPossible(str(order)) from None
    except Overtaken as overtaken:
        raise asyncpg.SerializationError("a batch has moved the key meanwhile") from overtaken
