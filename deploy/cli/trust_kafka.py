"""`aspire trust kafka`: a topic of a trust's own on Kafka, and the users that may write it."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

import typer
from aiokafka.errors import KafkaError

from deploy.cli.integration import Token, ask
from deploy.cli.servers import require_kafka
from deploy.cli.terminal import print_line, say
from deploy.cli.trouble import CannotDo
from deploy.cli.where import Platform
from shared.events.topics import FROM_TRUSTS, FROM_TRUSTS_CONFIG, TO_TRUSTS, TO_TRUSTS_CONFIG
from shared.messaging import cluster, granting
from shared.messaging.access import trust_grants, trust_user
from shared.settings import Settings

app = typer.Typer(
    help="A topic of a trust's own on Kafka, and the users by which its systems write there. As "
    "ASPIRE_KAFKA_SASL_… it needs a user who may make topics and users.",
    no_args_is_help=True,
)

Trust = Annotated[UUID, typer.Argument(help="The id of a trust that is connected.")]


@app.command()
def connect(trust: Trust, token: Token = None) -> None:
    """Make the trust's topics and a user who may use them and nothing else; print the password.

    It writes mis.in.TRUST, which keeps seven days, and reads trust.TRUST, its feed from the very
    beginning. Both go on while the trust is connected (`aspire trust connect`).

    Examples:

      aspire trust kafka connect 0b7…
    """
    _check(trust, token)
    _run(connect_user, trust)


@app.command()
def rotate(trust: Trust) -> None:
    """Make a second user, and print the password; the first may write until it is revoked.

    Examples:

      aspire trust kafka rotate 0b7…

      aspire trust kafka revoke 0b7… --user trust.0b7…
    """
    _run(rotate_user, trust)


@app.command()
def revoke(
    trust: Trust,
    user: Annotated[
        str | None, typer.Option(help="Only this one of the trust's two users; else both.")
    ] = None,
) -> None:
    """End what a trust's users may do, from this moment. What the topic holds stays there.

    Examples:

      aspire trust kafka revoke 0b7…
    """

    async def revoked(settings: Settings, trust_id: UUID) -> None:
        ended = await revoke_users(settings, trust_id, user)
        say(f"{' and '.join(ended)} can write no more.")

    _run(revoked, trust)


def _check(trust: UUID, token: str | None) -> None:
    """Nothing is taken from a topic of somebody who is no trust that is connected."""
    found = ask("GET", f"/trusts/{trust}/connection", token)
    if not found["connected"]:
        raise CannotDo(f"{found['name']} is not connected: `aspire trust connect {trust}` first.")


def _run(act: Callable[[Settings, UUID], Coroutine[Any, Any, Any]], trust: UUID) -> None:
    async def done() -> None:
        settings = Platform.here().settings
        await require_kafka(settings)
        try:
            made = await act(settings, trust)
        except (granting.NotGranted, KafkaError) as refused:
            raise CannotDo(str(refused)) from refused
        if made is not None:
            _print(settings, trust, *made)

    asyncio.run(done())


async def connect_user(settings: Settings, trust: UUID) -> tuple[str, str]:
    """Makes the topic and a user; answers its name and password. Raises CannotDo, NotGranted."""
    if there := await users_of(settings, trust):
        raise CannotDo(f"{' and '.join(there)} may write already: rotate, or revoke first.")
    await cluster.create(
        settings,
        {
            f"{FROM_TRUSTS}{trust}": (1, FROM_TRUSTS_CONFIG),
            f"{TO_TRUSTS}{trust}": (1, TO_TRUSTS_CONFIG),
        },
    )
    return await _make(settings, trust, trust_user(trust, 1, settings.topic_prefix))


async def rotate_user(settings: Settings, trust: UUID) -> tuple[str, str]:
    """Makes the other user beside the one that there is. Raises CannotDo, NotGranted."""
    there = await users_of(settings, trust)
    free = [name for name in _names(settings, trust) if name not in there]
    if not there:
        raise CannotDo("The trust has no user on Kafka: connect it.")
    if not free:
        raise CannotDo(f"{' and '.join(there)} may write: revoke the older one first (--user).")
    return await _make(settings, trust, free[0])


async def revoke_users(settings: Settings, trust: UUID, user: str | None = None) -> list[str]:
    """Ends the trust's users, or the one; answers their names. Raises CannotDo, NotGranted."""
    there = await users_of(settings, trust)
    ended = [name for name in there if user in (None, name)]
    if not ended:
        has = f"but {' and '.join(there)}" if there else "nor any"
        raise CannotDo(f"The trust has no such user on Kafka, {has}.")
    await granting.remove(settings, ended)
    return ended


async def users_of(settings: Settings, trust: UUID) -> list[str]:
    """The trust's users that there are. Raises NotGranted."""
    names = _names(settings, trust)
    known = await granting.users(settings, names)
    return [name for name in names if name in known]


async def _make(settings: Settings, trust: UUID, user: str) -> tuple[str, str]:
    password = secrets.token_urlsafe(32)
    leave = trust_grants(trust, settings.topic_prefix)
    await granting.provide(settings, {user: password}, {user: leave})
    return user, password


def _print(settings: Settings, trust: UUID, user: str, password: str) -> None:
    say(
        f"User {user} (SCRAM-SHA-512) writes {settings.topic_prefix}{FROM_TRUSTS}{trust} and "
        f"reads {settings.topic_prefix}{TO_TRUSTS}{trust}; the password is the next line. It is "
        "shown this once: give it to the trust by a way that keeps secrets, and where Kafka is: "
        f"{settings.kafka}, {settings.kafka_security_protocol}."
    )
    print_line(password)


def _names(settings: Settings, trust: UUID) -> list[str]:
    return [trust_user(trust, number, settings.topic_prefix) for number in (1, 2)]
