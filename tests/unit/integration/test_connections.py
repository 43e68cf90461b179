"""A trust's credentials: made, rotated, revoked, and until when each is accepted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.integration.domain.connection import (
    Connection,
    Credential,
    TrustAlreadyConnected,
    TrustNotConnected,
    hashed,
)
from shared.events.integration import TrustConnected, TrustCredentialsRotated, TrustRevoked

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRUST = UUID(int=7)


def credential(secret: str, made_at: datetime = NOW) -> Credential:
    return Credential(credential_id=uuid4(), secret_hash=hashed(secret), made_at=made_at)


def connected() -> Connection:
    new = Connection(trust_id=TRUST, name="Solent Trust")
    return new.connect(credential("one"))[0]


def test_a_connected_trust_is_admitted_by_its_secret_only() -> None:
    new = credential("one")
    found, [fact] = Connection(trust_id=TRUST, name="Solent Trust").connect(new)
    assert fact == TrustConnected(trust_id=TRUST, credential_id=new.credential_id)
    assert found.admits("one", NOW)
    assert found.admits("one", NOW + 1000 * DAY)
    assert not found.admits("two", NOW)
    assert not found.admits("", NOW)


def test_it_is_connected_once() -> None:
    with pytest.raises(TrustAlreadyConnected):
        connected().connect(credential("two"))


def test_after_a_rotation_both_are_accepted_for_a_while() -> None:
    new = credential("two", NOW + HOUR)
    found, [fact] = connected().rotate(new, DAY)
    assert fact == TrustCredentialsRotated(trust_id=TRUST, credential_id=new.credential_id)
    last = NOW + HOUR + DAY - timedelta(seconds=1)
    assert found.admits("one", last)
    assert found.admits("two", last)
    assert not found.admits("one", NOW + HOUR + DAY)
    assert found.admits("two", NOW + HOUR + DAY)


def test_another_rotation_never_lengthens_what_is_about_to_end() -> None:
    found, _ = connected().rotate(credential("two"), HOUR)
    found, _ = found.rotate(credential("three"), 7 * DAY)
    assert not found.admits("one", NOW + HOUR)
    assert found.admits("two", NOW + HOUR)


def test_revoked_secrets_are_worth_nothing_from_that_moment() -> None:
    rotated, _ = connected().rotate(credential("two"), DAY)
    found, [fact] = rotated.revoke(NOW + HOUR)
    assert fact == TrustRevoked(trust_id=TRUST)
    assert not found.admits("one", NOW + HOUR)
    assert not found.admits("two", NOW + HOUR)
    again, _ = found.connect(credential("three", NOW + HOUR))
    assert not again.admits("two", NOW + HOUR)
    assert again.admits("three", NOW + HOUR)


def test_without_credentials_there_is_nothing_to_rotate_or_revoke() -> None:
    never = Connection(trust_id=TRUST, name="Solent Trust")
    revoked, _ = connected().revoke(NOW)
    for found in (never, revoked):
        with pytest.raises(TrustNotConnected):
            found.rotate(credential("two"), DAY)
        with pytest.raises(TrustNotConnected):
            found.revoke(NOW)
