"""The one-shot job before the services: databases, topics, and the keys of the local issuer.

`python -m deploy.compose.prepare FOLDER`. The private key stays in ASPIRE_HOME, which only this
job and the command `aspire` have; the services get the public keys in FOLDER.
"""

import asyncio
import logging
import sys
from pathlib import Path

import asyncpg

from deploy.cli.app import invoke
from deploy.embedded.instance import SERVICES
from shared.database import wait_for_database
from shared.messaging import cluster
from shared.settings import Settings
from shared.web import LocalIssuer


async def wait(settings: Settings) -> None:
    """Until every database and Kafka answer: without Kafka there would be no topics."""
    await asyncio.gather(
        cluster.wait(settings),
        *(wait_for_database(settings.database_url(service)) for service in SERVICES),
    )


def publish_keys(settings: Settings, folder: Path) -> Path:
    """The public keys of the local issuer, made once, in `folder` for everybody to read."""
    LocalIssuer(settings.local_keys, audience=settings.audience)
    published = folder / "jwks.json"
    new = folder / ".jwks.json.new"
    new.write_bytes((settings.local_keys / "jwks.json").read_bytes())
    new.chmod(0o644)
    new.replace(published)
    return published


def main(arguments: list[str]) -> int:
    """Exit code 0 when everything is there."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m deploy.compose.prepare FOLDER\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    settings = Settings()
    try:
        asyncio.run(wait(settings))
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        sys.stderr.write(
            f"PostgreSQL refuses a service: {refused}. Its roles and passwords are made on the "
            "first start only; `docker compose down --volumes` removes the data and begins anew.\n"
        )
        return 1
    for command in ("migrate", "access"):
        if code := invoke([command]):
            return code
    sys.stdout.write(f"public keys: {publish_keys(settings, Path(arguments[0]))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
