"""`aspire demo`: a whole programme year, played as clients would play it."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.trouble import CannotDo
from deploy.cli.up import NoTracing


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End by itself after the report, with exit code 0.")
    ] = False,
    register: Annotated[
        Path | None,
        typer.Option(help="A school register in the GIAS layout; one is made up if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another number plays another year.")] = 2026,
    no_tracing: NoTracing = False,
) -> None:
    """Start everything and play a year of the programme.

    Imports a school register, establishes 19 networks, has some 130 schools join, books and holds
    over 140 Network Days and delivers over 1,000 Development Days, all through the public HTTP
    APIs, with the cancellations, no-shows, waiting lists and corrections of a real year. Then it
    prints the report and stays up until Ctrl-C.

    It begins afresh: data of an earlier instance in ASPIRE_HOME are removed first. Afterwards
    [bold]aspire up[/] goes on with the demo's data.

    Examples:

      aspire demo

      aspire demo --once --seed 7

      aspire demo --register edubasealldata20261101.csv
    """
    if register is not None and not register.is_file():
        raise CannotDo(f"There is no file {register}.")
    # Only here, so that every other command starts without it.
    from deploy.demo.running import run

    run(once=once, register=register, seed=seed, tracing=not no_tracing)
