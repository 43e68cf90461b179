"""By which credentials a trust's systems are known."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.events import Event
from shared.events.integration import TrustConnected, TrustCredentialsRotated, TrustRevoked
from shared.problems import NotFound, Refused

LONGEST_OVERLAP: Final = timedelta(days=7)
"""For which two secrets of a trust may be accepted at most."""


class TrustUnknown(NotFound):
    title = "There is no such trust"

    def __init__(self, trust_id: UUID) -> None:
        super().__init__(
            f"No trust {trust_id} is known here. It is the id of a group of the kind trust; one "
            "that has just been registered appears within seconds."
        )


class TrustAlreadyConnected(Refused):
    title = "The trust is connected already"


class TrustNotConnected(Refused):
    title = "The trust is not connected"


def hashed(secret: str) -> bytes:
    """What is kept of a secret, which has 256 random bits: SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A secret of a trust, as far as it is kept; accepted until `expires_at`, None for ever."""

    credential_id: UUID
    secret_hash: bytes
    made_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    def until(self, moment: datetime) -> "Credential":
        """Accepted until then, or shorter if it was to end before."""
        return replace(self, expires_at=min(moment, self.expires_at or moment))


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A trust, and the credentials that its systems have had."""

    trust_id: UUID
    name: str
    credentials: tuple[Credential, ...] = ()

    def connect(self, new: Credential) -> tuple["Connection", Sequence[Event]]:
        """The first credentials, or new ones after all were revoked."""
        if self.is_connected(new.made_at):
            raise TrustAlreadyConnected(
                f"{self.name} is connected. Rotate its credentials where it needs new ones."
            )
        return replace(self, credentials=(*self.credentials, new)), (
            TrustConnected(trust_id=self.trust_id, credential_id=new.credential_id),
        )

    def rotate(self, new: Credential, overlap: timedelta) -> tuple["Connection", Sequence[Event]]:
        """New credentials; those before them are accepted for `overlap` still."""
        self._check_connected(new.made_at)
        ends = new.made_at + overlap
        ending = (each.until(ends) for each in self.credentials)
        return replace(self, credentials=(*ending, new)), (
            TrustCredentialsRotated(trust_id=self.trust_id, credential_id=new.credential_id),
        )

    def revoke(self, now: datetime) -> tuple["Connection", Sequence[Event]]:
        """Nothing is accepted from now on."""
        self._check_connected(now)
        ended = tuple(each.until(now) for each in self.credentials)
        return replace(self, credentials=ended), (TrustRevoked(trust_id=self.trust_id),)

    def admits(self, secret: str, now: datetime) -> bool:
        """Whether it is a secret of the trust that is accepted now."""
        given = hashed(secret)
        return any(
            hmac.compare_digest(each.secret_hash, given)
            for each in self.credentials
            if each.is_valid(now)
        )

    def is_connected(self, now: datetime) -> bool:
        return any(each.is_valid(now) for each in self.credentials)

    def _check_connected(self, now: datetime) -> None:
        if not self.is_connected(now):
            raise TrustNotConnected(
                f"{self.name} has no credentials that are accepted. Connect it to make some."
            )
