"""The public keys of the token issuer: fetched when needed, kept, fetched again for a new one."""

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import jwt

from shared.problems import Refused
from shared.web.asking import asking

log = logging.getLogger(__name__)

ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")
"""Signatures by a private key only: never `none`, never a shared secret."""


class IssuerAway(Refused):
    """The keys of the issuer cannot be read, so no token can be checked."""

    status = 503
    title = "Tokens cannot be checked at the moment"


class IssuerKeys:
    """The keys at a JWKS URL (https or file), or where the issuer's discovery says they are."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        *,
        lifetime_seconds: float = 300,
        cooldown_seconds: float = 5,
    ) -> None:
        """`cooldown_seconds` lie between two fetches, so that forged key ids make no flood."""
        self._issuer = issuer
        self._url = jwks_url
        self._lifetime = lifetime_seconds
        self._cooldown = cooldown_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id; None where the issuer has none. Raises IssuerAway."""
        if key_id not in self._keys or self._age(self._fetched) > self._lifetime:
            await self._refresh(key_id)
        return self._keys.get(key_id)

    async def _refresh(self, key_id: str) -> None:
        async with self._lock:
            if key_id in self._keys and self._age(self._fetched) <= self._lifetime:
                return  # another request has fetched them meanwhile
            if self._age(self._tried) >= self._cooldown:
                self._tried = time.monotonic()
                try:
                    self._keys = _signing_keys(await self._fetch())
                    self._fetched = time.monotonic()
                except (OSError, ValueError, httpx.HTTPError, jwt.PyJWTError) as error:
                    log.warning("The keys of the issuer %s: %s", self._issuer, error)
            if not self._keys:
                raise IssuerAway(
                    f"The keys of the issuer {self._issuer} cannot be read; try again shortly.",
                    headers={"Retry-After": "5"},
                )

    async def _fetch(self) -> Any:
        if self._url is None:
            self._url = await self._discover()
        url = urlsplit(self._url)
        if url.scheme == "file":
            return json.loads(await asyncio.to_thread(Path(url2pathname(url.path)).read_bytes))
        return await _get(self._url)

    async def _discover(self) -> str:
        """OpenID Connect Discovery 1.0, section 4."""
        document = await _get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer or "jwks_uri" not in document:
            raise ValueError("its discovery document names another issuer, or no jwks_uri")
        return str(document["jwks_uri"])

    @staticmethod
    def _age(moment: float) -> float:
        return time.monotonic() - moment


async def _get(url: str) -> Any:
    async with httpx.AsyncClient(timeout=10) as client:
        with asking():
            response = await client.get(url)
        response.raise_for_status()
        return response.json()


def _signing_keys(document: Any) -> dict[str, jwt.PyJWK]:
    keys = jwt.PyJWKSet.from_dict(document).keys
    return {
        key.key_id: key
        for key in keys
        if key.key_id and key.public_key_use in ("sig", None) and key.algorithm_name in ALGORITHMS
    }
