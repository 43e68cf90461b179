"""`python -m tests.chaos --kills n --seed s`: one round, one table; 1 where anything differs."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.round import Round
from tests.chaos.table import print_round

INTERRUPTED = 130
SECONDS_BETWEEN_LINES = 15
LOG_COLUMNS = 140


def main() -> int:
    """Play a round and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random")
    parser.add_argument("--keep", action="store_true", help="keep the data of a good round, too")
    asked = parser.parse_args()
    if asked.kills < 1:
        parser.error("--kills is 1 or more")
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_COLUMNS)
    home = Path(tempfile.mkdtemp(prefix="aspire-chaos-"))
    played = Round(asked.kills, asked.seed, home)
    try:
        asyncio.run(_play(played, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print(f"Broken off; what there is stays in {home}.")
        return INTERRUPTED
    except BaseException:
        console.print(f"The round could not be played; what there is stays in {home}.")
        raise
    print_round(console, played)
    if played.passed and not asked.keep:
        shutil.rmtree(home)
    else:
        console.print(f"Ledger, logs and data stay in {home}.", soft_wrap=True)
    return 0 if played.passed else 1


async def _play(played: Round, console: Console) -> None:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("kills"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        bar = progress.add_task("", total=played.kills)
        last = time.monotonic()

        def tell(what: str) -> None:
            progress.update(bar, description=what)
            if not console.is_terminal:
                console.print(f"{time.strftime('%H:%M:%S')} {what}")

        def killed() -> None:
            nonlocal last
            progress.advance(bar)
            if not console.is_terminal and time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                assert played.storm is not None
                assert played.ledger is not None
                counts = ", ".join(f"{n} {kind}" for kind, n in played.ledger.counts().items())
                console.print(
                    f"{time.strftime('%H:%M:%S')} {played.storm.kills.total()} kills; {counts}"
                )

        played.tell, played.killed = tell, killed
        await played.run()


if __name__ == "__main__":
    sys.exit(main())
