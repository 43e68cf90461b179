"""Schools, their URNs and their inspections."""

from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

import asyncpg

from services.membership.domain.school import (
    DatedUrn,
    InspectionAlreadyRecorded,
    LaestabTaken,
    School,
    UrnTaken,
)
from shared.events.membership import SchoolDetails, StartingPoint
from shared.events.vocabulary import Framework, Judgement, Region
from shared.problems import NotFound
from shared.web import PageRequest

Lock = Literal["", "FOR SHARE", "FOR UPDATE"]

DETAILS = (
    "urn", "name", "la_code", "la_name", "establishment_number", "establishment_type", "phase",
    "region", "town", "postcode", "pupils",
)  # fmt: skip
"""The columns of a school that are its details, under the same names."""


async def school(connection: asyncpg.Connection, school_id: UUID, lock: Lock = "") -> School:
    """Raises NotFound. FOR UPDATE orders everything that happens to a school's memberships."""
    row = await connection.fetchrow(
        f"SELECT * FROM school WHERE school_id = $1 {lock}",  # noqa: S608 - one of three words
        school_id,
    )
    if row is None:
        raise NotFound(f"There is no school {school_id}.")
    return (await _whole(connection, [row]))[0]


async def schools_by_id(
    connection: asyncpg.Connection, school_ids: Iterable[UUID], lock: Lock = ""
) -> list[School]:
    rows = await connection.fetch(
        f"SELECT * FROM school WHERE school_id = ANY ($1) ORDER BY school_id {lock}",  # noqa: S608
        list(school_ids),
    )
    return await _whole(connection, rows)


async def school_id_of(connection: asyncpg.Connection, urn: int) -> UUID:
    """The school that has the URN, or had it. Raises NotFound."""
    school_id: UUID | None = await connection.fetchval(
        "SELECT school_id FROM school_urn WHERE urn = $1", urn
    )
    if school_id is None:
        raise NotFound(f"No school has the URN {urn}. Import the register that has it first.")
    return school_id


async def schools(
    connection: asyncpg.Connection,
    page: PageRequest,
    *,
    visible: Sequence[UUID] | None,
    urn: int | None,
    name: str | None,
    region: Region | None,
    la_code: str | None,
) -> list[School]:
    """A page by id; `visible` are the schools in sight, None for all. A former URN finds, too."""
    rows = await connection.fetch(
        """
        SELECT *
          FROM school
         WHERE ($1::uuid IS NULL OR school_id > $1)
           AND ($2::timestamptz IS NULL OR updated_at >= $2)
           AND ($3::uuid[] IS NULL OR school_id = ANY ($3))
           AND ($4::integer IS NULL
                OR school_id = (SELECT school_id FROM school_urn WHERE urn = $4))
           AND ($5::text IS NULL OR strpos(lower(name), lower($5)) > 0)
           AND ($6::text IS NULL OR region = $6)
           AND ($7::text IS NULL OR la_code = $7)
         ORDER BY school_id
         LIMIT $8
        """,
        page.after,
        page.updated_since,
        visible,
        urn,
        name,
        region,
        la_code,
        page.fetch,
    )
    return await _whole(connection, rows)


async def change_urn(connection: asyncpg.Connection, school: School) -> None:
    """Keeps the school's latest URN. Raises UrnTaken where another school has or had it."""
    new = school.urns[-1]
    taken = await connection.fetchval(
        """
        INSERT INTO school_urn (urn, school_id, valid_from)
        VALUES ($1, $2, $3)
        ON CONFLICT (urn) DO NOTHING
        RETURNING false
        """,
        new.urn,
        school.school_id,
        new.valid_from,
    )
    if taken is None:
        raise UrnTaken(
            f"The URN {new.urn} names another school of ours. A URN names one establishment: "
            "check the number."
        )
    await connection.execute(
        "UPDATE school SET urn = $2, updated_at = now() WHERE school_id = $1",
        school.school_id,
        new.urn,
    )


async def close_school(connection: asyncpg.Connection, school: School) -> None:
    await connection.execute(
        "UPDATE school SET closed_on = $2, updated_at = now() WHERE school_id = $1",
        school.school_id,
        school.closed_on,
    )


async def add_inspection(
    connection: asyncpg.Connection, school_id: UUID, inspection: StartingPoint
) -> None:
    """Raises InspectionAlreadyRecorded: a school has one inspection a day under a framework."""
    added = await connection.fetchval(
        """
        INSERT INTO inspection (school_id, inspected_on, framework, judgement)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        RETURNING true
        """,
        school_id,
        inspection.inspected_on,
        inspection.framework,
        inspection.judgement,
    )
    if added is None:
        raise InspectionAlreadyRecorded(
            f"The inspection of {inspection.inspected_on} under {inspection.framework} is recorded "
            "already. There is nothing to do."
        )


async def inspections(connection: asyncpg.Connection, school_id: UUID) -> list[StartingPoint]:
    rows = await connection.fetch(
        "SELECT * FROM inspection WHERE school_id = $1 ORDER BY inspected_on, framework", school_id
    )
    return [
        StartingPoint(
            framework=Framework(row["framework"]),
            judgement=Judgement(row["judgement"]),
            inspected_on=row["inspected_on"],
        )
        for row in rows
    ]


def taken(error: asyncpg.UniqueViolationError) -> LaestabTaken | UrnTaken:
    """What a race for a number means, in the same words as without a race."""
    if error.constraint_name == "school_laestab":
        return LaestabTaken("Another open school of ours has this LAESTAB; see which is right.")
    return UrnTaken("The URN names another school of ours; check the number.")


def details_of(row: asyncpg.Record) -> SchoolDetails:
    return SchoolDetails(**{name: row[name] for name in DETAILS})


async def _whole(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[School]:
    urns: dict[UUID, list[DatedUrn]] = {row["school_id"]: [] for row in rows}
    for row in await connection.fetch(
        """
        SELECT *
          FROM school_urn
         WHERE school_id = ANY ($1)
         ORDER BY valid_from NULLS FIRST
        """,
        list(urns),
    ):
        urns[row["school_id"]].append(DatedUrn(urn=row["urn"], valid_from=row["valid_from"]))
    return [
        School(
            school_id=row["school_id"],
            details=details_of(row),
            closed_on=row["closed_on"],
            urns=tuple(urns[row["school_id"]]),
        )
        for row in rows
    ]
