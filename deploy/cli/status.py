"""`aspire status`: what runs under this ASPIRE_HOME, and how it is."""

import asyncio
import json
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import httpx
import typer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.cli.flow import flow_table, replicas, troubles
from deploy.cli.http import problem_in_words
from deploy.cli.terminal import moment, out, print_json, print_line, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from deploy.embedded.instance import SERVICES
from deploy.embedded.replicas import replicas_among
from shared.settings import without_password

NOTHING_RUNS: Final = 3
SECONDS_TO_ANSWER: Final = 8
COLOURS: Final = {"ready": "green", "degraded": "yellow", "live": "green"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C; with --json a line each time.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.5, max=3600, help="With --watch: seconds between two looks.")
    ] = 2,
) -> None:
    """Show what runs in ASPIRE_HOME and how it is, and how events flow between the services.

    Of each topic: who sends and who reads it, how many events a second, how many have not taken
    effect yet and for how long, and what is parked or set aside.

    Services that run elsewhere are asked where ASPIRE_<SERVICE>_URL names them. The flow needs a
    token of the role operations: on this machine it is made, elsewhere it is ASPIRE_TOKEN. The exit
    code is 0 where anything runs, ready or not, and 3 where nothing does.

    Examples:

      aspire status

      aspire status --watch

      aspire status --json | jq -r .services.membership.address
    """
    platform = Platform.here()
    found = asyncio.run(look(platform))
    if not found["running"]:
        if as_json:
            print_json(found)
        say(f"Nothing runs in {platform.home}. `aspire up` starts it.")
        raise typer.Exit(NOTHING_RUNS)
    if watch:
        asyncio.run(_watch(found, every, as_json=as_json))
    elif as_json:
        print_json(found)
    else:
        out.print(picture(found), *_databases(found))


async def _watch(found: dict[str, Any], every: float, *, as_json: bool) -> None:
    """Shows it again and again: in one place where a person looks, else one after the other."""
    seen = out.is_terminal and not as_json
    with Live(console=out, screen=True, auto_refresh=False) if seen else nullcontext() as live:
        while True:
            if as_json:
                print_line(json.dumps(found, ensure_ascii=False, default=str))
            elif live is None:
                out.print(picture(found))
            else:
                live.update(picture(found), refresh=True)
            sys.stdout.flush()
            await asyncio.sleep(every)
            found = await look(Platform.here())


async def look(platform: Platform) -> dict[str, Any]:
    """Everything that is known and can be asked, as plain data."""
    state = platform.state
    services = await asyncio.gather(*(_service(platform, name) for name in SERVICES))
    by_name = {service: found for service, found in zip(SERVICES, services, strict=True) if found}
    return {
        "home": str(platform.home),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "running": state is not None or bool(by_name),
        "pid": state.pid if state else None,
        "started_at": state.started_at.isoformat() if state else None,
        "kafka": _server(platform, "kafka"),
        "postgres": _server(platform, "postgres"),
        "zipkin": _server(platform, "zipkin"),
        "services": by_name,
    }


def _server(platform: Platform, name: str) -> dict[str, Any] | None:
    children = platform.state.children if platform.state else ()
    for child in children:
        if child.name == name and child.identity.alive():
            return {
                "address": child.address,
                "pid": child.pid,
                "ready": child.ready,
                "log": str(child.log),
            }
    if name != "kafka":
        return None
    try:
        return {"address": platform.kafka, "pid": None, "ready": None, "log": None}
    except CannotDo:
        return None


async def _service(platform: Platform, service: str) -> dict[str, Any] | None:
    try:
        url = platform.url(service)
    except CannotDo:
        return None
    child = platform.child(service)
    if child is not None and child.address != url:
        child = None
    try:
        database: str | None = without_password(platform.database_url(service))
    except CannotDo:
        database = None
    children = {each.name: each for each in (platform.state.children if platform.state else ())}
    running = [children[name] for name in replicas_among(children, service)]
    addresses = [str(each.address) for each in running if each.address != url]
    answers, *others = await asyncio.gather(
        _answers(platform, url), *(_readiness_at(address) for address in addresses)
    )
    of_first = {"status": answers["status"], "parts": answers["parts"]}
    how = dict(zip([url, *addresses], [of_first, *others], strict=True))
    return {
        "address": url,
        "pid": child.pid if child else None,
        "log": str(child.log) if child else None,
        "database_url": database,
        "replicas": [
            {"name": each.name, "address": each.address, "pid": each.pid} | how[str(each.address)]
            for each in running
        ],
        **answers,
    }


async def _answers(platform: Platform, url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(
        base_url=url, timeout=SECONDS_TO_ANSWER, trust_env=False
    ) as client:
        readiness, flow = await asyncio.gather(_readiness(client), _flow(platform, client))
    return {**readiness, **flow}


async def _readiness_at(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(
        base_url=url, timeout=SECONDS_TO_ANSWER, trust_env=False
    ) as client:
        return await _readiness(client)


async def _readiness(client: httpx.AsyncClient) -> dict[str, Any]:
    try:
        answer = (await client.get("/health/ready")).json()
        return {"status": str(answer["status"]), "parts": answer["parts"]}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return {"status": "not ready", "parts": {}, "detail": f"no answer ({error!r})"}


async def _flow(platform: Platform, client: httpx.AsyncClient) -> dict[str, Any]:
    """The service's flow, and otherwise why it is not known, unless readiness says that."""
    try:
        token = platform.token(None, "operations")
        answer = await client.get("/operations/flow", headers={"Authorization": f"Bearer {token}"})
        if answer.is_success:
            return {"flow": answer.json()}
        return {"flow": None, "flow_unknown": problem_in_words(answer)}
    except CannotDo as refused:
        return {"flow": None, "flow_unknown": str(refused)}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {"flow": None}


def picture(found: dict[str, Any]) -> Group:
    """What runs and how events flow, for a person."""
    services = found["services"]
    flows = {name: service["flow"] for name, service in services.items()}
    when = moment(found["at"], "%H:%M:%S")
    title = Text.assemble((f"Aspire in {found['home']}", "bold"), (f"  {when}", "dim"))
    title.overflow = "fold"
    parts: list[RenderableType] = [title, _processes(found, flows)]
    if any(flows.values()):
        parts.append(flow_table(flows))
    unknown = [(n, s["flow_unknown"]) for n, s in services.items() if s.get("flow_unknown")]
    whys = (*troubles(flows), *(f"{name}: no flow: {why}" for name, why in unknown))
    return Group(*parts, *(Text(f"✗ {why}", style="red") for why in whys))


def _processes(found: dict[str, Any], flows: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("what", style="bold")
    table.add_column("where", overflow="fold")
    table.add_column("process", justify="right")
    table.add_column("replicas", justify="right")
    table.add_column("how it is", overflow="fold")
    for name in ("postgres", "kafka", "zipkin"):
        if server := found[name]:
            how = {True: "ready", False: "not ready", None: "given"}[server["ready"]]
            table.add_row(name, server["address"], str(server["pid"] or "–"), "", _how(how))
    for name, service in found["services"].items():
        row = name, service["address"], str(service["pid"] or "–"), replicas(flows[name])
        table.add_row(*row, _how(service["status"], service))
        for each in service["replicas"]:
            if each["address"] != service["address"]:
                row = each["name"], each["address"], str(each["pid"]), ""
                table.add_row(*row, _how(each["status"], each))
    return table


def _databases(found: dict[str, Any]) -> list[Table]:
    databases = Table(box=box.SIMPLE_HEAD)
    databases.add_column("database", style="bold")
    databases.add_column("URL", overflow="fold")
    for name, service in found["services"].items():
        if service["database_url"]:
            databases.add_row(name, Text(service["database_url"]))
    return [databases] if databases.row_count else []


def _how(status: str, service: dict[str, Any] | None = None) -> Text:
    text = Text(status, style=COLOURS.get(status, "red" if status == "not ready" else "dim"))
    for part, health in (service or {}).get("parts", {}).items():
        if health.get("status") != "ready":
            text.append(f"\n{part}: {health.get('status')}, {health.get('detail')}", style="dim")
    if detail := (service or {}).get("detail"):
        text.append(f"\n{detail}", style="dim")
    return text
