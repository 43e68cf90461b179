"""A log of events as the services would have written it, in any order that keeps each key's."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from services.reporting import domain
from services.reporting.effects import effects
from services.reporting.store.figures import Asked
from services.reporting.store.summaries import facts
from shared.clock import ProgrammeYear
from shared.events import Event, Received, cpd, membership, scheduling
from shared.events.vocabulary import (
    Attendance,
    CancellationReason,
    CpdSource,
    Framework,
    GroupKind,
    Judgement,
    LeavingReason,
    Pathway,
    Region,
    Role,
    Strand,
)

YEAR = ProgrammeYear(2025)
TODAY = date(2026, 7, 1)
_IDS = UUID("5a1d9f0e-0000-4000-8000-000000000000")


def named(name: str) -> UUID:
    """The id of what a test calls by a name."""
    return uuid5(_IDS, name)


def on(day: str) -> date:
    """A date of the year 2025-26, given as "11-05"."""
    month = int(day[:2])
    return date.fromisoformat(f"{2025 if month >= 9 else 2026}-{day}")


GOOD = membership.StartingPoint(framework=Framework.OVERALL_GRADE, judgement=Judgement.GOOD)
STRONG = membership.StartingPoint(
    framework=Framework.REPORT_CARD, judgement=Judgement.STRONG_STANDARD
)


class Log:
    """Collects events; each gets the next sequence of its key."""

    def __init__(self) -> None:
        self.events: list[Received[Any]] = []
        self._sequences: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, *events: Event) -> None:
        for event in events:
            of_key = (event.topic.name, event.key)
            self._sequences[of_key] += 1
            number = len(self.events)
            self.events.append(
                Received(
                    id=uuid5(_IDS, f"event {number}"),
                    topic=event.topic.name,
                    key=event.key,
                    sequence=self._sequences[of_key],
                    time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
                    data=event,
                    partition=0,
                    offset=number,
                )
            )

    # membership

    def network(self, name: str, region: Region, established: date) -> UUID:
        self.add(
            membership.NetworkEstablished(
                network_id=named(name), name=name, region=region, established_on=established
            )
        )
        return named(name)

    def school(self, name: str) -> UUID:
        self.add(
            membership.SchoolRegistered(
                school_id=named(name), details=membership.SchoolDetails(urn=100000, name=name)
            )
        )
        return named(name)

    def joined(
        self,
        school: str,
        network: str,
        joined: date,
        *,
        pathway: Pathway = Pathway.PARTNER_SCHOOLS,
        starting_point: membership.StartingPoint = GOOD,
        name: str = "",
    ) -> UUID:
        membership_id = named(name or f"membership of {school}")
        self.add(
            membership.SchoolJoined(
                school_id=named(school),
                membership_id=membership_id,
                network_id=named(network),
                pathway=pathway,
                joined_on=joined,
                ends_on=joined.replace(year=joined.year + 3) - timedelta(days=1),
                starting_point=starting_point,
            )
        )
        return membership_id

    def moved(self, school: str, before: str, after: str, day: date) -> None:
        self.add(
            membership.SchoolMovedNetwork(
                school_id=named(school),
                membership_id=named(f"membership of {school}"),
                from_network_id=named(before),
                to_network_id=named(after),
                moved_on=day,
            )
        )

    def left(self, school: str, day: date) -> None:
        self.add(
            membership.SchoolLeft(
                school_id=named(school),
                membership_id=named(f"membership of {school}"),
                left_on=day,
                reason=LeavingReason.CAPACITY,
            )
        )

    def merged(self, stays: str, merged: str) -> None:
        self.add(membership.PeopleMerged(person_id=named(stays), merged_person_id=named(merged)))

    def grouped(self, group: str, school: str, joined: date) -> None:
        self.add(
            membership.GroupRegistered(group_id=named(group), name=group, kind=GroupKind.TRUST),
            membership.SchoolJoinedGroup(
                group_id=named(group), school_id=named(school), joined_on=joined
            ),
        )

    # scheduling and, as an answer to it, cpd

    def scheduled(self, day: str, on_date: date, *networks: str) -> None:
        self.add(
            scheduling.NetworkDayScheduled(
                day_id=named(day),
                title=day,
                network_ids=tuple(named(network) for network in networks),
                date=on_date,
                venue="Town hall",
                places=20,
                strand=Strand.LEADERSHIP,
                hours=Decimal("5.5"),
            )
        )

    def cancelled(self, day: str) -> None:
        self.add(
            scheduling.NetworkDayCancelled(day_id=named(day), reason=CancellationReason.WEATHER)
        )

    def held(
        self,
        day: str,
        on_date: date,
        networks: Iterable[str],
        *register: tuple[str, str, Role, Attendance],
        credited: bool = True,
    ) -> None:
        """The register has (person, school, role, attendance); those present are credited."""
        self.add(
            scheduling.NetworkDayHeld(
                day_id=named(day),
                network_ids=tuple(named(network) for network in networks),
                date=on_date,
                strand=Strand.LEADERSHIP,
                hours=Decimal("5.5"),
                entries=tuple(
                    scheduling.RegisterEntry(
                        place_id=named(f"{person} on {day}"),
                        person_id=named(person),
                        school_id=named(school),
                        role=role,
                        attendance=attendance,
                    )
                    for person, school, role, attendance in register
                ),
            )
        )
        for person, school, _, attendance in register:
            if attendance.present and credited:
                self.credited(person, school, on_date, "5.5", source=CpdSource.NETWORK_DAY, of=day)

    def corrected(
        self, day: str, on_date: date, person: str, school: str, role: Role, attendance: Attendance
    ) -> None:
        self.add(
            scheduling.AttendanceCorrected(
                day_id=named(day),
                date=on_date,
                strand=Strand.LEADERSHIP,
                hours=Decimal("5.5"),
                place_id=named(f"{person} on {day}"),
                person_id=named(person),
                school_id=named(school),
                role=role,
                was=Attendance.ABSENT,
                attendance=attendance,
            )
        )

    def delivered(
        self, day: str, on_date: date, school: str, network: str, *people: tuple[str, Role]
    ) -> None:
        self.add(
            scheduling.DevelopmentDayPlanned(
                day_id=named(day),
                school_id=named(school),
                network_id=named(network),
                adviser_id=named("adviser"),
                date=on_date,
                strand=Strand.LEARNING_ENVIRONMENT,
            ),
            scheduling.DevelopmentDayDelivered(
                day_id=named(day),
                school_id=named(school),
                network_id=named(network),
                adviser_id=named("adviser"),
                date=on_date,
                strand=Strand.LEARNING_ENVIRONMENT,
                hours=Decimal(2),
                participants=tuple(
                    scheduling.Participant(person_id=named(person), role=role)
                    for person, role in people
                ),
            ),
        )
        for person, _ in people:
            self.credited(
                person, school, on_date, "2", source=CpdSource.DEVELOPMENT_DAY, of=day,
                strand=Strand.LEARNING_ENVIRONMENT,
            )  # fmt: skip

    def credited(
        self,
        person: str,
        school: str,
        day: date,
        hours: str,
        *,
        source: CpdSource = CpdSource.OWN_RECORD,
        of: str = "own",
        strand: Strand = Strand.LEADERSHIP,
        event: Callable[..., Event] = cpd.CpdCredited,
    ) -> None:
        self.add(
            event(
                person_id=named(person),
                credit_id=named(f"credit of {person} for {of}"),
                hours=Decimal(hours),
                strand=strand,
                source=source,
                source_id=named(of),
                school_id=named(school),
                earned_on=day,
            )
        )

    def revoked(self, person: str, school: str, day: date, hours: str, **of: Any) -> None:
        self.credited(person, school, day, hours, event=cpd.CpdRevoked, **of)


def keys_of(events: Sequence[Received[Any]]) -> list[list[Received[Any]]]:
    """The events of each key, in their order."""
    by_key: dict[tuple[str, str], list[Received[Any]]] = defaultdict(list)
    for event in events:
        by_key[event.topic, event.key].append(event)
    return list(by_key.values())


async def take_in(connection: asyncpg.Connection, events: Iterable[Received[Any]]) -> None:
    """Calls the effect of each event, one after the other."""
    for event in events:
        effect = effects.of(event.data.type)
        if effect is not None:
            await effect(connection, [event])


async def report(
    connection: asyncpg.Connection,
    *,
    region: Region | None = None,
    network: str | None = None,
    school: str | None = None,
    year: ProgrammeYear = YEAR,
    today: date = TODAY,
) -> domain.Report:
    asked = Asked(
        year=year,
        region=region,
        network=None if network is None else named(network),
        school=None if school is None else named(school),
    )
    return domain.report_of(year, domain.ENGLAND, await facts(connection, asked, today))


def a_year() -> Log:
    """Two networks, three schools, some days of every kind, a merge, corrections."""
    log = Log()
    log.network("North", Region.NORTH_WEST, date(2024, 9, 1))
    log.network("South", Region.SOUTH_EAST, on("09-10"))
    for school in ("Ash", "Birch", "Cedar"):
        log.school(school)
    log.joined("Ash", "North", date(2024, 10, 1))
    log.joined("Birch", "North", on("10-01"), starting_point=STRONG)
    log.joined("Cedar", "South", on("11-01"), pathway=Pathway.CONNECT)
    log.moved("Birch", "North", "South", on("03-01"))
    log.grouped("Trust", "Cedar", on("09-01"))
    log.scheduled("First", on("11-20"), "North", "South")
    log.held(
        "First", on("11-20"), ["North", "South"],
        ("Anne", "Ash", Role.SENIOR_LEADER, Attendance.ATTENDED),
        ("Ben", "Birch", Role.MIDDLE_LEADER, Attendance.LATE),
        ("Cleo", "Cedar", Role.HEADTEACHER, Attendance.EXCUSED),
        ("Dan", "Cedar", Role.MIDDLE_LEADER, Attendance.ABSENT),
    )  # fmt: skip
    log.scheduled("Second", on("12-10"), "North")
    log.cancelled("Second")
    log.scheduled("Third", on("06-20"), "South")
    log.delivered("Visit", on("01-15"), "Ash", "North", ("Anne", Role.HEADTEACHER))
    log.delivered("Call", on("02-15"), "Cedar", "South", ("Anna", Role.MIDDLE_LEADER))
    log.corrected("First", on("11-20"), "Dan", "Cedar", Role.MIDDLE_LEADER, Attendance.ATTENDED)
    log.credited("Dan", "Cedar", on("11-20"), "5.5", source=CpdSource.NETWORK_DAY, of="First")
    log.revoked("Ben", "Birch", on("11-20"), "5.5", source=CpdSource.NETWORK_DAY, of="First")
    log.merged("Anne", "Anna")
    return log
