"""`aspire trust sandbox`: a fictional trust, for the developer of a real one to try things out."""

from typing import Annotated, Any
from uuid import UUID

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from deploy.cli.integration import AsJson, Token, ask
from deploy.cli.terminal import err, out, print_json, print_line, say
from deploy.cli.where import Platform

app = typer.Typer(
    help="A fictional trust on the running platform, for a developer to try things out: with "
    "schools, people, credentials and a day's events. It is in no figure and no report.",
)

Sandbox = Annotated[UUID, typer.Argument(help="The id of a sandbox.")]


@app.callback(invoke_without_command=True)
def sandbox(context: typer.Context, token: Token = None, as_json: AsJson = False) -> None:
    """Without a command of its own: `make`."""
    if context.invoked_subcommand is None:
        make(token, as_json)


@app.command()
def make(token: Token = None, as_json: AsJson = False) -> None:
    """Make a sandbox, and print what it has and the secret of its systems.

    They sign in by its id and the secret (HTTP Basic), which is shown this once.

    Examples:

      aspire trust sandbox

      SECRET=$(aspire trust sandbox)

      aspire trust sandbox make --json
    """
    made = ask("POST", "/sandboxes", token)
    if as_json:
        print_json(made)
        return
    found = made["sandbox"]
    _print(found, err)
    say(
        "docs/integration/five-minutes.md says how to go on. The secret is the last line, and "
        f"shown this once.\n\nexport ASPIRE={Platform.here().url('integration')} "
        f"TRUST={found['trust_id']} URN={found['schools'][0]['urn']} SECRET=…"
    )
    print_line(made["secret"])


@app.command("list")
def list_sandboxes(token: Token = None, as_json: AsJson = False) -> None:
    """Show the sandboxes that there are.

    Examples:

      aspire trust sandbox list
    """
    found = ask("GET", "/sandboxes", token)["sandboxes"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("There are no sandboxes.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("sandbox", no_wrap=True)
    for column in ("name", "URNs"):
        table.add_column(column, overflow="fold")
    for column in ("days", "events"):
        table.add_column(column, justify="right")
    for each in found:
        table.add_row(
            each["trust_id"], each["name"], _urns(each), str(each["days"]), str(each["events"])
        )
    out.print(table)


@app.command()
def day(sandbox: Sandbox, token: Token = None, as_json: AsJson = False) -> None:
    """Play one more day, to see its events arrive.

    Examples:

      aspire trust sandbox day 0b7…
    """
    _show(ask("POST", f"/sandboxes/{sandbox}/day", token), as_json)


@app.command()
def reset(sandbox: Sandbox, token: Token = None, as_json: AsJson = False) -> None:
    """Put a sandbox back to its first day; its credentials stay.

    What its systems have reported and registered is gone, and its feed begins anew.

    Examples:

      aspire trust sandbox reset 0b7…
    """
    _show(ask("POST", f"/sandboxes/{sandbox}/reset", token), as_json)


@app.command()
def remove(sandbox: Sandbox, token: Token = None) -> None:
    """Remove a sandbox, with its credentials; users on Kafka end by `aspire trust kafka revoke`.

    Examples:

      aspire trust sandbox remove 0b7…
    """
    ask("POST", f"/sandboxes/{sandbox}/removal", token)
    say(
        "It is gone. Where it had topics and users on Kafka, `aspire trust kafka revoke` ends the "
        "users."
    )


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any], where: Console = out) -> None:
    days = "its first day" if found["days"] == 1 else f"{found['days']} days"
    own = {each["urn"] for each in found["schools"] if each["own"]}
    people = sum(each["school_urn"] in own for each in found["people"])
    where.print(f"{found['name']}: {people} people, {found['events']} events of {days}")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("URN")
    table.add_column("school", overflow="fold")
    table.add_column("people", overflow="fold")
    for school in found["schools"]:
        staff = [each for each in found["people"] if each["school_urn"] == school["urn"]]
        table.add_row(
            str(school["urn"]),
            school["name"] if school["own"] else f"{school['name']} (of no trust)",
            "\n".join(f"{each['name']}, {each['email']}" for each in staff),
        )
    where.print(table)


def _urns(found: dict[str, Any]) -> str:
    return ", ".join(str(each["urn"]) for each in found["schools"] if each["own"])
