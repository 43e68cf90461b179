"""The reports of a programme year, as JSON or CSV, with an ETag that is cheap to ask again."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from services.reporting import domain
from services.reporting.store import scopes, summaries
from services.reporting.store.figures import Asked
from shared.clock import ProgrammeYear
from shared.events.vocabulary import Region
from shared.web import Actor, Read, Today, require

SHAPE: Final = "1"
"""Part of every ETag; another number when the same facts make another answer."""

router = APIRouter(tags=["reports"])

Format = Literal["json", "csv"]
REPORTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    304: {"description": "Nothing has changed since the ETag in If-None-Match"},
}
FRESH: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}


@dataclass(frozen=True)
class Wish:
    """What every report route takes: the year, the form, and what the client has already."""

    year: ProgrammeYear
    format: Format
    known: frozenset[str]
    read: asyncpg.Connection
    today: date


async def _wish(
    year: str,
    read: Read,
    today: Today,
    format: Annotated[Format | None, Query(description="csv, or leave it to Accept")] = None,  # noqa: A002
    accept: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Wish:
    wants_csv = "text/csv" in accept and "application/json" not in accept
    return Wish(
        year=domain.year_named(year),
        format=format or ("csv" if wants_csv else "json"),
        known=frozenset(tag.strip().removeprefix("W/") for tag in if_none_match.split(",")),
        read=read,
        today=today,
    )


Wished = Annotated[Wish, Depends(_wish)]
Part = tuple[domain.Scope, Asked]


@router.get(
    "/reports/{year}",
    response_model=domain.Report,
    responses=REPORTED,
    summary="The national report of a programme year",
)
async def national_report(
    wish: Wished, _: Annotated[Actor, Depends(require("office", "operations"))]
) -> Response:
    async def england() -> Part:
        return domain.ENGLAND, Asked(year=wish.year)

    return await _report(wish, england)


@router.get(
    "/reports/{year}/regions/{region}",
    response_model=domain.Report,
    responses=REPORTED,
    summary="The report of one region",
)
async def region_report(
    region: str, wish: Wished, _: Annotated[Actor, Depends(require("office"))]
) -> Response:
    async def one_region() -> Part:
        named = domain.region_named(region)
        return (
            domain.Scope(kind="region", id=named, name=named),
            Asked(year=wish.year, region=named),
        )

    return await _report(wish, one_region)


@router.get(
    "/reports/{year}/networks/{network_id}",
    response_model=domain.Report,
    responses=REPORTED,
    summary="The report of one network",
)
async def network_report(
    network_id: UUID,
    wish: Wished,
    actor: Annotated[Actor, Depends(require("office", "adviser"))],
) -> Response:
    async def network() -> Part:
        name = await scopes.network_name(wish.read, network_id)
        if name is None or not (actor.role == "office" or network_id in actor.networks):
            raise _no_network(network_id)
        return (
            domain.Scope(kind="network", id=str(network_id), name=name),
            Asked(year=wish.year, network=network_id),
        )

    return await _report(wish, network)


@router.get(
    "/reports/{year}/schools/{school_id}",
    response_model=domain.Report,
    responses=REPORTED,
    summary="The report of one school",
)
async def school_report(
    school_id: UUID,
    wish: Wished,
    actor: Annotated[Actor, Depends(require("office", "adviser", "school", "trust"))],
) -> Response:
    async def school() -> Part:
        name = await scopes.school_name(wish.read, school_id)
        if name is None or not await _may_see_school(actor, school_id, wish):
            raise domain.NothingToReport(
                f"No school {school_id} is known here, or none that you may see."
            )
        return (
            domain.Scope(kind="school", id=str(school_id), name=name),
            Asked(year=wish.year, school=school_id),
        )

    return await _report(wish, school)


@router.get("/choices", summary="What the bearer of the token may ask reports of")
async def choices(
    read: Read,
    today: Today,
    actor: Annotated[Actor, Depends(require("office", "adviser", "school", "trust", "operations"))],
    network_id: Annotated[
        UUID | None, Query(description="Also the schools that were ever in this network")
    ] = None,
) -> domain.Choices:
    networks = await _networks_of(read, actor)
    if network_id is not None and network_id not in {row["network_id"] for row in networks}:
        raise _no_network(network_id)
    schools = await _schools_of(read, actor, network_id, today)
    return domain.Choices(
        years=domain.years_between(*await scopes.dates(read), today),
        this_year=str(ProgrammeYear.of(today)),
        national=actor.role in {"office", "operations"},
        regions=list(Region) if actor.role == "office" else [],
        networks=[domain.NetworkChoice.model_validate(dict(row)) for row in networks],
        schools=[domain.SchoolChoice.model_validate(dict(row)) for row in schools],
    )


async def _report(wish: Wish, part: Callable[[], Awaitable[Part]]) -> Response:
    """As the summaries are, where they are current; else they are locked and put right first."""
    async with wish.read.transaction(isolation="repeatable_read", readonly=True):
        response = await _answer(wish, part, only_if_current=True)
    if response is None:
        async with wish.read.transaction(isolation="repeatable_read"):
            await summaries.begin(wish.read)
            response = await _answer(wish, part)
    assert response is not None
    return response


async def _answer(
    wish: Wish, part: Callable[[], Awaitable[Part]], *, only_if_current: bool = False
) -> Response | None:
    """One snapshot: the ETag says exactly what the figures were worked out from."""
    state = await scopes.state(wish.read)
    scope, asked = await part()
    etag = _etag(wish, scope, state)
    headers = FRESH | {"ETag": etag}
    if etag in wish.known or "*" in wish.known:
        return Response(status_code=304, headers=headers)
    if only_if_current and not await summaries.is_current(wish.read, asked):
        return None
    report = domain.report_of(wish.year, scope, await summaries.facts(wish.read, asked, wish.today))
    if wish.format == "csv":
        name = f"aspire-{report.year}-{scope.label.replace(' ', '-').lower()}.csv"
        return Response(
            domain.csv_of(report),
            headers=headers | {"Content-Disposition": f'attachment; filename="{name}"'},
            media_type="text/csv; charset=utf-8; header=present",
        )
    return Response(report.model_dump_json(), headers=headers, media_type="application/json")


def _etag(wish: Wish, scope: domain.Scope, state: str) -> str:
    # Networks are counted as of today while the year lasts.
    as_of = min(wish.today, wish.year.last_day)
    answered = (SHAPE, str(wish.year), scope.label, wish.format, as_of.isoformat(), state)
    return f'"{hashlib.sha256("|".join(answered).encode()).hexdigest()[:32]}"'


async def _may_see_school(actor: Actor, school_id: UUID, wish: Wish) -> bool:
    match actor.role:
        case "office":
            return True
        case "school":
            return school_id in actor.schools
        case "trust":
            return school_id in await scopes.schools_of_groups(wish.read, actor.groups, wish.today)
        case _:
            return await scopes.was_in_networks(wish.read, school_id, actor.networks, wish.year)


async def _networks_of(read: asyncpg.Connection, actor: Actor) -> list[asyncpg.Record]:
    match actor.role:
        case "office":
            return await scopes.networks(read, None)
        case "adviser":
            return await scopes.networks(read, actor.networks)
        case _:
            return []


async def _schools_of(
    read: asyncpg.Connection, actor: Actor, network_id: UUID | None, today: date
) -> list[asyncpg.Record]:
    match actor.role:
        case "school":
            return await scopes.schools(read, school_ids=actor.schools)
        case "trust":
            of_groups = await scopes.schools_of_groups(read, actor.groups, today)
            return await scopes.schools(read, school_ids=of_groups)
        case _ if network_id is not None:
            return await scopes.schools(read, network_id=network_id)
        case _:
            return []


def _no_network(network_id: UUID) -> domain.NothingToReport:
    return domain.NothingToReport(f"No network {network_id} is known here, or none of yours.")
