"""`aspire token`: a token of this machine's own issuer."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from deploy.cli.terminal import print_line, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.web.actor import ROLES

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SCOPE_OF: Final = {
    "adviser": "network",
    "school": "school",
    "trust": "group",
    "participant": "person",
}
"""The option without which a role reaches nothing."""


def token(
    role: Annotated[
        str,
        typer.Option(help="office, adviser, school, trust, participant or operations."),
    ],
    subject: Annotated[
        str | None,
        typer.Option(help="Who it is; the journal names them. Role and scope if left out."),
    ] = None,
    network: Annotated[
        list[UUID] | None, typer.Option(help="A network of an adviser. May be repeated.")
    ] = None,
    school: Annotated[
        list[UUID] | None, typer.Option(help="A school of a school's user. May be repeated.")
    ] = None,
    group: Annotated[
        list[UUID] | None, typer.Option(help="A group of a trust's user. May be repeated.")
    ] = None,
    person: Annotated[UUID | None, typer.Option(help="The person that a participant is.")] = None,
    lifetime: Annotated[str, typer.Option(help="Such as 30m, 12h or 7d.")] = "12h",
) -> None:
    """Print a token that the services on this machine accept.

    Its keys are in ASPIRE_HOME. Only the token goes to stdout, so that it can be taken up by other
    commands.

    Examples:

      aspire token --role office

      export ASPIRE_TOKEN=$(aspire token --role adviser --network 0b7…)

      aspire token --role participant --person 5c1… --lifetime 30m
    """
    if role not in ROLES:
        raise CannotDo(f"There is no role {role}; there are {', '.join(sorted(ROLES))}.")
    given = {"network": network, "school": school, "group": group, "person": person}
    needed = SCOPE_OF.get(role)
    if needed and not given[needed]:
        say(f"Note: a token of the role {role} reaches nothing without --{needed}.")
    print_line(
        Platform.here()
        .issuer()
        .issue(
            role,
            subject or _subject(role, [*(network or ()), *(school or ()), *(group or ()), person]),
            networks=network or (),
            schools=school or (),
            groups=group or (),
            person=person,
            lifetime=parse_lifetime(lifetime),
        )
    )


def _subject(role: str, scope: Iterable[UUID | None]) -> str:
    """Another one for each scope, so that the journal tells them apart."""
    return ":".join([role, *sorted(each.hex[:12] for each in scope if each is not None)])


def parse_lifetime(text: str) -> timedelta:
    """30m, 12h, 7d. Raises CannotDo."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if match is None or not int(match[1]):
        raise CannotDo(f"“{text}” is no lifetime: write a number and s, m, h or d, such as 12h.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
