"""`aspire trust webhooks`, `deliveries`, `resend`, `wake`: what is sent to a trust's systems."""

from typing import Annotated, Any
from uuid import UUID

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli.integration import AsJson, Token, Trust, ask
from deploy.cli.terminal import moment, out, print_json
from deploy.cli.trouble import CannotDo

app = typer.Typer()

Webhook = Annotated[
    UUID | None,
    typer.Option("--webhook", help="Its id; not needed where the trust has one webhook only."),
]


@app.command()
def webhooks(trust: Trust, token: Token = None, as_json: AsJson = False) -> None:
    """Show to which addresses a trust has its events sent, and how many wait.

    Examples:

      aspire trust webhooks 0b7…
    """
    found = ask("GET", f"/trusts/{trust}/webhooks", token)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("The trust has no webhooks.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("webhook", no_wrap=True)
    for column in ("address", "types", "state"):
        table.add_column(column, overflow="fold")
    table.add_column("waiting", justify="right")
    for each in found:
        rests = each["state"] == "resting"
        state = f"rests: {each['rests'].replace('_', ' ')}" if rests else "active"
        table.add_row(
            each["webhook_id"],
            Text(each["url"]),
            "all" if each["types"] is None else Text("\n".join(map(_short, each["types"]))),
            Text(state, style="yellow" if rests else ""),
            str(each["waiting"]),
        )
    out.print(table)


@app.command()
def deliveries(
    trust: Trust,
    webhook: Webhook = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that were not taken.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what was sent to a trust's webhook and what was answered, the newest first.

    Examples:

      aspire trust deliveries 0b7… --failed
    """
    path = f"{_path(trust, webhook, token)}/deliveries"
    found = ask("GET", path, token, failed=failed, limit=limit)["items"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("Nothing was sent." if not failed else "Nothing failed.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("sent", overflow="fold")
    table.add_column("event", no_wrap=True)
    table.add_column("type", overflow="fold")
    table.add_column("try", justify="right")
    table.add_column("answer", overflow="fold")
    table.add_column("ms", justify="right")
    for each in found:
        table.add_row(
            moment(each["sent_at"]),
            each["event_id"],
            _short(each["type"]),
            str(each["tries"]),
            Text(_answer(each), style="" if each["taken"] else "yellow"),
            str(each["took_ms"]),
        )
    out.print(table)


@app.command()
def resend(
    trust: Trust,
    webhook: Webhook = None,
    event: Annotated[UUID | None, typer.Option(help="This event alone.")] = None,
    after: Annotated[UUID | None, typer.Option(help="All that came after this event.")] = None,
    since: Annotated[
        str | None, typer.Option(help="All since this time, such as 2026-11-20T09:00:00Z.")
    ] = None,
    token: Token = None,
) -> None:
    """Send to a trust's webhook again: one event, or all since one, or since a time.

    They have the same ids and the same order, so a receiver knows what it has.

    Examples:

      aspire trust resend 0b7… --event 01a2…

      aspire trust resend 0b7… --since 2026-11-20T09:00:00Z
    """
    wanted = {"event_id": event, "after": after, "since": since}
    body = {name: str(value) for name, value in wanted.items() if value is not None}
    if len(body) != 1:
        raise CannotDo("Say one of them: --event, --after or --since.")
    found = ask("POST", f"{_path(trust, webhook, token)}/resending", token, body)
    out.print(Text(f"{found['waiting']} events wait for {found['url']}."))


@app.command()
def wake(trust: Trust, webhook: Webhook = None, token: Token = None) -> None:
    """Go on sending to a trust's webhook that rests; nothing of what waits is lost.

    Examples:

      aspire trust wake 0b7…
    """
    found = ask("POST", f"{_path(trust, webhook, token)}/waking", token)
    out.print(Text(f"{found['waiting']} events wait for {found['url']}."))


def _path(trust: UUID, webhook: UUID | None, token: str | None) -> str:
    """Of the webhook, or of the only one. Raises CannotDo."""
    path = f"/trusts/{trust}/webhooks"
    if webhook is not None:
        return f"{path}/{webhook}"
    found = ask("GET", path, token)
    match found:
        case [only]:
            return f"{path}/{only['webhook_id']}"
        case []:
            raise CannotDo("The trust has no webhooks.")
    listed = ", ".join(each["webhook_id"] for each in found)
    raise CannotDo(f"The trust has {len(found)} webhooks. Choose by --webhook: {listed}.")


def _short(event_type: str) -> str:
    return event_type.removeprefix("uk.aspire.")


def _answer(delivery: dict[str, Any]) -> str:
    if delivery["trouble"]:
        return str(delivery["trouble"])
    return f"{delivery['status']} {delivery['answer'][:80]}".strip()
