"""Which days there are, who comes to them, and what goes otherwise than it was meant."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Final

from deploy.demo import names
from deploy.demo.plan.parts import (
    DevelopmentDay,
    Leader,
    MemberSchool,
    Network,
    NetworkDay,
    OwnRecord,
)
from deploy.demo.terms import Term
from shared.events.vocabulary import Attendance, CancellationReason, Strand

HELD_A_TERM: Final = (3, 3, 2)
"""Network Days of each network in autumn, spring and summer: 152 in all."""
JOINT_EVERY: Final = 24
CANCELLED_EVERY: Final = 14
DEVELOPMENT_DAYS_A_TERM: Final = (3, 3, 3)
OWN_RECORDS: Final = 60
ATTENDANCE: Final = (
    (Attendance.ATTENDED, Attendance.LATE, Attendance.EXCUSED, Attendance.ABSENT),
    (86, 5, 4, 5),
)
TITLES: Final = {
    Strand.LEADERSHIP: "Leading improvement together",
    Strand.LEARNING_ENVIRONMENT: "Climates for learning",
    Strand.ASSESSMENT_FOR_LEARNING: "Assessment that moves learning on",
    Strand.PEDAGOGY_AND_CURRICULUM: "Teaching the curriculum well",
    Strand.STUDENT_AND_FAMILY_SUPPORT: "Working with pupils and families",
}
READINGS: Final = ("Reading group", "Online module", "Visit to another school", "Coaching")


def network_days(
    random: Random,
    terms: Sequence[Term],
    networks: Sequence[Network],
    schools: Sequence[MemberSchool],
    leaders: Sequence[Leader],
) -> tuple[NetworkDay, ...]:
    """The Network Days of the year, term by term."""
    rota = _Rota(random, schools, leaders)
    days: list[NetworkDay] = []
    for term, count in zip(terms, HELD_A_TERM, strict=True):
        for network in networks:
            dates = sorted(random.sample(term.days, count + 2))
            for number, day in enumerate(dates[:count]):
                joint = len(days) % JOINT_EVERY == JOINT_EVERY - 1
                invited = (network.number, *(_partner(networks, network) if joint else ()))
                strand = list(Strand)[(number + network.number + count) % len(Strand)]
                days.append(_network_day(random, rota, invited, strand, day, dates[count]))
            if (network.number + terms.index(term)) % 4 == 0:
                off = _network_day(random, rota, (network.number,), Strand.LEADERSHIP, dates[-1])
                days.append(_cancelled(random, off))
    return _finished(days)


def development_days(
    random: Random,
    terms: Sequence[Term],
    schools: Sequence[MemberSchool],
    leaders: Sequence[Leader],
    held: Sequence[NetworkDay],
) -> tuple[DevelopmentDay, ...]:
    """The Development Days of the year: no adviser is in two places on one date."""
    diaries = _Diaries(random, terms, held)
    rota = _Rota(random, schools, leaders)
    days = []
    for number, term in enumerate(terms):
        for school in schools:
            network = school.network_on(term.days[0])
            if network is None:
                continue
            adviser = school.number % 2
            days += [
                _development_day(random, rota, diaries, school, network, adviser, number)
                for _ in range(DEVELOPMENT_DAYS_A_TERM[number])
            ]
            if random.random() < 0.08:
                days.append(
                    _development_day(
                        random, rota, diaries, school, network, adviser, number, cancelled=True
                    )
                )
    return tuple(days)


def own_records(
    random: Random, terms: Sequence[Term], leaders: Sequence[Leader]
) -> tuple[OwnRecord, ...]:
    """Learning besides the programme; one in twelve was entered by mistake."""
    able = [each for each in leaders if each.same_as is None and each.left_on is None]
    return tuple(
        OwnRecord(
            leader=leader.number,
            hours=Decimal(random.randrange(2, 13)) / 4,
            strand=random.choice(list(Strand)),
            earned_on=random.choice(random.choice(terms[1:]).days)
            if leader.succeeds is None
            else random.choice(terms[2].days),
            title=random.choice(READINGS),
            revoked=number % 12 == 5,
        )
        for number, leader in enumerate(random.sample(able, OWN_RECORDS))
    )


class _Rota:
    """Whose turn it is in each school, so that in the course of the year everybody comes."""

    def __init__(
        self, random: Random, schools: Sequence[MemberSchool], leaders: Sequence[Leader]
    ) -> None:
        self._random = random
        self._schools = schools
        self._staff: dict[int, list[Leader]] = {school.number: [] for school in schools}
        for leader in leaders:
            self._staff[leader.school].append(leader)
        for staff in self._staff.values():
            random.shuffle(staff)

    def members(self, network: int, day: date) -> Iterator[int]:
        """The schools that are active in the network on the day."""
        return (each.number for each in self._schools if each.network_on(day) == network)

    def next(self, school: int, day: date, count: int) -> list[int]:
        """The next so many of the school's leaders who are in post on the day, each a person."""
        staff, chosen = self._staff[school], list[Leader]()
        for leader in list(staff):
            if len(chosen) < count and self._may_come(leader, day, chosen):
                chosen.append(leader)
                staff.remove(leader)
                staff.append(leader)
        return [each.number for each in chosen]

    def _may_come(self, leader: Leader, day: date, chosen: list[Leader]) -> bool:
        if not leader.serves_on(day):
            return False
        # The record that will be merged comes in autumn only, and never beside its other self.
        if leader.same_as is not None:
            return day.month >= 9 and all(each.number != leader.same_as for each in chosen)
        return all(each.same_as != leader.number for each in chosen)


class _Diaries:
    """The dates on which each adviser is still free, by term."""

    def __init__(self, random: Random, terms: Sequence[Term], held: Sequence[NetworkDay]) -> None:
        self._random = random
        self._terms = terms
        self._taken = {(network, day.date) for day in held for network in day.networks}
        self._free: dict[tuple[int, int, int], list[date]] = {}

    def take(self, network: int, adviser: int, term: int) -> date:
        """A free date of the term, which is taken then."""
        key = (network, adviser, term)
        if key not in self._free:
            days = [day for day in self._terms[term].days if (network, day) not in self._taken]
            self._random.shuffle(days)
            self._free[key] = days
        return self._free[key].pop()


def _network_day(
    random: Random,
    rota: _Rota,
    networks: tuple[int, ...],
    strand: Strand,
    day: date,
    other_date: date | None = None,
) -> NetworkDay:
    applicants = [
        leader
        for network in networks
        for school in rota.members(network, day)
        for leader in rota.next(school, day, random.choices((1, 2, 3), (30, 55, 15))[0])
    ]
    random.shuffle(applicants)
    full = random.random() < 0.2 and len(applicants) > 5
    short = random.randrange(1, 4) if full else -random.randrange(0, 5)
    releases = random.randrange(1, 3) if random.random() < (0.8 if full else 0.25) else 0
    return NetworkDay(
        networks=networks,
        title=TITLES[strand],
        strand=strand,
        hours=random.choice((Decimal(5), Decimal(5), Decimal("5.5"), Decimal(6))),
        date=day,
        venue=names.venue(random),
        places=len(applicants) - short,
        applicants=tuple(applicants),
        attendance={each: random.choices(*ATTENDANCE)[0] for each in applicants},
        released=tuple(random.sample(applicants[:5], releases)),
        first_date=other_date if other_date and random.random() < 0.1 else None,
        more_places=2 if full and random.random() < 0.3 else 0,
    )


def _cancelled(random: Random, day: NetworkDay) -> NetworkDay:
    reasons = (
        CancellationReason.VENUE,
        CancellationReason.WEATHER,
        CancellationReason.TOO_FEW_PLACES_TAKEN,
        CancellationReason.ADVISER_UNAVAILABLE,
    )
    few = day.applicants[:3]
    return NetworkDay(
        **{
            **vars(day),
            "applicants": few,
            "released": (),
            "first_date": None,
            "more_places": 0,
            "cancelled": random.choice(reasons),
        }
    )


def _finished(days: list[NetworkDay]) -> tuple[NetworkDay, ...]:
    """Late corrections on every sixth day, and two days that were recorded too early."""
    finished, held = [], 0
    for day in days:
        if day.cancelled is None:
            held += 1
            corrections = {}
            if held % 6 == 0:
                stay = [each for each in day.applicants if each not in day.released]
                wrong = next((e for e in stay if not day.attendance[e].present), stay[0])
                present = day.attendance[wrong].present
                corrections[wrong] = Attendance.EXCUSED if present else Attendance.ATTENDED
            day = NetworkDay(
                **{**vars(day), "reopened": held in (40, 110), "corrections": corrections}
            )
        finished.append(day)
    return tuple(finished)


def _partner(networks: Sequence[Network], network: Network) -> tuple[int, ...]:
    others = [
        each.number
        for each in networks
        if each.region == network.region and each.number != network.number
    ]
    return tuple(others[:1])


def _development_day(
    random: Random,
    rota: _Rota,
    diaries: _Diaries,
    school: MemberSchool,
    network: int,
    adviser: int,
    term: int,
    *,
    cancelled: bool = False,
) -> DevelopmentDay:
    day = diaries.take(network, adviser, term)
    reasons = (CancellationReason.SCHOOL_REQUEST, CancellationReason.ADVISER_UNAVAILABLE)
    return DevelopmentDay(
        school=school.number,
        network=network,
        adviser=adviser,
        date=day,
        strand=random.choice(list(Strand)),
        hours=random.choice((Decimal(2), Decimal("2.5"), Decimal(3), Decimal(4))),
        participants=tuple(rota.next(school.number, day, random.randrange(1, 4))),
        first_date=diaries.take(network, adviser, term) if random.random() < 0.03 else None,
        cancelled=random.choice(reasons) if cancelled else None,
        corrected_hours=Decimal("1.5") if random.random() < 0.01 and not cancelled else None,
        follows_up=random.random() < 0.4,
    )
