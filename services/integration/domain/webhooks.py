"""Where a trust's webhooks go, when one that failed is tried again, and when an endpoint rests."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from shared.events import Event
from shared.events.integration import WebhookRegistered, WebhookRemoved, WebhookRested, WebhookWoken
from shared.events.vocabulary import WebhookRests
from shared.problems import Invalid, NotFound, Refused

RETRIES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
"""How long after each failure a delivery is tried again, as Standard Webhooks recommends."""
JITTER: Final = 0.1
"""By so much of it, at most, a wait is longer, so that not all come back at once."""
LONGEST_WAIT: Final = timedelta(days=1)
"""However long an answer's `Retry-After` asks to wait."""
MOST_ENDPOINTS: Final = 10
"""Of one trust."""

State = Literal["active", "resting"]


class WebhookUnknown(NotFound):
    title = "There is no such webhook"

    def __init__(self, webhook_id: UUID) -> None:
        super().__init__(f"The trust has no webhook {webhook_id}.")


class TooManyWebhooks(Refused):
    title = "The trust has as many webhooks as it may have"


class AddressRefused(Invalid):
    title = "The address is not one that webhooks are sent to"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One under which deliveries are signed, sealed; until `expires_at`, None for ever."""

    secret_id: UUID
    sealed: bytes
    made_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An endpoint of a trust, to which events of these types are sent; `types` None: of all.

    While it rests, nothing is sent, and nothing is lost: it goes on where it stood.
    """

    webhook_id: UUID
    trust_id: UUID
    url: str
    types: tuple[str, ...] | None
    made_at: datetime
    state: State = "active"
    rests: WebhookRests | None = None
    """Why."""
    secrets: tuple[Secret, ...] = ()

    def register(self) -> Event:
        return WebhookRegistered(
            trust_id=self.trust_id, webhook_id=self.webhook_id, types=self.types
        )

    def remove(self) -> Event:
        return WebhookRemoved(trust_id=self.trust_id, webhook_id=self.webhook_id)

    def rest(self, why: WebhookRests) -> tuple["Webhook", Sequence[Event]]:
        if self.state == "resting":
            return self, ()
        return replace(self, state="resting", rests=why), (
            WebhookRested(trust_id=self.trust_id, webhook_id=self.webhook_id, why=why),
        )

    def wake(self) -> tuple["Webhook", Sequence[Event]]:
        if self.state == "active":
            return self, ()
        return replace(self, state="active", rests=None), (
            WebhookWoken(trust_id=self.trust_id, webhook_id=self.webhook_id),
        )

    def rotate(self, new: Secret, overlap: timedelta) -> "Webhook":
        """Signed under the new secret as well as, for `overlap` still, under those before it."""
        ends = new.made_at + overlap
        ending = (
            replace(each, expires_at=min(ends, each.expires_at or ends)) for each in self.secrets
        )
        return replace(self, secrets=(*ending, new))

    def signing(self, now: datetime) -> list[Secret]:
        """The secrets under which is signed now."""
        return [each for each in self.secrets if each.expires_at is None or now < each.expires_at]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a receiver answered: a status and the beginning of the body; or, where there was no
    answer, `trouble` says in words what went wrong."""

    status: int | None = None
    body: str = ""
    trouble: str | None = None
    retry_after: timedelta | None = None
    took: timedelta = timedelta()

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver says that it is there no more, and wants nothing."""
        return self.status == 410


def next_try(tries: int, answer: Answer, chance: float) -> timedelta | None:
    """How long to wait after the `tries`th try in a row has failed; None: no longer worth it.

    `chance` is between 0 and 1, and spreads the tries.
    """
    if tries > len(RETRIES):
        return None
    wait = RETRIES[tries - 1] * (1 + JITTER * chance)
    return max(wait, min(answer.retry_after or timedelta(), LONGEST_WAIT))


def check_url(url: str, *, inside: bool) -> None:
    """`inside`: http and addresses inside networks are allowed, too. A host name is looked up
    when something is sent. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _refused("It is no URL.") from None
    if not url.isascii() or any(character <= " " for character in url):
        raise _refused("It is no URL: write what is not ASCII percent-encoded (RFC 3986).")
    if parts.scheme != "https" and not (inside and parts.scheme == "http"):
        raise _refused("It has to begin with https://.")
    if not host:
        raise _refused("It names no host.")
    if parts.username is not None or parts.password is not None:
        raise _refused("It holds a user or a password: deliveries are known by their signature.")
    if not inside and not _may_be_public(host):
        raise _refused(f"{host} is inside a network, and not one that the public reaches.")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; also what is wrapped in it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(each is not None and not _is_global(each) for each in wrapped):
            return False
    return _is_global(ip)


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in its last 32 bits."""


def _is_global(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast


def _may_be_public(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # a name
        name = host.rstrip(".").lower()
        return "." in name and not name.endswith((".localhost", ".local", ".internal"))


def _refused(why: str) -> AddressRefused:
    return AddressRefused(
        f"No webhook can be sent there. {why} Take an https:// address that is reached from "
        "everywhere.",
        errors=[("#/url", why)],
    )
