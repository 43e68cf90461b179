"""The token issuer of one machine: keys in a folder, a JWKS file beside them. For no other use."""

import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

from shared.web.actor import ROLES

ISSUER: Final = "https://aspire.localhost"
AUDIENCE: Final = "aspire"


class LocalIssuer:
    """Issues tokens signed by a key that it makes once in `folder` (0700, the key 0600)."""

    def __init__(self, folder: Path, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self.issuer = issuer
        self.audience = audience
        self._key_file = folder / "signing-key.pem"
        self._jwks_file = folder / "jwks.json"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._key_file.exists():
            _write_once(self._key_file, _new_key())
        self._key = _read_key(self._key_file)
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        thumbprint = public["x"][:16]
        self._key_id = f"local-{thumbprint}"
        public |= {"kid": self._key_id, "use": "sig", "alg": "EdDSA"}
        _replace(self._jwks_file, json.dumps({"keys": [public]}).encode())

    @property
    def jwks_url(self) -> str:
        """The `file://` URL of the public keys: what ASPIRE_JWKS should be."""
        return self._jwks_file.resolve().as_uri()

    def issue(
        self,
        role: str,
        subject: str,
        *,
        networks: Iterable[UUID] = (),
        schools: Iterable[UUID] = (),
        groups: Iterable[UUID] = (),
        person: UUID | None = None,
        lifetime: timedelta = timedelta(hours=12),
    ) -> str:
        """A signed token; ValueError for a role that there is not."""
        if role not in ROLES:
            raise ValueError(f"“{role}” is no role: use one of {', '.join(sorted(ROLES))}.")
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": min(now, now + lifetime),
            "exp": now + lifetime,
            "jti": secrets.token_hex(8),
            "role": role,
        }
        scope = {"networks": networks, "schools": schools, "groups": groups}
        claims |= {name: ids for name, each in scope.items() if (ids := [str(i) for i in each])}
        if person is not None:
            claims["person"] = str(person)
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._key_id})


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _read_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} is not an Ed25519 key; move it away, and a new one is made.")
    return key


def _write_once(path: Path, content: bytes) -> None:
    """Of several processes that start at once, the first one's file stays."""
    temporary = _temporary(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    _temporary(path, content).replace(path)


def _temporary(path: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with 0600
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return Path(name)
