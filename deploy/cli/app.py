"""The commands of `aspire` put together, and the end of each: an exit code and no traceback."""

import asyncio
import inspect
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer
from rich.text import Text
from typer.exceptions import TyperException
from typer.main import get_command

from deploy.cli.terminal import err, out
from deploy.cli.trouble import Trouble
from shared.settings import SettingMissing, SettingWrong

WRONG_USE: Final = 2
INTERRUPTED: Final = 130

RUNNING: Final = "Run the platform"
ASKING: Final = "Ask and tell it"
OPERATING: Final = "Operate it"

COMMANDS: Final = {
    "demo": ("demo", RUNNING),
    "up": ("up", RUNNING),
    "status": ("status", RUNNING),
    "scale": ("scale", RUNNING),
    "down": ("down", RUNNING),
    "report": ("report", ASKING),
    "import-schools": ("schools", ASKING),
    "events": ("events", ASKING),
    "trace": ("trace", ASKING),
    "audit": ("audit", ASKING),
    "token": ("token", ASKING),
    "trust": ("trust", ASKING),
    "mis": ("mis", ASKING),
    "run": ("run", OPERATING),
    "migrate": ("migrate", OPERATING),
    "access": ("access", OPERATING),
    "resume": ("resume", OPERATING),
    "parked": ("parked", OPERATING),
    "rebuild": ("rebuild", OPERATING),
    "republish": ("republish", OPERATING),
    "reconcile": ("reconcile", OPERATING),
    "verify": ("verify", OPERATING),
}
"""Each command with its module and the panel of the help that it stands in."""

HELP: Final = (
    "Runs the school-improvement programme: its five services, with their PostgreSQL and "
    "Kafka, on this machine or wherever they are.\n\n"
    "Everything of an instance is in one folder, ASPIRE_HOME (.aspire in the checkout, unless "
    "set). Begin with [bold]aspire demo[/] to see a year of the programme, or with "
    "[bold]aspire up[/] for an empty platform."
)


def main() -> None:
    """The entry point of `aspire`: ends the process with the command's exit code."""
    # What aiokafka says of a broker that is away, a command says by itself, once.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run a command; a mistake is one line on stderr and 2."""
    # Only what is asked for is imported, so that every command begins at once.
    asked = [arguments[0]] if arguments and arguments[0] in COMMANDS else list(COMMANDS)
    command = get_command(_app(asked))
    try:
        # Not command.main, which ends the process with 1 where nobody reads on.
        with command.make_context("aspire", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    except TyperException as mistake:
        return _refused(_with_hint(mistake))
    except (Trouble, SettingMissing, SettingWrong) as trouble:
        return _refused(str(trouble))
    except (typer.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _refused(
            f"{error.filename} cannot be used: {error.strerror}. "
            "ASPIRE_HOME names the folder of an instance."
        )
    return 0


def _app(names: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        name="aspire",
        help=HELP,
        rich_markup_mode="rich",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True, help=HELP)(_without_a_command)
    for name in names:
        module, panel = COMMANDS[name]
        found = import_module(f"deploy.cli.{module}")
        if isinstance(group := getattr(found, "app", None), typer.Typer):
            app.add_typer(group, name=name, rich_help_panel=panel)
        else:
            command = getattr(found, name.replace("-", "_"))
            app.command(name, help=prose(command.__doc__), rich_help_panel=panel)(command)
    return app


def _without_a_command(context: typer.Context) -> None:
    """Say which commands there are."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def prose(docstring: str | None) -> str:
    """A docstring as help: lines of a paragraph are one line, which the terminal breaks."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    return "\n\n".join(
        each if each.startswith(" ") else " ".join(each.split()) for each in paragraphs
    )


def _refused(why: str) -> int:
    out.file.flush()
    err.print(Text.assemble(("aspire: ", "bold red"), why), soft_wrap=True)
    return WRONG_USE


def _with_hint(mistake: TyperException) -> str:
    context = getattr(mistake, "ctx", None)
    path = context.command_path if context is not None else "aspire"
    words = " ".join(mistake.format_message().split())
    return f"{words.rstrip('.')}. See `{path} --help`."
