"""Which networks there are, which schools are in them, since when and from which starting point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from deploy.demo import names
from deploy.demo.plan.parts import Group, KnownSchool, MemberSchool, Network
from deploy.demo.terms import Term
from deploy.embedded.trouble import Trouble
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Framework, GroupKind, Judgement, Pathway, Region

NETWORKS: Final[dict[Region, int]] = {
    Region.NORTH_WEST: 3,
    Region.WEST_MIDLANDS: 3,
    Region.SOUTH_EAST: 3,
    Region.LONDON: 2,
    Region.YORKSHIRE_AND_THE_HUMBER: 2,
    Region.EAST_MIDLANDS: 2,
    Region.EAST_OF_ENGLAND: 2,
    Region.NORTH_EAST: 1,
    Region.SOUTH_WEST: 1,
}
EARLIER: Final = 6
"""Networks that were there before the year; the other 13 are new."""
SIZES: Final = (7, 6, 8, 7, 5, 7, 8, 6, 7, 9, 6, 7, 7, 8, 6, 7, 10, 5, 7)
"""Member schools of each network; 133 in all."""
GROUPS: Final = (
    (1, GroupKind.TRUST, 5),
    (4, GroupKind.FEDERATION, 3),
    (8, GroupKind.TRUST, 5),
    (11, GroupKind.INFORMAL, 4),
    (14, GroupKind.TRUST, 4),
    (17, GroupKind.INFORMAL, 3),
)
"""Groups on the pathway connect: network, kind, schools."""

GRADES: Final = (
    (Judgement.GOOD, 62),
    (Judgement.OUTSTANDING, 18),
    (Judgement.REQUIRES_IMPROVEMENT, 16),
    (Judgement.INADEQUATE, 4),
)
CARDS: Final = (
    (Judgement.EXPECTED_STANDARD, 45),
    (Judgement.STRONG_STANDARD, 25),
    (Judgement.NEEDS_ATTENTION, 20),
    (Judgement.EXCEPTIONAL, 6),
    (Judgement.URGENT_IMPROVEMENT, 4),
)
FIRST_REPORT_CARD: Final = date(2025, 11, 1)


class TooFewSchools(Trouble):
    """The register has not enough open schools for a year of this size."""


def networks_and_groups(
    random: Random, year: ProgrammeYear, schools: Sequence[KnownSchool]
) -> tuple[tuple[Network, ...], tuple[Group, ...], list[list[KnownSchool]]]:
    """Networks, groups, and the schools chosen for each network. Raises TooFewSchools."""
    regions = _regions(schools)
    earlier = set(random.sample(range(len(regions)), EARLIER))
    networks, used = [], dict.fromkeys(Region, 0)
    for number, region in enumerate(regions):
        known = names.NETWORKS[region]
        name = known[used[region]] if used[region] < len(known) else f"{region} {used[region] + 1}"
        used[region] += 1
        established = year.first_day + timedelta(days=random.randrange(3))
        if number in earlier:
            years_ago = random.randrange(1, 3)
            established = established.replace(year=established.year - years_ago)
        advisers = (names.person(random), names.person(random))
        networks.append(
            Network(
                number=number,
                name=name,
                region=region,
                established_on=established,
                advisers=advisers,
            )
        )
    groups = tuple(
        Group(
            name=f"{names.place(random)} {_called(kind)}",
            kind=kind,
            founded_on=date(year.first_year - random.randrange(4, 9), 9, 1),
        )
        for _, kind, _ in GROUPS
    )
    return tuple(networks), groups, _chosen(random, regions, schools)


def member_schools(
    random: Random,
    year: ProgrammeYear,
    terms: Sequence[Term],
    networks: Sequence[Network],
    chosen: Sequence[Sequence[KnownSchool]],
) -> tuple[MemberSchool, ...]:
    """Every member school of the year, with the changes of its membership."""
    group_of = {number: (group, size) for group, (number, _, size) in enumerate(GROUPS)}
    members: list[MemberSchool] = []
    for network in networks:
        group, size = group_of.get(network.number, (None, 0))
        earlier = network.established_on < year.first_day
        for place, school in enumerate(chosen[network.number]):
            in_group = place < size
            if earlier and random.random() < 0.6:
                joined_on = network.established_on + timedelta(days=random.randrange(5))
            elif not in_group and random.random() < 0.14:
                joined_on = terms[1].begins - timedelta(days=1)
            else:
                joined_on = year.first_day + timedelta(days=random.randrange(3, 6))
            members.append(
                MemberSchool(
                    number=len(members),
                    school=school,
                    network=network.number,
                    pathway=Pathway.CONNECT if in_group else Pathway.PARTNER_SCHOOLS,
                    group=group if in_group else None,
                    joined_on=joined_on,
                    starting_point=_starting_point(random, joined_on),
                )
            )
    return _with_changes(random, terms, networks, members)


def _regions(schools: Sequence[KnownSchool]) -> list[Region]:
    """A region for each network, as in the programme where the register has schools for it."""
    left = dict.fromkeys(Region, 0)
    for school in schools:
        left[school.region] += 1
    wanted = [region for region, count in NETWORKS.items() for _ in range(count)]
    regions = []
    for region, size in zip(wanted, SIZES, strict=True):
        fitting = region if left[region] >= size else max(left, key=lambda each: left[each])
        if left[fitting] < size:
            raise TooFewSchools(
                f"The register has {len(schools)} open schools with a region; the demo's year "
                f"needs {sum(SIZES)} in groups of five to ten by region. Take a larger register."
            )
        left[fitting] -= size
        regions.append(fitting)
    return regions


def _chosen(
    random: Random, regions: Sequence[Region], schools: Sequence[KnownSchool]
) -> list[list[KnownSchool]]:
    """The schools of each network: neighbours, as far as local authorities tell."""
    by_region: dict[Region, list[KnownSchool]] = {region: [] for region in regions}
    for school in sorted(schools, key=lambda each: (each.la_code, each.urn)):
        if school.region in by_region:
            by_region[school.region].append(school)
    sizes: dict[Region, list[int]] = {region: [] for region in regions}
    for region, size in zip(regions, SIZES, strict=True):
        sizes[region].append(size)
    taken: dict[Region, list[list[KnownSchool]]] = {}
    for region, wanted in sizes.items():
        pool, slack, start = by_region[region], 0, 0
        slack = (len(by_region[region]) - sum(wanted)) // len(wanted)
        taken[region] = []
        for size in wanted:
            piece = pool[start : start + size + slack]
            start += size + slack
            taken[region].append(random.sample(piece, size))
    return [taken[region].pop(0) for region in regions]


def _called(kind: GroupKind) -> str:
    return {
        GroupKind.TRUST: "Learning Trust",
        GroupKind.FEDERATION: "Federation",
        GroupKind.INFORMAL: "Schools Partnership",
    }[kind]


def _starting_point(random: Random, joined_on: date) -> Mapping[str, Any]:
    """The last judgement at joining; report cards are young, and some have none at all."""
    if joined_on > FIRST_REPORT_CARD and random.random() < 0.6:
        since = (joined_on - FIRST_REPORT_CARD).days
        day = FIRST_REPORT_CARD + timedelta(days=random.randrange(since))
        return _judged(random, Framework.REPORT_CARD, CARDS, day)
    if random.random() < 0.08:
        return {"framework": Framework.NOT_INSPECTED}
    last = min(date(2024, 7, 19), joined_on - timedelta(days=30))
    return _judged(
        random,
        Framework.OVERALL_GRADE,
        GRADES,
        last - timedelta(days=random.randrange(5 * 365)),
    )


def _judged(
    random: Random, framework: Framework, scale: Sequence[tuple[Judgement, int]], day: date
) -> Mapping[str, Any]:
    judgements, weights = zip(*scale, strict=True)
    judgement = random.choices(judgements, weights)[0]
    return {"framework": framework, "judgement": judgement, "inspected_on": day.isoformat()}


def _with_changes(
    random: Random,
    terms: Sequence[Term],
    networks: Sequence[Network],
    members: list[MemberSchool],
) -> tuple[MemberSchool, ...]:
    """Two schools move, one pauses for a term, one pauses for the rest, two leave."""
    _, spring, summer = terms
    able = [each for each in members if each.joined_on < spring.begins and each.group is None]
    movable = [each for each in able if len(_neighbours(networks, each.network)) > 0]
    first, second = random.sample(movable, 2)
    rest = [each for each in able if each not in (first, second)]
    pausing, stopping, leaving, going = random.sample(rest, 4)
    for mover in (first, second):
        to = random.choice(_neighbours(networks, mover.network))
        members[mover.number] = replace(mover, moves_to=(to, summer.begins))
    day_before = summer.begins - timedelta(days=1)
    members[pausing.number] = replace(pausing, paused_on=spring.begins, resumed_on=summer.begins)
    members[stopping.number] = replace(stopping, paused_on=summer.begins)
    for leaver in (leaving, going):
        members[leaver.number] = replace(leaver, left_on=day_before)
    return tuple(members)


def _neighbours(networks: Sequence[Network], number: int) -> list[int]:
    region = networks[number].region
    return [each.number for each in networks if each.region == region and each.number != number]
