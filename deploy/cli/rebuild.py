"""`aspire rebuild`: a service's answers made anew from the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import asyncpg
import typer
import uvloop
from aiokafka.errors import KafkaError
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.databases import connected
from deploy.cli.resume import operator
from deploy.cli.servers import require_kafka
from deploy.cli.terminal import err, out, print_json, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform, known_service
from deploy.demo.progress import Bars
from shared import service as services
from shared.rebuilding import CannotRebuild, Difference, Rebuilt, check_rebuildable
from shared.rebuilding import rebuild as make_anew

DIFFERS = 1


def rebuild(
    service: Annotated[str, typer.Argument(help="reporting; the others decide for themselves")],
    accept: Annotated[
        bool, typer.Option("--accept", help="Have the new answers take over although they differ.")
    ] = False,
    because: Annotated[
        str, typer.Option(help="With --accept: why they differ; it stays on record.")
    ] = "",
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin again, where an earlier run was broken off.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Make a service's answers anew from the log, beside the old ones.

    The old answers serve meanwhile. When the new ones have come as far, both are compared, and
    the new ones take over by themselves where they are the same. Where they differ, the
    differences are shown, the old answers go on, and the exit code is 1; run it again with
    --accept if a mended bug explains them. What an operator has discarded stays so.

    It may be broken off at any point, and goes on there when it is run again. No service needs
    to be stopped or started for it.

    Examples:

      aspire rebuild reporting

      aspire rebuild reporting --accept --because "late is counted as attended since 1.4"
    """
    known_service(service)
    if accept and not because.strip():
        raise CannotDo("Say with --because why the new answers may differ.")
    if because and not accept:
        raise CannotDo("--because says why differences are accepted: it goes with --accept.")
    done = uvloop.run(_rebuild(service, because.strip() or None, anew=anew))
    if as_json:
        print_json(asdict(done))
    else:
        _print(service, done)
    if not done.taken_over:
        raise typer.Exit(DIFFERS)


async def _rebuild(service: str, because: str | None, *, anew: bool) -> Rebuilt:
    platform = Platform.here()
    rebuilt = services.load(service)
    with Bars(err) as bars, _in_words(service):
        check_rebuildable(rebuilt)
        async with connected(platform, service) as connection:
            await require_kafka(platform.settings)
            with bars.phase("Reading the log", None) as read:
                come = 0

                def tell(done: int, of: int) -> None:
                    nonlocal come
                    read(done - come, of=of)
                    come = done

                return await make_anew(
                    rebuilt,
                    connection,
                    platform.database_url(service),
                    platform.settings,
                    actor=operator(),
                    accepted_because=because,
                    anew=anew,
                    tell=tell,
                    comparing=lambda: say("Comparing the new answers with the old."),
                )


@contextmanager
def _in_words(service: str) -> Iterator[None]:
    try:
        yield
    except CannotRebuild as why:
        raise CannotDo(str(why)) from why
    except asyncpg.UndefinedTableError:
        raise
    except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotDo(
            f"The rebuild of {service} was broken off ({type(error).__name__}: {error}). The old "
            "answers go on. Run it again: it goes on from where it was."
        ) from error


def _print(service: str, done: Rebuilt) -> None:
    for each in done.differences:
        out.print(_table(each))
    if done.taken_over:
        same = "although they differ" if done.differences else "they are the same"
        out.print(f"The new answers of {service} have taken over: {same}.")
    else:
        out.print(
            f"The new answers of {service} differ, so the old ones go on. Where a mended bug "
            f"explains it, run `aspire rebuild {service} --accept --because …`."
        )


def _table(difference: Difference) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{difference.of}: {difference.count:,} differ",
        title_justify="left",
    )
    for name in ("which", "now", "new"):
        table.add_column(name, overflow="fold")
    for example in difference.examples:
        table.add_row(Text(example.which), Text(example.old), Text(example.new))
    if difference.count > len(difference.examples):
        table.add_row("…", "", "")
    return table
