"""What came of a round, as one table."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.chaos.checker.findings import FAULTS
from tests.chaos.ledger import Outcome
from tests.chaos.round import Round

EXAMPLES = 5


def print_round(console: Console, played: Round) -> None:
    """Kills, faults, commands and events; then each check with what it found."""
    console.print(_counts(played))
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("check")
    table.add_column("looked at", justify="right")
    for fault in FAULTS:
        table.add_column(fault, justify="right")
    for check in played.checks:
        counts = check.counts()
        style = "red" if check.findings else ""
        cells = [str(counts[fault]) for fault in FAULTS]
        table.add_row(check.name, f"{check.looked_at:,}", *cells, style=style)
    total = sum((check.counts() for check in played.checks), start=type(counts)())
    table.add_section()
    table.add_row("together", "", *(str(total[fault]) for fault in FAULTS), style="bold")
    console.print(table)
    for check in played.checks:
        for fault, words in check.findings[:EXAMPLES]:
            console.print(Text(f"{fault}: {words}", style="red"), soft_wrap=True)


def _counts(played: Round) -> Table:
    assert played.storm is not None
    assert played.ledger is not None
    assert played.load is not None
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("seed", str(played.seed))
    table.add_row("length", f"{played.seconds:.0f} s")
    kills = played.storm.kills
    rate = kills.total() / played.seconds_of_storm
    table.add_row("kills (SIGKILL)", f"{kills.total():,}  ({rate:.2f} a second)", style="bold")
    for kind, number in sorted(kills.items()):
        table.add_row(f"  {kind}", f"{number:,}")
    faults = played.storm.faults
    table.add_row("other faults", f"{faults.total():,}", style="bold")
    for kind, number in sorted(faults.items()):
        table.add_row(f"  {kind}", f"{number:,}")
    outcomes = played.ledger.counts()
    table.add_row("commands", f"{len(played.ledger.commands):,}", style="bold")
    for outcome in Outcome:
        if outcomes[outcome]:
            table.add_row(f"  {outcome}", f"{outcomes[outcome]:,}")
    attempts = sum(command.attempts for command in played.ledger.commands)
    table.add_row("  requests for them", f"{attempts:,}")
    if played.load.turned_away:
        table.add_row("  turned away, as too many were under way", f"{played.load.turned_away:,}")
    events = {fact.id for fact in played.evidence.topics}
    table.add_row("events", f"{len(events):,}", style="bold")
    table.add_row("  sent more than once", f"{len(played.evidence.topics) - len(events):,}")
    return table
