"""`aspire run`: one process of one service, as containers and `aspire up` start it."""

from typing import Annotated

import typer
import uvloop

from deploy.cli.trouble import CannotDo
from deploy.cli.where import ServiceName, known_service
from deploy.embedded.home import default_home
from shared import service as services
from shared.settings import Settings


def run(
    service: ServiceName,
    part: Annotated[
        list[str] | None,
        typer.Option(help="api, relay or consumer; all of them if left out. May be repeated."),
    ] = None,
) -> None:
    """Run one process of one service, until SIGTERM or Ctrl-C.

    Settings come from the environment: ASPIRE_KAFKA, ASPIRE_<SERVICE>_DATABASE_URL,
    ASPIRE_HTTP_HOST, ASPIRE_HTTP_PORT and the others that docs name. Any number of such processes
    may run beside one another. Kafka and the database may come later: /health/ready says what is
    waited for.

    Examples:

      aspire run membership

      ASPIRE_HTTP_PORT=8011 aspire run cpd --part consumer
    """
    chosen = services.load(known_service(service))
    for each in part or ():
        if each not in services.PARTS:
            raise CannotDo(f"There is no part {each}; there are {', '.join(services.PARTS)}.")
        if each not in chosen.parts:
            has = ", ".join(chosen.parts)
            raise CannotDo(f"{service} has no {each}; its parts are {has}.")
    settings = Settings(home=default_home())
    settings.database_url(service)
    uvloop.run(services.run(chosen, settings, part or None))
