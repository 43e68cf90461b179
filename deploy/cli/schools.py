"""`aspire import-schools`: a school register in the GIAS layout, uploaded to membership."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import httpx
import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from deploy.cli import http
from deploy.cli.terminal import err, out, print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform

CHUNK_BYTES: Final = 256 * 1024
SECONDS_OF_SILENCE: Final = 120
SHOWN: Final = 50
KINDS: Final = {".gz": "application/gzip", ".zip": "application/zip"}
COUNTS: Final = ("rows", "registered", "changed", "closed", "unchanged", "refused_count")


def import_schools(
    file: Annotated[Path, typer.Argument(help="CSV with a header; plain, .gz or .zip.")],
    given_token: Annotated[
        str | None, typer.Option("--token", help="Whose token to use; else ASPIRE_TOKEN.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Import a school register in the GIAS layout.

    Columns are found by name (URN and EstablishmentName at least), in UTF-8 or Windows-1252.
    The same file again changes nothing; a changed row changes the school. A bad row is refused
    with its line and reason, and the others go in. Columns with people's names are not read.

    Examples:

      aspire import-schools edubasealldata20261101.csv

      aspire import-schools register.csv.gz --json
    """
    if not file.is_file():
        raise CannotDo(f"There is no file {file}.")
    platform = Platform.here()
    url = platform.url("membership")
    with _progress(hidden=as_json) as progress:
        report = upload(url, platform.token(given_token), file, progress)
    if as_json:
        print_json(report)
    else:
        print_report(file, report)


def upload(url: str, token: str, file: Path, progress: Progress) -> dict[str, Any]:
    """Send the file and follow the import; answers its report. Raises CannotDo."""
    sending = progress.add_task("Sending", total=file.stat().st_size, unit="bytes")
    headers = {
        "Content-Type": KINDS.get(file.suffix.lower(), "text/csv"),
        "Accept": "application/x-ndjson",
        "Idempotency-Key": str(uuid4()),
    }

    def body() -> Iterator[bytes]:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK_BYTES):
                yield chunk
                progress.advance(sending, len(chunk))

    with (
        http.in_words("membership", url),
        http.client(url, token, seconds=SECONDS_OF_SILENCE) as client,
        client.stream("POST", "/register-imports", content=body(), headers=headers) as response,
    ):
        if not response.is_success:
            response.read()
            http.check(response)
        return _followed(response, progress)


def _followed(response: httpx.Response, progress: Progress) -> dict[str, Any]:
    importing = progress.add_task("Importing", total=None, unit="rows")
    last: dict[str, Any] = {}
    for line in response.iter_lines():
        if not line.strip():
            continue
        last = json.loads(line)
        if "registered" not in last and "rows" in last:
            progress.update(importing, completed=last["rows"], total=last.get("of"))
    if "title" in last:
        raise CannotDo(f"{last['title']}: {last.get('detail', '')}")
    if "registered" not in last:
        raise CannotDo(
            "membership broke off the import. `aspire status` shows how it is; "
            "importing the same file again is safe."
        )
    progress.update(importing, completed=last["rows"], total=last["rows"])
    return last


def print_report(file: Path, report: dict[str, Any]) -> None:
    """What became of the rows, and those that were refused."""
    out.print(Text(f"Imported {file.name}", style="bold"))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rows")
    table.add_column("", justify="right")
    for name in COUNTS:
        label = {"rows": "read", "refused_count": "refused"}.get(name, name)
        style = "red" if name == "refused_count" and report[name] else ""
        table.add_row(label, f"{report[name]:,}", style=style)
    out.print(table)
    refused = report["refused"]
    if not refused:
        return
    faults = Table(box=box.SIMPLE_HEAD, title="Refused", title_justify="left")
    faults.title_style = "bold red"
    faults.add_column("line", justify="right")
    faults.add_column("why", overflow="fold")
    for each in refused[:SHOWN]:
        faults.add_row(f"{each['line']:,}", Text(each["reason"]))
    out.print(faults)
    if report["refused_count"] > SHOWN:
        more = report["refused_count"] - SHOWN
        out.print(f"… and {more:,} more; --json lists the first {len(refused):,}.", style="dim")


def _progress(*, hidden: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=err,
        disable=hidden or not err.is_terminal,
    )
