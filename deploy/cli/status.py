"""`aspire status`: what runs under this ASPIRE_HOME, and how it is."""

import asyncio
from typing import Annotated, Any, Final

import httpx
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal import out, print_json, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from deploy.embedded.instance import SERVICES
from shared.settings import without_password

NOTHING_RUNS: Final = 3
SECONDS_TO_ANSWER: Final = 8
COLOURS: Final = {"ready": "green", "degraded": "yellow", "live": "green"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what runs in ASPIRE_HOME: addresses, processes, databases, readiness.

    Services that run elsewhere are asked where ASPIRE_<SERVICE>_URL names them. The exit code is
    0 where anything runs, ready or not, and 3 where nothing does.

    Examples:

      aspire status

      aspire status --json | jq -r .services.membership.address
    """
    platform = Platform.here()
    found = asyncio.run(look(platform))
    if as_json:
        print_json(found)
    elif found["running"]:
        _print(found)
    if not found["running"]:
        say(f"Nothing runs in {platform.home}. `aspire up` starts it.")
        raise typer.Exit(NOTHING_RUNS)


async def look(platform: Platform) -> dict[str, Any]:
    """Everything that is known and can be asked, as plain data."""
    state = platform.state
    services = await asyncio.gather(*(_service(platform, name) for name in SERVICES))
    by_name = {service: found for service, found in zip(SERVICES, services, strict=True) if found}
    return {
        "home": str(platform.home),
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
    replicas = [
        {"name": each.name, "address": each.address, "pid": each.pid}
        for each in (platform.state.children if platform.state else ())
        if each.kind == "service" and each.name.split("-")[0] == service
    ]
    return {
        "address": url,
        "pid": child.pid if child else None,
        "log": str(child.log) if child else None,
        "database_url": database,
        "replicas": replicas,
        **await _readiness(url),
    }


async def _readiness(url: str) -> dict[str, Any]:
    try:
        async with httpx.AsyncClient(timeout=SECONDS_TO_ANSWER, trust_env=False) as client:
            answer = (await client.get(f"{url}/health/ready")).json()
        return {"status": str(answer["status"]), "parts": answer["parts"]}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        return {"status": "not ready", "parts": {}, "detail": f"no answer ({error!r})"}


def _print(found: dict[str, Any]) -> None:
    out.print(Text(f"Aspire in {found['home']}", style="bold"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("what", style="bold")
    table.add_column("where", overflow="fold")
    table.add_column("process", justify="right")
    table.add_column("how it is", overflow="fold")
    for name in ("postgres", "kafka", "zipkin"):
        if server := found[name]:
            how = {True: "ready", False: "not ready", None: "given"}[server["ready"]]
            table.add_row(name, server["address"], str(server["pid"] or "–"), _how(how))
    for name, service in found["services"].items():
        table.add_row(
            name, service["address"], str(service["pid"] or "–"), _how(service["status"], service)
        )
    out.print(table)
    databases = Table(box=box.SIMPLE_HEAD)
    databases.add_column("database", style="bold")
    databases.add_column("URL", overflow="fold")
    for name, service in found["services"].items():
        if service["database_url"]:
            databases.add_row(name, Text(service["database_url"]))
    if databases.row_count:
        out.print(databases)


def _how(status: str, service: dict[str, Any] | None = None) -> Text:
    text = Text(status, style=COLOURS.get(status, "red" if status == "not ready" else "dim"))
    for part, health in (service or {}).get("parts", {}).items():
        if health.get("status") != "ready":
            text.append(f"\n{part}: {health.get('status')}, {health.get('detail')}", style="dim")
    if detail := (service or {}).get("detail"):
        text.append(f"\n{detail}", style="dim")
    return text
