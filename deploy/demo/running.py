"""The demo from its beginning to its end: start, import, play, catch up, report."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress
from rich.text import Text

from deploy.cli.addresses import print_addresses
from deploy.cli.figures import print_figures
from deploy.cli.schools import upload
from deploy.cli.starting import start
from deploy.cli.terminal import err, out, say
from deploy.demo.clients import Clients
from deploy.demo.fresh import begin_afresh, refuse_given_servers
from deploy.demo.plan import KnownSchool, make_plan
from deploy.demo.play import Phase, Stage, phases
from deploy.demo.progress import Bars
from deploy.demo.register import write_register
from deploy.demo.tally import differences
from deploy.demo.trusts import System
from deploy.demo.trusts.table import print_trusts
from deploy.embedded.home import default_home
from deploy.embedded.instance import Instance
from deploy.embedded.trouble import Trouble
from shared.clock import ProgrammeYear, SystemClock
from shared.web import LocalIssuer

SECONDS_TO_CATCH_UP: Final = 120.0
POLL_SECONDS: Final = 0.25


class NotCaughtUp(Trouble):
    """Reporting does not say what the services have acknowledged."""


def run(*, once: bool, register: Path | None, seed: int, tracing: bool) -> None:
    """Play a year; stay up afterwards unless `once`. Raises Trouble."""
    refuse_given_servers()
    home = default_home()
    begin_afresh(home, say)
    asyncio.run(_run(home, once=once, register=register, seed=seed, tracing=tracing))


async def _run(home: Path, *, once: bool, register: Path | None, seed: int, tracing: bool) -> None:
    began = time.monotonic()
    # A day can be recorded once it has come, so the year that is played is the last whole one.
    year = ProgrammeYear.of(SystemClock().today()).previous()
    async with Instance(home, tracing=tracing, say=say) as instance, AsyncExitStack() as stays:
        instance.stop_on_signals()
        await start(instance, say)
        say(f"Everything runs after {time.monotonic() - began:.0f} s.")
        say(f"Playing the programme year {year}, the last one that is over (seed {seed}).")
        playing = asyncio.ensure_future(_play(instance, stays, year, register, seed))
        report, systems = await _unless_stopped(instance, playing)
        print_figures(report)
        print_trusts(systems)
        out.print(Text(f"The demo took {time.monotonic() - began:.0f} s.", style="dim"))
        print_again(year, once=once)
        if once:
            return
        print_addresses(instance)
        await instance.wait()
        say("Stopping.")


def print_again(year: ProgrammeYear, *, once: bool) -> None:
    """How to see the report of this year again, which is not the current one."""
    when = "After `aspire up`: " if once else "While it runs: "
    out.print(Text.assemble((when, "dim"), f"aspire report --year {year}"))
    out.print()


async def _unless_stopped(instance: Instance, playing: "asyncio.Future[Any]") -> Any:
    """What is played to its end; ends it at once when we are asked to stop or a server dies."""
    stopping = asyncio.ensure_future(instance.wait())
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            return _without_group(playing)
        await stopping
        await instance.pause(0)  # raises Stopped
    finally:
        for task in (playing, stopping):
            task.cancel()
        await asyncio.gather(playing, stopping, return_exceptions=True)


def _without_group(playing: "asyncio.Future[Any]") -> Any:
    """The result, or the first failure instead of a group of them."""
    try:
        return playing.result()
    except ExceptionGroup as group:
        troubles = group.subgroup(Trouble)
        first: BaseException = troubles or group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _play(
    instance: Instance,
    stays: AsyncExitStack,
    year: ProgrammeYear,
    register: Path | None,
    seed: int,
) -> tuple[dict[str, Any], list[tuple[str, System]]]:
    """The report, and the connected trusts' names and systems, which go on until `stays` ends."""
    issuer = LocalIssuer(instance.home / "issuer")
    urls = instance.addresses()
    async with Clients({name: urls[name] for name in instance.services}, issuer) as clients:
        with Bars(err) as bars:
            await _import(bars, clients, urls["membership"], register or _made_up(instance, seed))
            plan = make_plan(year, await _schools(clients), seed)
            stage = Stage(plan, clients, instance.kafka_settings, stays)
            for phase in phases(stage):
                await _phase(bars, phase)
            report = await _caught_up(bars, stage)
        say(f"{clients.requests:,} requests were answered.")
    return report, [(plan.groups[each].name, system) for each, system in stage.systems.items()]


def _made_up(instance: Instance, seed: int) -> Path:
    path = instance.home / "demo" / "register.csv"
    write_register(path, seed)
    return path


async def _import(bars: Bars, clients: Clients, url: str, file: Path) -> None:
    with bars.phase("Import the school register", None) as done:
        silent = Progress(disable=True)
        report = await asyncio.to_thread(upload, url, clients.office, file, silent)
        done(report["rows"])
    if report["refused_count"]:
        say(f"{report['refused_count']:,} rows of {file.name} were refused.")


async def _schools(clients: Clients) -> list[KnownSchool]:
    """The open schools of the register that are in a region of England."""
    found = await clients.every("membership", "/schools")
    return [
        KnownSchool(
            school_id=each["school_id"],
            urn=each["urn"],
            name=each["name"],
            la_code=each["la_code"] or "",
            region=each["region"],
        )
        for each in sorted(found, key=lambda each: int(each["urn"]))
        if each["closed_on"] is None and each["region"] is not None
    ]


async def _phase(bars: Bars, phase: Phase) -> None:
    with bars.phase(phase.name, phase.steps) as done:
        await phase.play(done)


async def _caught_up(bars: Bars, stage: Stage) -> dict[str, Any]:
    """The report, once it says what the services have acknowledged. Raises NotCaughtUp."""
    expected = stage.tally.figures()
    path = f"/reports/{stage.plan.year}"
    deadline = time.monotonic() + SECONDS_TO_CATCH_UP
    with bars.phase("Reporting catches up", len(expected)) as done:
        seen = 0
        while True:
            report: dict[str, Any] = await stage.clients.find("reporting", path) or {}
            missing = differences(expected, report)
            if (agreed := len(expected) - len(missing)) > seen:
                done(agreed - seen)
                seen = agreed
            if not missing:
                return report
            if time.monotonic() > deadline:
                wrong = "; ".join(f"{name} is {said}" for name, said in missing.items())
                raise NotCaughtUp(
                    f"Reporting has not caught up within {SECONDS_TO_CATCH_UP:.0f} s: {wrong}. "
                    "`aspire status` shows how the consumers are."
                )
            await asyncio.sleep(POLL_SECONDS)
