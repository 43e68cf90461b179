"""`aspire up`: everything in the foreground, until Ctrl-C."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from deploy.cli.addresses import print_addresses
from deploy.cli.starting import start
from deploy.cli.terminal import err, say
from deploy.embedded.home import default_home
from deploy.embedded.instance import Instance


def up() -> None:
    """Start everything: PostgreSQL, Kafka and the four services.

    It stays in the foreground and prints the addresses. Ctrl-C stops all of it; the data stay in
    ASPIRE_HOME, and the next [bold]aspire up[/] goes on with them.

    Servers that are there already are used instead of own ones where ASPIRE_KAFKA or
    ASPIRE_<SERVICE>_DATABASE_URL name them. ASPIRE_<NAME>_PORT sets a port.

    Examples:

      aspire up

      ASPIRE_HOME=/tmp/second aspire up

      ASPIRE_REPORTING_PORT=8080 aspire up
    """
    asyncio.run(_up())


async def _up() -> None:
    async with Instance(default_home(), say=say) as instance:
        instance.stop_on_signals()
        with busy("Starting …"):
            await start(instance, say)
        print_addresses(instance)
        await instance.wait()
        say("Stopping.")


def busy(what: str) -> AbstractContextManager[Any]:
    """A spinner for whoever watches; nothing in a log."""
    return err.status(what) if err.is_terminal else nullcontext()
