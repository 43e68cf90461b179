"""`aspire trust`: the credentials by which a trust's systems join."""

from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich import box
from rich.table import Table

from deploy.cli import trust_kafka, trust_sandbox, webhooks
from deploy.cli.integration import AsJson, Token, Trust, ask
from deploy.cli.terminal import moment, out, print_json, print_line, say

app = typer.Typer(
    help="The credentials by which a trust's systems send events, and what they may report on.",
    no_args_is_help=True,
)

MINUTE: Final = "%d %b %Y %H:%M"

app.add_typer(webhooks.app)
app.add_typer(trust_kafka.app, name="kafka")
app.add_typer(trust_sandbox.app, name="sandbox")


@app.command()
def connect(trust: Trust, token: Token = None) -> None:
    """Make the credentials of a trust, and print the secret.

    The user is the trust's id, the password the secret (HTTP Basic). It is shown this once, and
    only its hash is kept. docs/integration/README.md is for the trust's developer.

    Examples:

      aspire trust connect 0b7…

      SECRET=$(aspire trust connect 0b7…)
    """
    _print_secret(ask("POST", _path(trust, ""), token))


@app.command()
def status(
    trust: Trust,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the credentials of a trust, without secrets, and the schools that are its today.

    Examples:

      aspire trust status 0b7…
    """
    found = ask("GET", _path(trust, ""), token)
    if as_json:
        print_json(found)
    else:
        _print_connection(found)


@app.command()
def rotate(
    trust: Trust,
    overlap: Annotated[
        int, typer.Option(min=0, max=168, help="Hours for which the old secret is accepted still.")
    ] = 24,
    token: Token = None,
) -> None:
    """Make a new secret of a trust, and print it; the old one ends after a while.

    Examples:

      aspire trust rotate 0b7…

      aspire trust rotate 0b7… --overlap 0
    """
    _print_secret(ask("POST", _path(trust, "/rotation"), token, {"overlap_hours": overlap}))


@app.command()
def revoke(trust: Trust, token: Token = None) -> None:
    """Accept none of a trust's secrets any more, from this moment.

    Examples:

      aspire trust revoke 0b7…
    """
    found = ask("POST", _path(trust, "/revocation"), token)
    say(
        f"Nothing is accepted from {found['name']} any more, on Kafka neither (`aspire trust kafka "
        "revoke` ends its users there). `aspire trust connect` begins anew."
    )


def _path(trust: UUID, act: str) -> str:
    return f"/trusts/{trust}/connection{act}"


def _print_secret(made: dict[str, Any]) -> None:
    say(
        f"User {made['trust_id']}; the password is the next line. It is shown this once: give it "
        "to the trust by a way that keeps secrets."
    )
    print_line(made["secret"])


def _print_connection(found: dict[str, Any]) -> None:
    schools = len(found["schools"])
    state = "connected" if found["connected"] else "not connected"
    out.print(f"{found['name']}: {state}, {schools} {'school' if schools == 1 else 'schools'}")
    if found["schools"]:
        out.print("URNs: " + ", ".join(str(each["urn"]) for each in found["schools"]))
    if not found["credentials"]:
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("credentials", no_wrap=True)
    for column in ("made", "accepted until"):
        table.add_column(column, overflow="fold")
    for each in found["credentials"]:
        ends = moment(each["expires_at"], MINUTE) if each["expires_at"] else "rotated or revoked"
        table.add_row(each["credential_id"], moment(each["made_at"], MINUTE), ends)
    out.print(table)
