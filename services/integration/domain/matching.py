"""Who a member of staff that a trust has reported is: surely known, new, or to be decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from services.integration.domain.staff import Staff, plain
from shared.events.integration import StaffMatched
from shared.events.vocabulary import MatchedBy
from shared.problems import Invalid, NotFound, Refused

LINK: Final = uuid5(NAMESPACE_URL, "https://aspire.example/link")
PERSON: Final = uuid5(NAMESPACE_URL, "https://aspire.example/person-of-mis")


class MatchUnknown(NotFound):
    title = "There is no such match"


class MatchIsDecided(Refused):
    title = "The match is decided already"


class CandidateUnknown(Invalid):
    title = "The person is no candidate"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody with the same name, work e-mail address or TRN; `at_school`: has a post at the
    school that was reported. `same_trn` is None where no TRN is known of one of the two."""

    person_id: UUID
    name: str
    email: str | None
    at_school: bool
    same_trn: bool | None = None

    def is_surely(self, staff: Staff) -> MatchedBy | None:
        """By what it is beyond doubt that this is the member of staff; None: it may be another."""
        if self.same_trn and plain(self.name) == plain(staff.name):
            return MatchedBy.TRN
        same_email = staff.email is not None and plain(self.email) == plain(staff.email)
        if same_email and self.at_school and self.same_trn is None:
            return MatchedBy.WORK_EMAIL
        return None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A record of a trust and the person that it means; None while nobody has decided."""

    link_id: UUID
    trust_id: UUID
    external_id: str
    person_id: UUID | None
    candidates: tuple[UUID, ...] = ()

    def choose(self, record: str, person_id: UUID | None) -> tuple["Link", StaffMatched]:
        """One of the candidates, or None: a new person."""
        if self.person_id is not None:
            raise MatchIsDecided(
                f"{self.external_id} is the person {self.person_id}. Where that is wrong, the "
                "programme office merges records of people, or corrects their posts."
            )
        if person_id is None:
            return self.means(record, new_person(record), MatchedBy.NEW_PERSON)
        if person_id not in self.candidates:
            raise CandidateUnknown(
                f"{person_id} is none of the candidates of this match. Choose one of them, or a "
                "new person.",
                errors=[("#/person_id", "one of the candidates")],
            )
        return self.means(record, person_id, MatchedBy.DECISION)

    def means(self, record: str, person_id: UUID, by: MatchedBy) -> tuple["Link", StaffMatched]:
        """The person that it is from now on."""
        return replace(self, person_id=person_id, candidates=()), StaffMatched(
            record=record,
            trust_id=self.trust_id,
            external_id=self.external_id,
            person_id=person_id,
            matched_by=by,
        )


def new_person(record: str) -> UUID:
    """The id of somebody whom nobody knew: the same whenever it is worked out."""
    return uuid5(PERSON, record)


def match(staff: Staff, candidates: Sequence[Candidate]) -> tuple[Link, StaffMatched | None]:
    """A first report is matched by what is sure: the TRN with the name, or the work e-mail address
    of one person who has a post at that school. Without any candidate it is a new person; whatever
    else waits, also where two are sure, or two have the address."""
    link = Link(
        link_id=uuid5(LINK, staff.record),
        trust_id=staff.trust_id,
        external_id=staff.external_id,
        person_id=None,
        candidates=tuple(sorted(each.person_id for each in candidates)),
    )
    if not candidates:
        return link.choose(staff.record, None)
    sure = [(each, by) for each in candidates if (by := each.is_surely(staff))]
    if len(sure) == 1:
        [(person, by)] = sure
        if by is MatchedBy.TRN or _have_address(candidates, staff) == 1:
            return link.means(staff.record, person.person_id, by)
    return link, None


def _have_address(candidates: Sequence[Candidate], staff: Staff) -> int:
    return sum(plain(each.email) == plain(staff.email) for each in candidates)
