"""`aspire mis`: what a trust's management information system exports, previewed and applied."""

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import httpx
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from deploy.cli import http, wonde
from deploy.cli.terminal import out, print_json, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform

app = typer.Typer(
    help="A trust's management information system: OneRoster files, and what Wonde has.",
    no_args_is_help=True,
)
app.command()(wonde.wonde)

SECONDS: Final = 60
SHOWN: Final = 40
LOOK_SECONDS: Final = 2
WHAT: Final = {
    "school": "schools named",
    "new": "new posts",
    "changed": "posts changed",
    "leaving": "posts ended",
    "unchanged": "unchanged",
    "refused": "refused",
}

Trust = Annotated[UUID, typer.Option("--trust", envvar="ASPIRE_TRUST", help="The trust's id.")]
Secret = Annotated[
    str | None,
    typer.Option(
        "--secret",
        envvar="ASPIRE_TRUST_SECRET",
        help="The trust's secret; better in the variable. Without it the office's token is used.",
    ),
]
Token = Annotated[
    str | None, typer.Option("--token", help="Whose token to use; else ASPIRE_TOKEN.")
]


@dataclass(frozen=True)
class Sender:
    """Sends files of a trust: by its own secret, or by a token of the office."""

    url: str
    trust: UUID
    secret: str | None
    token: str

    @classmethod
    def of(cls, trust: UUID, secret: str | None, token: str | None) -> "Sender":
        platform = Platform.here()
        found = "none" if secret else platform.token(token)
        return cls(platform.url("integration"), trust, secret, found)

    def send(self, act: str, file: Path, **query: str) -> dict[str, Any]:
        """What a file comes to. Raises CannotDo."""
        path = "/mis/roster" if self.secret else f"/trusts/{self.trust}/roster"
        headers = {"Content-Type": "application/zip", "Idempotency-Key": str(uuid4())}
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CannotDo(f"{file} cannot be read: {error.strerror}.") from error
        with (
            http.in_words("integration", self.url),
            http.client(self.url, self.token, seconds=SECONDS) as client,
        ):
            if self.secret:
                client.auth = httpx.BasicAuth(str(self.trust), self.secret)
            asked = client.post(path + act, content=content, headers=headers, params=query)
            answer: dict[str, Any] = http.check(asked).json()
            return answer


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A zip of CSV files, OneRoster 1.2.")],
    trust: Trust,
    secret: Secret = None,
    token: Token = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply it without being asked first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what a OneRoster file would change, and apply it if you agree.

    Each refused row is named by file, line and reason, and the others go in. Where nobody is at the
    terminal it is only shown, unless --apply says more. The exit code is 1 where rows are refused.

    Examples:

      aspire mis import export.zip --trust 0b7…

      aspire mis import export.zip --trust 0b7… --apply --json
    """
    if not file.is_file():
        raise CannotDo(f"There is no file {file}.")
    sender = Sender.of(trust, secret, token)
    shown = sender.send("/preview", file)
    if not as_json:
        _print(file, shown)
    if _changes(shown) and (apply or (not as_json and _agreed())):
        shown = sender.send("", file, digest=shown["digest"])
        if not as_json:
            out.print("Applied.")
    elif not as_json:
        out.print("Nothing was changed.")
    if as_json:
        print_json(shown)
    if shown["counts"]["refused"]:
        raise typer.Exit(1)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(help="Where zips are put.")],
    trust: Trust,
    secret: Secret = None,
    token: Token = None,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Apply a file at once, if no row is refused and few leave."),
    ] = False,
    most_leaving: Annotated[
        int, typer.Option(min=0, help="With --apply: so many posts may end by one file.")
    ] = 20,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Preview each zip in a folder, and apply it when somebody agrees; until Ctrl-C.

    Beside EXPORT.zip comes EXPORT.zip.preview.json. Whoever agrees makes EXPORT.zip.apply (an empty
    file); then, or at once with --apply, it is applied and goes to the folder `applied` with what
    became of it. One that cannot be read goes to `refused`, with the reason.

    Examples:

      aspire mis watch /srv/exports --trust 0b7…
    """
    if not folder.is_dir():
        raise CannotDo(f"There is no folder {folder}.")
    watching = Folder(folder, Sender.of(trust, secret, token), most_leaving if apply else None)
    while True:
        watching.look()
        if once:
            return
        time.sleep(LOOK_SECONDS)


class Folder:
    """A folder in which zips appear."""

    def __init__(self, path: Path, sender: Sender, most_leaving: int | None) -> None:
        """`most_leaving`: files are applied by themselves, if so many posts end at most; None:
        never."""
        self._path = path
        self._sender = sender
        self._most_leaving = most_leaving
        self._sizes: dict[Path, tuple[int, int]] = {}

    def look(self) -> None:
        """Does what can be done now. A zip that is still being written has another size soon."""
        for file in sorted(self._path.glob("*.zip")):
            stat = file.stat()
            before, self._sizes[file] = self._sizes.get(file), (stat.st_size, stat.st_mtime_ns)
            settled = before == self._sizes[file] or time.time() - stat.st_mtime > LOOK_SECONDS
            if not settled:
                continue
            try:
                self._take(file)
            except CannotDo as problem:
                if not str(problem).startswith(REFUSALS):
                    say(f"{file.name}: {problem} It is tried again.")
                    continue
                self._put_away(file, "refused", {"refused": str(problem)})

    def _take(self, file: Path) -> None:
        preview, agreed = _beside(file, "preview.json"), _beside(file, "apply")
        if agreed.exists() and preview.exists():
            shown = json.loads(preview.read_text("utf-8"))
        elif preview.exists() and preview.stat().st_mtime_ns >= file.stat().st_mtime_ns:
            return
        else:
            shown = self._sender.send("/preview", file)
            preview.write_text(json.dumps(shown, indent=2, ensure_ascii=False), "utf-8")
            say(f"{file.name}: {_in_words(shown)}")
            if not self._goes_by_itself(shown):
                say(f"{file.name}: make {agreed.name} to apply it.")
                return
        try:
            done = self._sender.send("", file, digest=shown["digest"])
        except CannotDo:
            agreed.unlink(missing_ok=True)  # somebody has to look again
            preview.unlink(missing_ok=True)
            raise
        self._put_away(file, "applied", done)
        preview.unlink(missing_ok=True)
        agreed.unlink(missing_ok=True)

    def _goes_by_itself(self, shown: dict[str, Any]) -> bool:
        counts = shown["counts"]
        return (
            self._most_leaving is not None
            and not counts["refused"]
            and counts["leaving"] <= self._most_leaving
        )

    def _put_away(self, file: Path, folder: str, result: dict[str, Any]) -> None:
        away = self._path / folder
        away.mkdir(exist_ok=True)
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{file.name}"
        (away / f"{name}.json").write_text(
            json.dumps(result, indent=2, ensure_ascii=False), "utf-8"
        )
        shutil.move(file, away / name)
        say(f"{file.name}: {folder}. {result.get('refused', '')}".rstrip())


REFUSALS: Final = "The OneRoster file cannot be read"


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(f"{file.name}.{suffix}")


def _changes(shown: dict[str, Any]) -> bool:
    counts = shown["counts"]
    return any(counts[what] for what in ("school", "new", "changed", "leaving"))


def _agreed() -> bool:
    return sys.stdin.isatty() and not os.environ.get("CI") and typer.confirm("Apply it?")


def _in_words(shown: dict[str, Any]) -> str:
    counted = [f"{shown['counts'][what]:,} {words}" for what, words in WHAT.items()]
    return ", ".join(counted)


def _print(file: Path, shown: dict[str, Any]) -> None:
    out.print(Text(file.name, style="bold"))
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for what, words in WHAT.items():
        count = shown["counts"][what]
        table.add_row(words, f"{count:,}", style="red" if what == "refused" and count else "")
    table.add_row("rows not of staff", f"{shown['passed_over']:,}")
    out.print(table)
    refused = [row for row in shown["rows"] if row["what"] == "refused"]
    if not refused:
        return
    faults = Table(box=box.SIMPLE_HEAD, title="Refused", title_justify="left")
    for column in ("file", "line", "reason"):
        faults.add_column(column, overflow="fold")
    for row in refused[:SHOWN]:
        faults.add_row(f"{row['file']}.csv", str(row["line"] or "–"), Text(row["why"]))
    out.print(faults)
    if len(refused) > SHOWN:
        say(f"And {len(refused) - SHOWN:,} more; --json has all.")
