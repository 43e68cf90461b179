"""`aspire report`: the figures of a programme year, asked of reporting."""

import csv
import io
import sys
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from deploy.cli import http
from deploy.cli.figures import print_figures
from deploy.cli.terminal import print_json
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.clock import ProgrammeYear, SystemClock


def report(
    year: Annotated[
        str | None, typer.Option(help="A programme year, such as 2026-27; this one if left out.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="One region of England.")] = None,
    network: Annotated[UUID | None, typer.Option(help="One network, by its id.")] = None,
    school: Annotated[UUID | None, typer.Option(help="One school, by its id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, for spreadsheets.")] = False,
    given_token: Annotated[
        str | None, typer.Option("--token", help="Whose token to use; else ASPIRE_TOKEN.")
    ] = None,
) -> None:
    """Print the report of a programme year, of England or of a part of it.

    A programme year is 1 September to 31 August. The figures follow from what happened, by the
    programme's definitions.

    Examples:

      aspire report

      aspire report --year 2025-26 --region "North West"

      aspire report --network 0b7… --csv > network.csv
    """
    if as_json and as_csv:
        raise CannotDo("Choose --json or --csv, not both.")
    if sum(each is not None for each in (region, network, school)) > 1:
        raise CannotDo("Choose one of --region, --network and --school.")
    platform = Platform.here()
    path = path_of(_year(year), region=region, network=network, school=school)
    answer = fetch(platform.url("reporting"), platform.token(given_token), path, as_csv=as_csv)
    if as_csv:
        sys.stdout.write(answer)
    elif as_json:
        print_json(answer)
    else:
        print_figures(answer)


def path_of(
    year: ProgrammeYear,
    *,
    region: str | None = None,
    network: UUID | None = None,
    school: UUID | None = None,
) -> str:
    """The route of a report."""
    path = f"/reports/{year}"
    if region is not None:
        return f"{path}/regions/{quote(region, safe='')}"
    if network is not None:
        return f"{path}/networks/{network}"
    if school is not None:
        return f"{path}/schools/{school}"
    return path


def fetch(url: str, token: str, path: str, *, as_csv: bool = False) -> Any:
    """The report as text (CSV) or as data. Raises CannotDo."""
    accept = "text/csv" if as_csv else "application/json"
    with http.in_words("reporting", url), http.client(url, token) as client:
        answer = http.check(client.get(path, headers={"Accept": accept}))
    if not as_csv:
        try:
            return answer.json()
        except ValueError:
            raise CannotDo(f"What answers at {url} is not reporting.") from None
    # Lines end alike everywhere, and a broken answer is not passed on as a report.
    rows = list(csv.reader(io.StringIO(answer.text)))
    if not rows:
        raise CannotDo(f"What answers at {url} is not reporting.")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def _year(name: str | None) -> ProgrammeYear:
    if name is None:
        return ProgrammeYear.of(SystemClock().today())
    try:
        return ProgrammeYear.parse(name)
    except ValueError as error:
        raise CannotDo(str(error)) from None
