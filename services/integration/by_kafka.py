"""A trust's events that it writes to its own topic on Kafka, taken as those of its requests are."""

import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.integration import meters
from services.integration.api.intake import Answer, take
from services.integration.api.reading import EventNotValid, Sent, read_record
from services.integration.api.sealing import sealer
from services.integration.domain.connection import TrustNotConnected, TrustUnknown
from services.integration.store import refused, trusts
from services.integration.store.refused import RefusedRecord
from services.integration.store.reports import lock_trust
from shared.changes import Changes
from shared.clock import Clock
from shared.events.topics import FROM_TRUSTS
from shared.messaging import Transaction
from shared.messaging.intake import Intake
from shared.messaging.records import Record
from shared.problems import Refused
from shared.settings import Settings

log = logging.getLogger(__name__)

LONGEST: Final = 255
"""Of what is kept of a source or an id that may be anything."""
LONGEST_DETAIL: Final = 1000


async def take_from_topics(
    pool: asyncpg.Pool, settings: Settings, clock: Clock, changes: Changes
) -> None:
    """Until it is cancelled."""
    await Intake(FROM_TRUSTS, _Trusts(settings, clock), pool, settings, changes.tell).run()


class _Trusts:
    """Whose events they are says the topic's name, and nothing in a record."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def take(self, tx: Transaction, name: str, records: Sequence[Record]) -> None:
        """A trust that is not connected has nothing taken, whoever still writes its topic."""
        trust_id = _trust(name)
        if trust_id is None:
            return
        await lock_trust(tx.connection, trust_id)
        sent = [read_record(dict(record.headers), record.value) for record in records]
        if why := await self._shut_out(tx.connection, trust_id):
            answers = [Answer(each, meters.REFUSED, why) for each in sent]
        else:
            answers = await take(
                tx, trust_id, sent, self._clock.today(), lambda: sealer(self._settings)
            )
        await self._keep(tx, trust_id, [
            (record, answer.sent, answer.refusal)
            for record, answer in zip(records, answers, strict=True)
            if answer.refusal is not None
        ])  # fmt: skip

    async def refuse(self, tx: Transaction, name: str, record: Record, why: str) -> None:  # noqa: ARG002
        """The trust reads that it cannot be taken; why is in our log, for it may be our fault."""
        trust_id = _trust(name)
        if trust_id is not None:
            meters.reported(meters.REFUSED)
            sent = read_record(dict(record.headers), record.value)
            refusal = EventNotValid("Something in it cannot be kept here.")
            await self._keep(tx, trust_id, [(record, sent, refusal)])

    async def _shut_out(self, connection: asyncpg.Connection, trust_id: UUID) -> Refused | None:
        try:
            found = await trusts.connection_of(connection, trust_id)
        except TrustUnknown as unknown:
            return unknown
        if found.is_connected(self._clock.now()):
            return None
        return TrustNotConnected(f"{found.name} is not connected: nothing of it is taken.")

    async def _keep(
        self, tx: Transaction, trust_id: UUID, records: Sequence[tuple[Record, Sent, Refused]]
    ) -> None:
        if records:
            now = self._clock.now()
            await refused.keep(tx.connection, trust_id, [
                RefusedRecord(
                    record.offset, now, _line(sent.source), _line(sent.event_id), _problem(why)
                )
                for record, sent, why in records
            ])  # fmt: skip


def _trust(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _line(text: str | None) -> str | None:
    return text if text is not None and text.isprintable() and len(text) <= LONGEST else None


def _problem(why: Refused) -> dict[str, Any]:
    """As RFC 9457 says it."""
    problem: dict[str, Any] = {
        "type": why.type(),
        "title": why.title,
        "status": why.status,
        "detail": why.detail[:LONGEST_DETAIL],
    }
    if why.errors:
        problem["errors"] = [vars(each) for each in why.errors]
    return problem
