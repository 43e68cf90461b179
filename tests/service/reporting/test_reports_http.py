"""The reports through HTTP: who may see which, in which form, and asking again cheaply."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from shared.clock import FixedClock
from shared.events import membership
from shared.events.vocabulary import Pathway, Role
from shared.messaging.connections import acquire
from shared.web import LocalIssuer
from tests.conftest import Start, Started
from tests.service.reporting.log import GOOD, Log, a_year, named, on, take_in

NATIONAL = "/reports/2025-26"
NORTH = f"{NATIONAL}/networks/{named('North')}"
CEDAR = f"{NATIONAL}/schools/{named('Cedar')}"


@dataclass
class Reporting:
    started: Started
    issuer: LocalIssuer

    async def get(
        self, path: str, role: str = "office", headers: dict[str, str] | None = None, **scope: Any
    ) -> httpx.Response:
        token = self.issuer.issue(role, f"a {role}", **scope)
        return await self.started.client.get(
            path, headers={"Authorization": f"Bearer {token}", **(headers or {})}
        )

    async def take_in(self, log: Log, offset: int) -> None:
        """As the consumer does it: what the events change and the position, in one transaction."""
        async with acquire(self.started.pool) as connection, connection.transaction():
            await take_in(connection, log.events)
            await connection.execute(
                """
                INSERT INTO position (topic, partition, "offset") VALUES ('aspire.cpd', 0, $1)
                ON CONFLICT (topic, partition) DO UPDATE SET "offset" = excluded."offset"
                """,
                offset,
            )


@pytest_asyncio.fixture
async def reporting(start: Start, issuer: LocalIssuer) -> AsyncIterator[Reporting]:
    clock = FixedClock(datetime(2026, 7, 1, 12, tzinfo=UTC))
    async with start("reporting", parts=("api",), clock=clock) as started:
        reporting = Reporting(started, issuer)
        await reporting.take_in(a_year(), 1)
        yield reporting


async def test_the_national_report(reporting: Reporting) -> None:
    answer = await reporting.get(NATIONAL)
    assert answer.status_code == 200
    report = answer.json()
    assert report["scope"] == {"kind": "national", "id": None, "name": "England"}
    assert report["attendance"]["rate"] == "0.7500"
    assert report["cpd_hours"]["total"] == "15.00"
    assert [month["month"] for month in report["by_month"]][::11] == ["2025-09", "2026-08"]


PARTS = [
    ("/regions/South East", "South East", 2),
    ("/regions/south-east", "South East", 2),
    ("/regions/London", "London", 0),
    (f"/networks/{named('North')}", "North", 2),
    (f"/schools/{named('Cedar')}", "Cedar", 1),
]


async def test_the_same_for_a_part(reporting: Reporting) -> None:
    for path, name, schools in PARTS:
        report = (await reporting.get(NATIONAL + path)).json()
        assert (report["scope"]["name"], report["member_schools"]["total"]) == (name, schools)


NO_YEARS = ["2025", "2025-27", "25-26", "next", "1999-00", "2101-02"]


async def test_a_year_that_is_none_is_refused(reporting: Reporting) -> None:
    for year in NO_YEARS:
        answer = await reporting.get(f"/reports/{year}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["pointer"] == "/path/year"


async def test_a_year_in_which_nothing_happened_is_zeros(reporting: Reporting) -> None:
    answer = await reporting.get("/reports/2090-91")
    assert answer.status_code == 200
    assert answer.json()["member_schools"]["total"] == 0


NOT_THERE = ["/regions/Wales", f"/networks/{uuid4()}", f"/schools/{uuid4()}"]


async def test_what_is_not_there_is_not_found(reporting: Reporting) -> None:
    for path in NOT_THERE:
        answer = await reporting.get(NATIONAL + path)
        assert answer.status_code == 404
        assert answer.json()["type"].endswith("/nothing-to-report")


SCOPES: list[tuple[str, str, dict[str, Any], int]] = [
    (NATIONAL, "office", {}, 200),
    (NATIONAL, "operations", {}, 200),
    (NATIONAL, "adviser", {"networks": [named("North")]}, 403),
    (NATIONAL, "school", {"schools": [named("Cedar")]}, 403),
    (NATIONAL, "participant", {"person": named("Anne")}, 403),
    (f"{NATIONAL}/regions/London", "operations", {}, 403),
    (NORTH, "adviser", {"networks": [named("North")]}, 200),
    (NORTH, "adviser", {"networks": [named("South")]}, 404),
    (NORTH, "operations", {}, 403),
    (NORTH, "school", {"schools": [named("Ash")]}, 403),
    (CEDAR, "school", {"schools": [named("Cedar")]}, 200),
    (CEDAR, "school", {"schools": [named("Ash")]}, 404),
    (CEDAR, "trust", {"groups": [named("Trust")]}, 200),
    (CEDAR, "trust", {"groups": [named("Another trust")]}, 404),
    (CEDAR, "adviser", {"networks": [named("South")]}, 200),
    (CEDAR, "adviser", {"networks": [named("North")]}, 404),
    (CEDAR, "operations", {}, 403),
]


async def test_everybody_sees_the_reports_of_their_scope(reporting: Reporting) -> None:
    for path, role, scope, status in SCOPES:
        answer = await reporting.get(path, role, **scope)
        assert answer.status_code == status, (path, role, scope)


async def test_nobody_without_a_token(reporting: Reporting) -> None:
    answer = await reporting.started.client.get(NATIONAL)
    assert answer.status_code == 401


async def test_as_one_tidy_table(reporting: Reporting) -> None:
    by_query = await reporting.get(f"{NORTH}?format=csv")
    by_header = await reporting.get(NORTH, headers={"Accept": "text/csv"})
    assert by_query.text == by_header.text
    assert by_query.headers["content-type"].startswith("text/csv")
    assert "aspire-2025-26-network" in by_query.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(by_query.text)))
    assert {line["scope"] for line in lines} == {f"network {named('North')}"}
    figures = {
        (line["section"], line["figure"], line["breakdown"]): line["value"] for line in lines
    }
    assert len(figures) == len(lines)
    assert figures["member_schools", "total", ""] == "2"
    assert figures["leaders", "by_role", "middle_leader"] == "1"
    assert figures["attendance", "rate", ""] == "1.0000"


async def test_asking_again_is_answered_only_when_something_has_changed(
    reporting: Reporting,
) -> None:
    first = await reporting.get(NATIONAL)
    known = {"If-None-Match": first.headers["etag"]}
    again = await reporting.get(NATIONAL, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    more = Log()
    more.delivered("One more", on("05-05"), "Ash", "North", ("Eve", Role.OTHER))
    await reporting.take_in(more, 2)
    changed = await reporting.get(NATIONAL, headers=known)
    assert changed.status_code == 200
    assert changed.json()["days_in_schools"] == first.json()["days_in_schools"] + 1
    assert changed.headers["etag"] != first.headers["etag"]


async def test_an_etag_is_of_one_report_in_one_form(reporting: Reporting) -> None:
    paths = [NATIONAL, NORTH, CEDAR, f"{NATIONAL}?format=csv", "/reports/2024-25"]
    tags = [(await reporting.get(path)).headers["etag"] for path in paths]
    assert len(set(tags)) == len(paths)


async def test_a_known_etag_opens_nothing_outside_the_scope(reporting: Reporting) -> None:
    known = {"If-None-Match": (await reporting.get(CEDAR)).headers["etag"]}
    other = await reporting.get(CEDAR, "school", headers=known, schools=[named("Ash")])
    assert other.status_code == 404


async def test_an_event_replayed_from_parking_changes_the_etag(reporting: Reporting) -> None:
    first = (await reporting.get(NATIONAL)).headers["etag"]
    await reporting.started.pool.execute(
        """
        INSERT INTO parked (topic, partition, "offset", headers, reason, failure)
        VALUES ('aspire.cpd', 0, 2, '{}', 'unreadable', 'none')
        """
    )
    assert (await reporting.get(NATIONAL)).headers["etag"] != first


async def test_choices_are_those_of_the_role(reporting: Reporting) -> None:
    office = (await reporting.get("/choices")).json()
    assert (office["national"], len(office["regions"])) == (True, 9)
    assert [network["name"] for network in office["networks"]] == ["North", "South"]
    assert (office["this_year"], office["years"]) == ("2025-26", ["2025-26", "2024-25"])
    adviser = (await reporting.get("/choices", "adviser", networks=[named("South")])).json()
    assert [network["name"] for network in adviser["networks"]] == ["South"]
    trust = (await reporting.get("/choices", "trust", groups=[named("Trust")])).json()
    assert [school["name"] for school in trust["schools"]] == ["Cedar"]
    assert (await reporting.get("/choices", "participant")).status_code == 403


async def test_the_schools_of_a_network_can_be_chosen(reporting: Reporting) -> None:
    path = f"/choices?network_id={named('South')}"
    schools = (await reporting.get(path)).json()["schools"]
    assert [school["name"] for school in schools] == ["Birch", "Cedar"]
    other = await reporting.get(path, "adviser", networks=[named("North")])
    assert other.status_code == 404


async def test_an_odd_date_leaves_the_choices_to_everybody(reporting: Reporting) -> None:
    odd = Log()
    odd.joined("Oak", "North", date(1066, 10, 14))
    odd.scheduled("Far off", date(9998, 1, 1), "North")
    await reporting.take_in(odd, 2)
    answer = await reporting.get("/choices")
    assert answer.status_code == 200
    assert (answer.json()["years"][0], answer.json()["years"][-1]) == ("2100-01", "2000-01")


async def test_a_void_membership_adds_no_years_to_the_choices(reporting: Reporting) -> None:
    log = Log()
    membership_id = log.joined("Oak", "North", date(2001, 10, 1))
    log.add(
        membership.MembershipCorrected(
            school_id=named("Oak"), membership_id=membership_id, wrong=("void",),
            network_id=named("North"), pathway=Pathway.PARTNER_SCHOOLS,
            joined_on=date(2001, 10, 1), ends_on=date(2004, 9, 30), starting_point=GOOD, void=True,
        )
    )  # fmt: skip
    await reporting.take_in(log, 2)
    assert (await reporting.get("/choices")).json()["years"] == ["2025-26", "2024-25"]
