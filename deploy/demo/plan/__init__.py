"""Decides from a seed and a register what happens in the year: pure, and the same every time."""

from collections.abc import Sequence
from random import Random

from deploy.demo.plan.days import development_days, network_days, own_records
from deploy.demo.plan.members import member_schools, networks_and_groups
from deploy.demo.plan.parts import KnownSchool, Plan
from deploy.demo.plan.staff import leaders_of
from deploy.demo.terms import terms_of
from shared.clock import ProgrammeYear

__all__ = ["KnownSchool", "Plan", "make_plan"]


def make_plan(year: ProgrammeYear, schools: Sequence[KnownSchool], seed: int) -> Plan:
    """The plan of a year for these schools. Raises TooFewSchools."""
    random = Random(f"year {seed}")
    terms = terms_of(year)
    networks, groups, chosen = networks_and_groups(random, year, schools)
    members = member_schools(random, year, terms, networks, chosen)
    leaders = leaders_of(random, year, terms, members)
    held = network_days(random, terms, networks, members, leaders)
    return Plan(
        year=year,
        terms=terms,
        networks=networks,
        groups=groups,
        schools=members,
        leaders=leaders,
        network_days=held,
        development_days=development_days(random, terms, members, leaders, held),
        own_records=own_records(random, terms, leaders),
    )
