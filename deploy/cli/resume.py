"""`aspire resume`: end a stop that a service has made by itself."""

import asyncio
import getpass
from typing import Annotated

import typer

from deploy.cli.databases import connected
from deploy.cli.terminal import out
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, ServiceName, known_service
from shared.messaging import checkpoints, stops


def resume(
    service: ServiceName,
    because: Annotated[
        str, typer.Option(help="What was wrong and has been put right; it stays on record.")
    ],
) -> None:
    """Let a service go on that has stopped by itself.

    A consumer stops where many well-formed events fail alike, because the fault is then ours and
    not theirs; a relay where Kafka has lost events, until [bold]aspire republish[/] has sent them
    again, or you say here that Kafka is to be taken for what it is. [bold]aspire status[/] says so
    and why. Put it right first, then resume.

    Examples:

      aspire resume cpd --because "the column is there since migration 4"
    """
    known_service(service)
    if not because.strip():
        raise CannotDo("Say with --because what has been put right.")
    asyncio.run(_resume(service, because.strip()))


async def _resume(service: str, because: str) -> None:
    async with connected(Platform.here(), service) as connection, connection.transaction():
        ended = await checkpoints.resume(connection, operator(), because)
        held = await stops.in_force(connection, checkpoints.API)
    if ended:
        out.print(f"{service}: ended the stop of {' and '.join(ended)}, because {because}")
    if held is not None:
        raise CannotDo(f"{service} takes no command still: {held.reason}")
    if not ended:
        raise CannotDo(f"{service} is not stopped; there is nothing to resume.")


def operator() -> str:
    """Who does this, as it stays on record."""
    return f"operator:{getpass.getuser()}"
