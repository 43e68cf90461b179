"""A trust's events are taken, each by itself, in the transaction of their request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import asyncpg

from services.integration import meters
from services.integration.api.reading import Sent
from services.integration.domain import staff as domain
from services.integration.domain.matching import match
from services.integration.domain.reports import Report, SchoolReport, StaffReport
from services.integration.domain.staff import SchoolIsNotTheTrusts, Schools, Staff
from services.integration.playing import record
from services.integration.store import links, people
from services.integration.store import reports as store
from services.integration.store.reports import Origin
from shared.events import Event, mis
from shared.events.integration import StaffMatched
from shared.events.vocabulary import Role
from shared.messaging import Transaction
from shared.problems import Refused
from shared.sealing import Sealer


@dataclass(frozen=True)
class Answer:
    """What became of one event; `refusal` says why it was not taken."""

    sent: Sent
    outcome: str
    refusal: Refused | None = None

    @property
    def changed(self) -> bool:
        """Whether it says anything new."""
        return self.outcome == meters.TAKEN


async def take(
    tx: Transaction,
    trust_id: UUID,
    sent: Sequence[Sent],
    today: date,
    sealer: Callable[[], Sealer],
) -> list[Answer]:
    """An answer for each event; what happened is recorded in the transaction.

    What has no source is not of an event, and is taken as often as it is sent. `sealer` makes what
    seals TRNs, where one is reported.
    """
    answers = await decide(tx, trust_id, sent, today, sealer)
    for answer in answers:
        meters.reported(answer.outcome)
    return answers


async def decide(
    tx: Transaction,
    trust_id: UUID,
    sent: Sequence[Sent],
    today: date,
    sealer: Callable[[], Sealer],
) -> list[Answer]:
    """As `take`, and nothing is counted: it may be taken back."""
    connection = tx.connection
    await store.lock_trust(connection, trust_id)
    readable = {
        _origin(each): each.report
        for each in sent
        if isinstance(each.report, Report) and each.source is not None
    }
    reports = [each.report for each in sent if isinstance(each.report, Report)]
    external_ids = {report.external_id for report in reports}
    urns = {
        report.school_urn for report in reports if isinstance(report, StaffReport | SchoolReport)
    }
    desk = _Desk(
        trust_id,
        today,
        new=await store.claim(connection, trust_id, list(readable)),
        staff=await store.staff_of(connection, trust_id, external_ids),
        schools=await store.schools_of(connection, trust_id, urns, external_ids),
        roles=await store.roles_of(connection, trust_id),
    )
    answers = [desk.answer(each) for each in sent]
    if desk.new:  # what is left of them was refused
        await store.release(connection, trust_id, list(desk.new))
    if desk.changed:
        await store.save_staff(connection, list(desk.changed.values()))
    marks: dict[str, list[bytes]] = {}
    if desk.trns:
        marks = await _keep_trns(connection, trust_id, desk.trns, sealer())
    desk.facts += await _match(connection, trust_id, desk.reported, today, marks)
    if schools := [fact for fact in desk.facts if isinstance(fact, mis.SchoolReported)]:
        await store.save_schools(connection, schools)
    await record(tx, trust_id, desk.facts)
    return answers


async def _keep_trns(
    connection: asyncpg.Connection, trust_id: UUID, trns: Mapping[str, str], sealer: Sealer
) -> dict[str, list[bytes]]:
    """Keeps TRNs sealed; answers by which marks each is found, by external id."""
    marks = {external_id: sealer.marks(trn) for external_id, trn in trns.items()}
    rows = [(key, marks[key][0], sealer.seal(trn)) for key, trn in trns.items()]
    await store.save_trns(connection, trust_id, rows)
    return marks


async def _match(
    connection: asyncpg.Connection,
    trust_id: UUID,
    staff: Sequence[Staff],
    today: date,
    trns: Mapping[str, Sequence[bytes]],
) -> list[StaffMatched]:
    """Finds out, or asks, who those are that are reported for the first time."""
    known = await links.linked(connection, trust_id, [each.external_id for each in staff])
    first = [each for each in staff if each.external_id not in known]
    if not first:
        return []
    candidates = await people.candidates_for(connection, trust_id, first, today, trns)
    matched = [match(each, candidates[each.external_id]) for each in first]
    await links.add(connection, [link for link, _ in matched])
    return [fact for _, fact in matched if fact is not None]


@dataclass
class _Desk:
    """Decides on one event after the other; each sees what those before it have changed."""

    trust_id: UUID
    today: date
    new: set[Origin]
    """Events that were not taken before; an event is crossed out once it is taken."""
    staff: dict[str, Staff]
    schools: Schools
    roles: dict[str, Role]
    changed: dict[str, Staff] = field(default_factory=dict)
    _reported: set[str] = field(default_factory=set)
    facts: list[Event] = field(default_factory=list)
    trns: dict[str, str] = field(default_factory=dict)
    """Of those whom events have told of, by external id."""

    @property
    def reported(self) -> list[Staff]:
        """Whom the events have told of, as they are after them."""
        return [self.staff[external_id] for external_id in sorted(self._reported)]

    def answer(self, sent: Sent) -> Answer:
        if isinstance(sent.report, Refused):
            return Answer(sent, meters.REFUSED, sent.report)
        if sent.source is not None and _origin(sent) not in self.new:
            return Answer(sent, meters.REPEATED)
        external_id = sent.report.external_id
        known = self.staff.get(external_id)
        try:
            staff, facts = domain.decide(
                self.trust_id, sent.report, known, self.schools, self.today, self.roles
            )
        except SchoolIsNotTheTrusts as refusal:
            return Answer(sent, meters.NOT_THE_TRUSTS, refusal)
        except Refused as refusal:
            return Answer(sent, meters.REFUSED, refusal)
        self.new.discard(_origin(sent))
        if staff is not None and staff != known:
            self.staff[external_id] = self.changed[external_id] = staff
        if isinstance(sent.report, StaffReport):
            self._reported.add(external_id)
            if sent.report.trn is not None:
                self.trns[external_id] = sent.report.trn
        self.facts += facts
        return Answer(sent, meters.TAKEN if facts else meters.UNCHANGED)


def _origin(sent: Sent) -> Origin:
    return sent.source or "", sent.event_id or ""
