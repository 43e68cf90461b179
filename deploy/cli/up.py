"""`aspire up`: everything in the foreground, until Ctrl-C."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

import typer

from deploy.cli.addresses import print_addresses
from deploy.cli.scale import replica_counts
from deploy.cli.starting import start
from deploy.cli.terminal import err, say
from deploy.embedded.home import default_home
from deploy.embedded.instance import Instance

NoTracing = Annotated[
    bool, typer.Option("--no-tracing", help="Leave Zipkin out, and have nobody keep traces.")
]


def up(
    replicas: Annotated[
        str, typer.Option(help="How many of a service, as in cpd=3,reporting=2; one of the others.")
    ] = "",
    no_tracing: NoTracing = False,
) -> None:
    """Start everything: PostgreSQL, Kafka, the five services, and Zipkin for their traces.

    It stays in the foreground and prints the addresses. Ctrl-C stops all of it; the data stay in
    ASPIRE_HOME, and the next [bold]aspire up[/] goes on with them.

    [bold]aspire scale[/] changes the number of a service's replicas while it runs. Each has an
    API of its own; that of the first keeps its address.

    Servers that are there already are used instead of own ones where ASPIRE_KAFKA or
    ASPIRE_<SERVICE>_DATABASE_URL name them. ASPIRE_<NAME>_PORT sets a port.

    Zipkin keeps every trace, in memory, until newer ones take its place. Nothing waits for it or
    needs it. Where OTEL_TRACES_EXPORTER or an endpoint of OpenTelemetry's says so, traces go
    elsewhere; OTEL_TRACES_SAMPLER says which are kept.

    Examples:

      aspire up

      aspire up --replicas cpd=3,reporting=2

      ASPIRE_HOME=/tmp/second aspire up

      ASPIRE_REPORTING_PORT=8080 aspire up
    """
    asyncio.run(_up(replica_counts(replicas), tracing=not no_tracing))


async def _up(replicas: Mapping[str, int], *, tracing: bool) -> None:
    async with Instance(default_home(), tracing=tracing, say=say) as instance:
        instance.stop_on_signals()
        with busy("Starting …"):
            await start(instance, say, replicas)
        print_addresses(instance)
        await instance.wait()
        say("Stopping.")


def busy(what: str) -> AbstractContextManager[Any]:
    """A spinner for whoever watches; nothing in a log."""
    return err.status(what) if err.is_terminal else nullcontext()
