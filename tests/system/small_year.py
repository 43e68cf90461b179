"""A year of two schools in two trusts whose systems are connected, played as the demo's is."""

import asyncio
from contextlib import AsyncExitStack
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from deploy.demo.clients import Clients
from deploy.demo.plan.parts import (
    DevelopmentDay,
    Group,
    KnownSchool,
    Leader,
    MemberSchool,
    Network,
    NetworkDay,
    OwnRecord,
    Plan,
)
from deploy.demo.play import Stage, phases
from deploy.demo.terms import terms_of
from shared.clock import ProgrammeYear, SystemClock
from shared.events.vocabulary import (
    Attendance,
    Framework,
    GroupKind,
    Pathway,
    Region,
    Role,
    Strand,
)
from shared.service import SERVICES
from shared.web import LocalIssuer
from tests.system.commands import Aspire

YEAR = ProgrammeYear.of(SystemClock().today()).previous()
AUTUMN, SPRING, SUMMER = TERMS = terms_of(YEAR)
BEGIN, EASTER = YEAR.first_day, SUMMER.begins - timedelta(days=1)
CAME, LATE, ABSENT = Attendance.ATTENDED, Attendance.LATE, Attendance.ABSENT


async def play(aspire: Aspire) -> Stage:
    """To its end, at which each trust knows exactly its own; its systems have left by then."""
    status = aspire.json("status")
    urls = {name: status["services"][name]["address"] for name in SERVICES}
    issuer = LocalIssuer(aspire.home / "issuer")
    async with Clients(urls, issuer) as clients, AsyncExitStack() as stays:
        found = await clients.every("membership", "/schools")
        plan = _plan([_school(each) for each in found if each["region"]][-2:])
        stage = Stage(plan, clients, aspire.state.kafka_settings, stays)
        async with asyncio.timeout(100):
            for phase in phases(stage):
                await phase.play(lambda: None)
    return stage


def _plan(schools: list[KnownSchool]) -> Plan:
    return Plan(
        year=YEAR,
        terms=TERMS,
        networks=(
            Network(
                number=0,
                name="Two trusts",
                region=Region.SOUTH_WEST,
                established_on=BEGIN,
                advisers=("Ann Adviser", "Abe Adviser"),
            ),
        ),
        groups=tuple(
            Group(name=name, kind=GroupKind.TRUST, founded_on=date(2020, 9, 1))
            for name in ("Webhook Trust", "Kafka Trust")
        ),
        schools=tuple(_member(number, school) for number, school in enumerate(schools)),
        leaders=(
            _leader(0, 0, "Nell Namesake", left_on=EASTER),
            _leader(1, 0, "Nell Namesake"),
            _leader(2, 1, "Kay Kafka"),
            _leader(3, 0, "Sue Successor", appointed_on=SUMMER.begins, succeeds=0),
            _leader(4, 1, "K. Kafka", same_as=2),
        ),
        network_days=(NETWORK_DAY,),
        development_days=(_visit(0, 1, corrected_hours=Decimal("2.5")), _visit(1, 2)),
        own_records=(
            OwnRecord(
                leader=3,
                hours=Decimal("1.5"),
                strand=Strand.LEADERSHIP,
                earned_on=SUMMER.days[9],
                title="A book",
                revoked=False,
            ),
        ),
    )


NETWORK_DAY = NetworkDay(
    networks=(0,),
    title="Leading a department",
    strand=Strand.LEADERSHIP,
    hours=Decimal("5.5"),
    date=AUTUMN.days[9],
    venue="Ash Hill, main hall",
    places=10,
    applicants=(0, 1, 2),
    attendance={0: CAME, 1: LATE, 2: ABSENT},
    corrections={2: CAME},
)


def _member(number: int, school: KnownSchool) -> MemberSchool:
    return MemberSchool(
        number=number,
        school=school,
        network=0,
        pathway=Pathway.CONNECT,
        group=number,
        joined_on=BEGIN,
        starting_point={"framework": Framework.NOT_INSPECTED},
    )


def _visit(school: int, participant: int, **facts: Any) -> DevelopmentDay:
    return DevelopmentDay(
        school=school,
        network=0,
        adviser=school,
        date=SPRING.days[9],
        strand=Strand.LEADERSHIP,
        hours=Decimal(2),
        participants=(participant,),
        **facts,
    )


def _school(known: dict[str, Any]) -> KnownSchool:
    return KnownSchool(
        school_id=known["school_id"],
        urn=known["urn"],
        name=known["name"],
        la_code=known["la_code"] or "",
        region=known["region"],
    )


def _leader(number: int, school: int, name: str, **facts: Any) -> Leader:
    address = f"{name.replace(' ', '.').lower()}{number}@school.example"
    known: dict[str, Any] = {"role": Role.MIDDLE_LEADER, "appointed_on": BEGIN} | facts
    return Leader(number=number, school=school, name=name, email=address, **known)
