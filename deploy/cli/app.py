"""The commands of `aspire` put together, and the end of each: an exit code and no traceback."""

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Sequence

import typer
from aiokafka.errors import KafkaError
from rich.text import Text
from typer.exceptions import TyperException
from typer.main import get_command

from deploy.cli import (
    demo,
    down,
    events,
    migrate,
    parked,
    report,
    resume,
    run,
    schools,
    status,
    token,
    up,
)
from deploy.cli.terminal import err, out
from deploy.cli.trouble import Trouble
from shared.settings import SettingMissing

WRONG_USE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="aspire",
    help=(
        "Runs the school-improvement programme: its four services, with their PostgreSQL and "
        "Kafka, on this machine or wherever they are.\n\n"
        "Everything of an instance is in one folder, ASPIRE_HOME (.aspire in the checkout, unless "
        "set). Begin with [bold]aspire demo[/] to see a year of the programme, or with "
        "[bold]aspire up[/] for an empty platform."
    ),
    rich_markup_mode="rich",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def prose(docstring: str | None) -> str:
    """A docstring as help: lines of a paragraph are one line, which the terminal breaks."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    return "\n\n".join(
        each if each.startswith(" ") else " ".join(each.split()) for each in paragraphs
    )


def _add(name: str, command: Callable[..., None], panel: str) -> None:
    app.command(name, help=prose(command.__doc__), rich_help_panel=panel)(command)


RUNNING = "Run the platform"
ASKING = "Ask and tell it"
OPERATING = "Operate it"

_add("demo", demo.demo, RUNNING)
_add("up", up.up, RUNNING)
_add("status", status.status, RUNNING)
_add("down", down.down, RUNNING)
_add("report", report.report, ASKING)
_add("import-schools", schools.import_schools, ASKING)
_add("events", events.events, ASKING)
_add("token", token.token, ASKING)
_add("run", run.run, OPERATING)
_add("migrate", migrate.migrate, OPERATING)
_add("resume", resume.resume, OPERATING)
app.add_typer(parked.app, name="parked", rich_help_panel=OPERATING)


@app.callback(invoke_without_command=True)
def aspire(context: typer.Context) -> None:
    """Without a command, say which there are."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def main() -> None:
    """The entry point of `aspire`: ends the process with the command's exit code."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run a command; a mistake is one line on stderr and 2."""
    try:
        code = get_command(app).main(
            args=list(arguments), prog_name="aspire", standalone_mode=False
        )
        sys.stdout.flush()
    except TyperException as mistake:
        return _refused(_with_hint(mistake))
    except (Trouble, SettingMissing) as trouble:
        return _refused(str(trouble))
    except KafkaError as error:
        return _refused(f"Kafka does not answer as it should: {error}.")
    except (typer.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _refused(why: str) -> int:
    out.file.flush()
    err.print(Text.assemble(("aspire: ", "bold red"), why), soft_wrap=True)
    return WRONG_USE


def _with_hint(mistake: TyperException) -> str:
    context = getattr(mistake, "ctx", None)
    path = context.command_path if context is not None else "aspire"
    words = " ".join(mistake.format_message().split())
    return f"{words.rstrip('.')}. See `{path} --help`."
