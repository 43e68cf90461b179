"""What the rows of a register mean for the schools that we know. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from uuid import UUID, uuid4

from services.membership.domain.membership import Membership
from services.membership.domain.school import School
from shared.events import Event
from shared.events.membership import SchoolDetails
from shared.events.vocabulary import LeavingReason
from shared.problems import Refused


class RegisterRow(NamedTuple):
    """`details` holds only what the file has columns for; `laestab` is part of them."""

    line: int
    urn: int
    details: dict[str, object]
    is_closed: bool
    opened_on: date | None
    closed_on: date | None

    @property
    def laestab(self) -> tuple[str, str] | None:
        la_code = self.details.get("la_code")
        number = self.details.get("establishment_number")
        return (str(la_code), str(number)) if la_code and number else None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """`line` is that of the file on which the row begins; the header stands on line 1."""

    line: int
    reason: str


@dataclass(slots=True)
class Known:
    """What we have about a batch's rows: the URNs of those that say what we have, and for the
    others the schools by any URN of theirs, the open school that holds a LAESTAB, the membership
    that would end with a school."""

    unchanged: set[int]
    by_urn: dict[int, School]
    by_laestab: dict[tuple[str, str], School]
    memberships: dict[UUID, Membership]


@dataclass(slots=True)
class Decided:
    """What a batch changes: each list holds the new state; `events` are in the order of the rows.

    `waiting` are rows whose LAESTAB another open school of ours has: a later row may free it.
    """

    new: list[School] = field(default_factory=list)
    changed: dict[UUID, School] = field(default_factory=dict)
    successors: list[School] = field(default_factory=list)
    left: list[Membership] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    waiting: list[RegisterRow] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    registered_count: int = 0
    changed_count: int = 0
    closed_count: int = 0
    unchanged_count: int = 0


def decide(
    rows: Sequence[RegisterRow],
    known: Known,
    *,
    closes: Callable[[int], bool],
    today: date,
    may_wait: bool,
) -> Decided:
    """`closes` says of a URN whether the file has it as closed. A school that closed without a
    date closed today, as far as anybody can tell."""
    seen = Known(known.unchanged, dict(known.by_urn), dict(known.by_laestab), known.memberships)
    deciding = _Deciding(seen, closes, today, may_wait)
    for row in rows:
        try:
            deciding.row(row)
        except Refused as refusal:
            deciding.out.refused.append(RefusedRow(row.line, f"URN {row.urn}: {refusal.detail}"))
    return deciding.out


class _Deciding:
    def __init__(
        self, known: Known, closes: Callable[[int], bool], today: date, may_wait: bool
    ) -> None:
        self._known = known
        self._closes = closes
        self._today = today
        self._may_wait = may_wait
        self.out = Decided()

    def row(self, row: RegisterRow) -> None:
        if row.urn in self._known.unchanged:
            self.out.unchanged_count += 1
            return
        school = self._known.by_urn.get(row.urn)
        holder = None if row.is_closed else self._holder(row)
        if holder is not None and (school is None or holder.school_id != school.school_id):
            if school is None and self._closes(holder.details.urn):
                self._succeed(holder, row)
            else:
                self._wait(holder, row)
        elif school is None:
            self._register(row)
        elif school.details.urn != row.urn:
            self.out.unchanged_count += 1  # a URN that the school had once
        elif school.closed_on is not None and not row.is_closed:
            self._refuse(
                row,
                f"we have the school as closed on {school.closed_on}, and the register as open. "
                "A closed school does not open again; is the file an old one?",
            )
        else:
            self._change(school, row)

    def _holder(self, row: RegisterRow) -> School | None:
        return None if row.laestab is None else self._known.by_laestab.get(row.laestab)

    def _register(self, row: RegisterRow) -> None:
        details = SchoolDetails.model_validate({"urn": row.urn, **row.details})
        school, registered = School.register(uuid4(), details)
        events: list[Event] = [registered]
        if row.is_closed:
            school, closed = school.close(row.closed_on or self._today)
            events.append(closed)
        self.out.new.append(school)
        self.out.events += events
        self.out.registered_count += 1
        self._remember(None, school)

    def _change(self, school: School, row: RegisterRow) -> None:
        details = school.details.model_copy(update=row.details)
        after, changed = school.change_details(details)
        events: list[Event] = [changed] if changed else []
        closing = row.is_closed and school.closed_on is None
        if closing:
            after, ended = self._close(after, row.closed_on or self._today)
            events += ended
        if not events:
            self.out.unchanged_count += 1
            return
        self._keep(school, after, events)
        if closing:
            self.out.closed_count += 1
        else:
            self.out.changed_count += 1

    def _close(self, school: School, closed_on: date) -> tuple[School, list[Event]]:
        """A closed school is no member any more."""
        after, closed = school.close(closed_on)
        membership = self._known.memberships.get(school.school_id)
        if membership is None:
            return after, [closed]
        ended, left = membership.leave(closed_on, LeavingReason.SCHOOL_CLOSED)
        self.out.left.append(ended)
        return after, [left, closed]

    def _succeed(self, school: School, row: RegisterRow) -> None:
        """The establishment closes in the same file, and one with its LAESTAB is open: the school
        goes on under a new URN, as when it becomes an academy."""
        after, urn_changed = school.change_urn(row.urn, row.opened_on or self._today)
        after, changed = after.change_details(after.details.model_copy(update=row.details))
        self.out.successors.append(after)
        self._keep(school, after, [urn_changed, changed] if changed else [urn_changed])
        self.out.changed_count += 1

    def _wait(self, holder: School, row: RegisterRow) -> None:
        if self._may_wait:
            self.out.waiting.append(row)
            return
        la_code, number = row.laestab or ("", "")
        self._refuse(
            row,
            f"its LAESTAB {la_code}/{number} is that of {holder.details.name}, URN "
            f"{holder.details.urn}, which is open. If that school has become this one, record its "
            "change of URN and import again.",
        )

    def _refuse(self, row: RegisterRow, reason: str) -> None:
        self.out.refused.append(RefusedRow(row.line, f"URN {row.urn}: {reason}"))

    def _keep(self, before: School, after: School, events: Sequence[Event]) -> None:
        self.out.changed[after.school_id] = after
        self.out.events += events
        self._remember(before, after)

    def _remember(self, before: School | None, after: School) -> None:
        """So that a later row of the batch sees what this one has changed."""
        self._known.by_urn[after.details.urn] = after
        if before is not None:
            self._known.by_urn[before.details.urn] = after
            if before.laestab is not None and before.closed_on is None:
                self._known.by_laestab.pop(before.laestab, None)
        if after.laestab is not None and after.closed_on is None:
            self._known.by_laestab[after.laestab] = after
