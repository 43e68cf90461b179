"""The table of addresses that `aspire up` and `aspire demo` end with."""

from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.terminal import out
from deploy.embedded.instance import Instance
from deploy.embedded.replicas import replicas_among
from shared.web import LocalIssuer


def with_token(page: str, token: str) -> str:
    """The page with the token in its fragment, which browsers never send to a server."""
    return f"{page}#token={token}"


def print_addresses(instance: Instance) -> None:
    """Where everything is, and the report's page as a link that is ready to open."""
    table = Table(box=box.SIMPLE_HEAD, title="Aspire is running", title_justify="left")
    table.title_style = "bold green"
    table.add_column("what", style="bold")
    table.add_column("where", overflow="fold")
    addresses = instance.addresses()
    for service in instance.services:
        for name in replicas_among(addresses, service):
            address = addresses[name]
            table.add_row(name, Text(address, style=f"cyan link {address}/openapi.json"))
    table.add_row("kafka", Text(instance.kafka, style="cyan"))
    table.add_row("postgres", Text(addresses.get("postgres", "as given"), style="cyan"))
    if zipkin := addresses.get("zipkin"):
        table.add_row("traces (Zipkin)", Text(zipkin, style=f"cyan link {zipkin}"))
    table.add_row("data and logs", Text(str(instance.home)))
    out.print(table)
    if page := addresses.get("reporting"):
        issuer = LocalIssuer(instance.home / "issuer")
        for what, address, role in (
            ("The report in your browser, as the programme office:", f"{page}/", "office"),
            (
                "The flow of events, as operations:",
                f"{page}/operations",
                "operations",
            ),
        ):
            out.print(Text(what, style="bold"))
            # On a line of its own and never wrapped, so that it can be copied.
            link = with_token(address, issuer.issue(role, f"aspire-{role}"))
            out.print(Text(link, style=f"cyan link {link}"), soft_wrap=True)
    out.print()
    out.print(Text("Ctrl-C stops everything; the data stay.", style="dim"))
